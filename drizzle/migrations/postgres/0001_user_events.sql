-- Every change of a user leaves an event in the outbox, in the same transaction, whoever makes it.
-- users.version is the id of the newest event about that user, so the reader of events can tell old from new.
CREATE FUNCTION "users_next_version"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := nextval('outbox_id_seq');
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE FUNCTION "users_enqueue"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  event bigint;
BEGIN
  IF TG_OP = 'DELETE' THEN
    event := nextval('outbox_id_seq');
    INSERT INTO outbox (id, topic, key, payload)
    VALUES (event, 'users', OLD.id, jsonb_build_object('id', OLD.id, 'deleted', true, 'version', event));
  ELSE
    INSERT INTO outbox (id, topic, key, payload)
    VALUES (NEW.version, 'users', NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'email', NEW.email, 'version', NEW.version));
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "users_version" BEFORE INSERT OR UPDATE ON "users" FOR EACH ROW EXECUTE FUNCTION users_next_version();
--> statement-breakpoint
CREATE TRIGGER "users_event" AFTER INSERT OR UPDATE OR DELETE ON "users" FOR EACH ROW EXECUTE FUNCTION users_enqueue();
--> statement-breakpoint
-- Events live for milliseconds: vacuum by a count of dead rows, not by a share of an almost empty table.
ALTER TABLE "outbox" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
