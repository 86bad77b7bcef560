-- online
-- replaces 36928caef790005b25b9b53eac177f66376d069c97d99b598ca5b71fa58fa1bb
-- Two accounts with one mailbox cannot both stay: who they are is for an operator to decide.
DO $$
BEGIN
  IF EXISTS (SELECT 1 FROM public.users GROUP BY lower(email COLLATE "C") HAVING count(*) > 1) THEN
    RAISE EXCEPTION 'users share an e-mail in other letter case: npm run db:preflight lists them; change or merge them, and migrate again';
  END IF;
END
$$;
--> statement-breakpoint
CREATE UNIQUE INDEX CONCURRENTLY "users_email_case_key" ON "public"."users" USING btree (lower("email" COLLATE "C"));
--> statement-breakpoint
ALTER TABLE "public"."users" DROP CONSTRAINT "users_email_key";
ALTER INDEX "public"."users_email_case_key" RENAME TO "users_email_key";
