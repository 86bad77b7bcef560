-- online
-- What lists may be sorted and filtered by beside their own order.
CREATE INDEX CONCURRENTLY "orders_status_created_at_idx" ON "public"."orders" USING btree ("status","created_at" DESC NULLS FIRST,"id" DESC NULLS FIRST);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "orders_total_idx" ON "public"."orders" USING btree ("total","id");
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "users_name_idx" ON "public"."users" USING btree ("name" COLLATE "C","id");
