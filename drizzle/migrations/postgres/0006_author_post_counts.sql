CREATE TABLE "author_post_counts" (
	"author_id" bigint PRIMARY KEY NOT NULL,
	"post_count" integer NOT NULL,
	"content_length" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "author_post_counts_post_count_idx" ON "author_post_counts" USING btree ("post_count" DESC NULLS FIRST,"author_id");
--> statement-breakpoint
-- Whoever writes posts, the counts follow in the same transaction: once for each statement, authors in order.
CREATE FUNCTION "posts_counted"() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM public.author_post_counts;
  ELSIF TG_OP = 'INSERT' THEN
    INSERT INTO public.author_post_counts AS kept (author_id, post_count, content_length)
    SELECT author_id, count(*), sum(content_length) FROM added GROUP BY author_id ORDER BY author_id
    ON CONFLICT (author_id) DO UPDATE SET post_count = kept.post_count + excluded.post_count,
      content_length = kept.content_length + excluded.content_length;
  ELSIF TG_OP = 'UPDATE' THEN
    INSERT INTO public.author_post_counts AS kept (author_id, post_count, content_length)
    SELECT author_id, sum(posts), sum(length) FROM (
      SELECT author_id, 1 AS posts, content_length AS length FROM added
      UNION ALL SELECT author_id, -1, -content_length FROM removed
    ) AS change GROUP BY author_id HAVING sum(posts) <> 0 OR sum(length) <> 0 ORDER BY author_id
    ON CONFLICT (author_id) DO UPDATE SET post_count = kept.post_count + excluded.post_count,
      content_length = kept.content_length + excluded.content_length;
    DELETE FROM public.author_post_counts AS kept USING removed
    WHERE kept.author_id = removed.author_id AND kept.post_count = 0;
  ELSE
    INSERT INTO public.author_post_counts AS kept (author_id, post_count, content_length)
    SELECT author_id, -count(*), -sum(content_length) FROM removed GROUP BY author_id ORDER BY author_id
    ON CONFLICT (author_id) DO UPDATE SET post_count = kept.post_count + excluded.post_count,
      content_length = kept.content_length + excluded.content_length;
    DELETE FROM public.author_post_counts AS kept USING removed
    WHERE kept.author_id = removed.author_id AND kept.post_count = 0;
  END IF;
  RETURN NULL;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "posts_added" AFTER INSERT ON "posts" REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION posts_counted();
--> statement-breakpoint
CREATE TRIGGER "posts_changed" AFTER UPDATE ON "posts" REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION posts_counted();
--> statement-breakpoint
CREATE TRIGGER "posts_removed" AFTER DELETE ON "posts" REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION posts_counted();
--> statement-breakpoint
CREATE TRIGGER "posts_truncated" AFTER TRUNCATE ON "posts" FOR EACH STATEMENT EXECUTE FUNCTION posts_counted();
--> statement-breakpoint
-- Since the triggers were made nobody else can write posts until this transaction ends; requests only read them.
INSERT INTO author_post_counts (author_id, post_count, content_length)
SELECT author_id, count(*), sum(content_length) FROM posts GROUP BY author_id;
