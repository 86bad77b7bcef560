-- Two accounts with one mailbox cannot both stay: who they are is for an operator to decide.
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM users GROUP BY lower(email COLLATE "C") HAVING count(*) > 1) THEN
    RAISE EXCEPTION 'users share an e-mail in other letter case; find them with SELECT lower(email), array_agg(id) FROM users GROUP BY 1 HAVING count(*) > 1, change or merge them, and migrate again';
  END IF;
END
$$;
--> statement-breakpoint
ALTER TABLE "users" DROP CONSTRAINT "users_email_key";--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_key" ON "users" USING btree (lower("email" COLLATE "C"));