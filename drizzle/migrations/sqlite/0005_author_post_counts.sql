CREATE TABLE `author_post_counts` (
	`author_id` integer PRIMARY KEY NOT NULL,
	`post_count` integer NOT NULL,
	`content_length` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `author_post_counts_post_count_idx` ON `author_post_counts` ("post_count" desc,`author_id`);
--> statement-breakpoint
-- The twin of the PostgreSQL triggers, row by row.
CREATE TRIGGER `posts_added` AFTER INSERT ON `posts` BEGIN
  INSERT INTO author_post_counts (author_id, post_count, content_length) VALUES (NEW.author_id, 1, NEW.content_length)
  ON CONFLICT (author_id) DO UPDATE SET post_count = post_count + 1, content_length = content_length + excluded.content_length;
END;
--> statement-breakpoint
CREATE TRIGGER `posts_changed` AFTER UPDATE OF author_id, content_length ON `posts`
WHEN OLD.author_id <> NEW.author_id OR OLD.content_length <> NEW.content_length BEGIN
  UPDATE author_post_counts SET post_count = post_count - 1, content_length = content_length - OLD.content_length
  WHERE author_id = OLD.author_id;
  DELETE FROM author_post_counts WHERE author_id = OLD.author_id AND post_count = 0;
  INSERT INTO author_post_counts (author_id, post_count, content_length) VALUES (NEW.author_id, 1, NEW.content_length)
  ON CONFLICT (author_id) DO UPDATE SET post_count = post_count + 1, content_length = content_length + excluded.content_length;
END;
--> statement-breakpoint
CREATE TRIGGER `posts_removed` AFTER DELETE ON `posts` BEGIN
  UPDATE author_post_counts SET post_count = post_count - 1, content_length = content_length - OLD.content_length
  WHERE author_id = OLD.author_id;
  DELETE FROM author_post_counts WHERE author_id = OLD.author_id AND post_count = 0;
END;
--> statement-breakpoint
INSERT INTO author_post_counts (author_id, post_count, content_length)
SELECT author_id, count(*), sum(content_length) FROM posts GROUP BY author_id;
