CREATE TABLE "fence" (
	"id" integer PRIMARY KEY DEFAULT 1 NOT NULL,
	"pair" text NOT NULL,
	"epoch" bigint DEFAULT 1 NOT NULL,
	"counter" bigint DEFAULT 0 NOT NULL,
	"confirmed" bigint DEFAULT 0 NOT NULL,
	"mend_wanted" integer DEFAULT 0 NOT NULL,
	"mend_done" integer DEFAULT 0 NOT NULL,
	"mender" text,
	"mender_until" timestamp (3) with time zone,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "change_streams" ADD COLUMN "leader" text;--> statement-breakpoint
ALTER TABLE "change_streams" ADD COLUMN "leader_since" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "change_streams" ADD COLUMN "leader_until" timestamp (3) with time zone;--> statement-breakpoint
CREATE INDEX "outbox_keys" ON "outbox" USING btree ("topic","key","id");--> statement-breakpoint
-- TRUNCATE fires no row trigger, so no event tells of the users that are gone: the copies are to be compared as a whole.
CREATE FUNCTION "users_truncated"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE fence SET mend_wanted = mend_wanted + 1;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "users_truncate" AFTER TRUNCATE ON "users" FOR EACH STATEMENT EXECUTE FUNCTION users_truncated();
