-- online
-- Counting the events that were given up, beside many that wait.
CREATE INDEX CONCURRENTLY "outbox_parked" ON "public"."outbox" USING btree ("topic","id") WHERE parked_at IS NOT NULL;
