-- online
-- Ids become bigint beside the service, old and new: new columns that a trigger fills, old rows in batches, indexes
-- concurrently, then one exchange of the columns that holds its locks for milliseconds.
ALTER TABLE public.users ADD COLUMN id_wide bigint;
CREATE FUNCTION public.users_widen() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  NEW.id_wide := NEW.id;
  RETURN NEW;
END
$$;
CREATE TRIGGER users_widen BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.users_widen();
-- Filling the new column is no change of a user, so it must not become an event.
CREATE OR REPLACE TRIGGER users_version BEFORE INSERT OR UPDATE OF id, email, name, version, created_at, updated_at ON public.users
  FOR EACH ROW EXECUTE FUNCTION public.users_next_version();
CREATE OR REPLACE TRIGGER users_event AFTER INSERT OR UPDATE OF id, email, name, version, created_at, updated_at OR DELETE ON public.users
  FOR EACH ROW EXECUTE FUNCTION public.users_enqueue();
--> statement-breakpoint
ALTER TABLE public.orders ADD COLUMN id_wide bigint, ADD COLUMN user_id_wide bigint;
CREATE FUNCTION public.orders_widen() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  NEW.id_wide := NEW.id;
  NEW.user_id_wide := NEW.user_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER orders_widen BEFORE INSERT OR UPDATE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.orders_widen();
--> statement-breakpoint
ALTER TABLE public.order_items ADD COLUMN id_wide bigint, ADD COLUMN order_id_wide bigint;
CREATE FUNCTION public.order_items_widen() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  NEW.id_wide := NEW.id;
  NEW.order_id_wide := NEW.order_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER order_items_widen BEFORE INSERT OR UPDATE ON public.order_items FOR EACH ROW EXECUTE FUNCTION public.order_items_widen();
--> statement-breakpoint
ALTER TABLE public.posts ADD COLUMN author_id_wide bigint;
CREATE FUNCTION public.posts_widen() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  NEW.author_id_wide := NEW.author_id;
  RETURN NEW;
END
$$;
CREATE TRIGGER posts_widen BEFORE INSERT OR UPDATE ON public.posts FOR EACH ROW EXECUTE FUNCTION public.posts_widen();
--> statement-breakpoint
-- batches
WITH part AS (SELECT max(id) AS last FROM (SELECT id FROM public.users WHERE id > coalesce($1::bigint, -2147483649) ORDER BY id LIMIT 2000) AS rows),
filled AS (
  UPDATE public.users SET id_wide = id
  WHERE id > coalesce($1::bigint, -2147483649) AND id <= (SELECT last FROM part) AND id_wide IS NULL
)
SELECT last::text AS next FROM part;
--> statement-breakpoint
-- batches
WITH part AS (SELECT max(id) AS last FROM (SELECT id FROM public.orders WHERE id > coalesce($1::bigint, -2147483649) ORDER BY id LIMIT 2000) AS rows),
filled AS (
  UPDATE public.orders SET id_wide = id, user_id_wide = user_id
  WHERE id > coalesce($1::bigint, -2147483649) AND id <= (SELECT last FROM part) AND id_wide IS NULL
)
SELECT last::text AS next FROM part;
--> statement-breakpoint
-- batches
WITH part AS (SELECT max(id) AS last FROM (SELECT id FROM public.order_items WHERE id > coalesce($1::bigint, -2147483649) ORDER BY id LIMIT 2000) AS rows),
filled AS (
  UPDATE public.order_items SET id_wide = id, order_id_wide = order_id
  WHERE id > coalesce($1::bigint, -2147483649) AND id <= (SELECT last FROM part) AND id_wide IS NULL
)
SELECT last::text AS next FROM part;
--> statement-breakpoint
-- batches
WITH part AS (SELECT max(id) AS last FROM (SELECT id FROM public.posts WHERE id > coalesce($1::text, '') ORDER BY id LIMIT 2000) AS rows),
filled AS (
  UPDATE public.posts SET author_id_wide = author_id
  WHERE id > coalesce($1::text, '') AND id <= (SELECT last FROM part) AND author_id_wide IS NULL
)
SELECT last::text AS next FROM part;
--> statement-breakpoint
ALTER TABLE public.users ADD CONSTRAINT users_wide_check CHECK (id_wide IS NOT NULL) NOT VALID;
--> statement-breakpoint
ALTER TABLE public.users VALIDATE CONSTRAINT users_wide_check;
--> statement-breakpoint
ALTER TABLE public.orders ADD CONSTRAINT orders_wide_check CHECK (id_wide IS NOT NULL AND user_id_wide IS NOT NULL) NOT VALID;
--> statement-breakpoint
ALTER TABLE public.orders VALIDATE CONSTRAINT orders_wide_check;
--> statement-breakpoint
ALTER TABLE public.order_items ADD CONSTRAINT order_items_wide_check CHECK (id_wide IS NOT NULL AND order_id_wide IS NOT NULL) NOT VALID;
--> statement-breakpoint
ALTER TABLE public.order_items VALIDATE CONSTRAINT order_items_wide_check;
--> statement-breakpoint
ALTER TABLE public.posts ADD CONSTRAINT posts_wide_check CHECK (author_id_wide IS NOT NULL) NOT VALID;
--> statement-breakpoint
ALTER TABLE public.posts VALIDATE CONSTRAINT posts_wide_check;
--> statement-breakpoint
CREATE UNIQUE INDEX CONCURRENTLY users_wide_pkey ON public.users USING btree (id_wide);
--> statement-breakpoint
CREATE UNIQUE INDEX CONCURRENTLY orders_wide_pkey ON public.orders USING btree (id_wide);
--> statement-breakpoint
CREATE UNIQUE INDEX CONCURRENTLY order_items_wide_pkey ON public.order_items USING btree (id_wide);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY orders_created_at_wide_idx ON public.orders USING btree (created_at DESC NULLS FIRST, id_wide DESC NULLS FIRST);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY orders_user_id_created_at_wide_idx ON public.orders USING btree (user_id_wide, created_at DESC NULLS FIRST, id_wide DESC NULLS FIRST);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY order_items_order_id_wide_idx ON public.order_items USING btree (order_id_wide, id_wide);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY posts_author_id_created_at_wide_idx ON public.posts USING btree (author_id_wide, created_at DESC NULLS FIRST, id DESC NULLS FIRST);
--> statement-breakpoint
CREATE INDEX CONCURRENTLY posts_author_id_content_length_wide_idx ON public.posts USING btree (author_id_wide, content_length);
--> statement-breakpoint
-- The planner knows nothing of columns that were filled just now; of an empty table it would believe that it stays so.
DO $$
DECLARE
  name text;
  has_rows boolean;
BEGIN
  FOREACH name IN ARRAY ARRAY['users', 'orders', 'order_items', 'posts'] LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', name) INTO has_rows;
    IF has_rows THEN
      EXECUTE format('ANALYZE public.%I', name);
    END IF;
  END LOOP;
END
$$;
--> statement-breakpoint
-- locks orders, users, order_items, posts or users, orders, order_items, posts
-- The exchange: nothing in it looks at rows.
DROP TRIGGER users_widen ON public.users;
DROP TRIGGER orders_widen ON public.orders;
DROP TRIGGER order_items_widen ON public.order_items;
DROP TRIGGER posts_widen ON public.posts;
DROP FUNCTION public.users_widen(), public.orders_widen(), public.order_items_widen(), public.posts_widen();
-- Sessions that have run a trigger remember the type of NEW.id, and would fail from here on; of a function that is
-- replaced they remember nothing. Its own search_path lets it work for callers, and restores, with any other or none.
CREATE OR REPLACE FUNCTION public.users_next_version() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  NEW.version := nextval('public.outbox_id_seq');
  RETURN NEW;
END
$$;
CREATE OR REPLACE FUNCTION public.users_enqueue() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
  event bigint;
BEGIN
  IF TG_OP = 'DELETE' THEN
    event := nextval('public.outbox_id_seq');
    INSERT INTO public.outbox (id, topic, key, payload)
    VALUES (event, 'users', OLD.id, jsonb_build_object('id', OLD.id, 'deleted', true, 'version', event));
  ELSE
    INSERT INTO public.outbox (id, topic, key, payload)
    VALUES (NEW.version, 'users', NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'email', NEW.email, 'version', NEW.version));
  END IF;
  RETURN NULL;
END
$$;
CREATE OR REPLACE FUNCTION public.users_truncated() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
  UPDATE public.fence SET mend_wanted = mend_wanted + 1;
  RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_version BEFORE INSERT OR UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.users_next_version();
CREATE OR REPLACE TRIGGER users_event AFTER INSERT OR UPDATE OR DELETE ON public.users FOR EACH ROW EXECUTE FUNCTION public.users_enqueue();
ALTER TABLE public.orders DROP CONSTRAINT orders_user_id_fkey;
ALTER TABLE public.order_items DROP CONSTRAINT order_items_order_id_fkey;
DO $$
DECLARE
  name text;
  next bigint;
  command text;
  grants text[];
BEGIN
  FOREACH name IN ARRAY ARRAY['users', 'orders', 'order_items'] LOOP
    EXECUTE format('SELECT last_value + is_called::integer FROM public.%I', name || '_id_seq') INTO next;
    -- The sequence goes with its column; who may use it must be able to use the new one.
    grants := ARRAY(
      SELECT format('GRANT %s ON SEQUENCE public.%I TO %s', privilege_type, relname, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END)
      FROM pg_class, aclexplode(relacl) WHERE oid = format('public.%I', name || '_id_seq')::regclass
    );
    EXECUTE format('ALTER TABLE public.%I DROP COLUMN id', name);
    EXECUTE format('ALTER TABLE public.%I RENAME COLUMN id_wide TO id', name);
    EXECUTE format('ALTER TABLE public.%I ALTER COLUMN id SET NOT NULL', name);
    EXECUTE format('ALTER TABLE public.%I ADD CONSTRAINT %I PRIMARY KEY USING INDEX %I', name, name || '_pkey', name || '_wide_pkey');
    EXECUTE format('ALTER TABLE public.%I ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME public.%I MAXVALUE 9007199254740991)', name, name || '_id_seq');
    PERFORM setval(format('public.%I', name || '_id_seq')::regclass, next, false);
    FOREACH command IN ARRAY grants LOOP
      EXECUTE command;
    END LOOP;
  END LOOP;
END
$$;
ALTER TABLE public.orders DROP COLUMN user_id;
ALTER TABLE public.orders RENAME COLUMN user_id_wide TO user_id;
ALTER TABLE public.orders ALTER COLUMN user_id SET NOT NULL;
ALTER TABLE public.order_items DROP COLUMN order_id;
ALTER TABLE public.order_items RENAME COLUMN order_id_wide TO order_id;
ALTER TABLE public.order_items ALTER COLUMN order_id SET NOT NULL;
ALTER TABLE public.posts DROP COLUMN author_id;
ALTER TABLE public.posts RENAME COLUMN author_id_wide TO author_id;
ALTER TABLE public.posts ALTER COLUMN author_id SET NOT NULL;
ALTER TABLE public.users DROP CONSTRAINT users_wide_check;
ALTER TABLE public.orders DROP CONSTRAINT orders_wide_check;
ALTER TABLE public.order_items DROP CONSTRAINT order_items_wide_check;
ALTER TABLE public.posts DROP CONSTRAINT posts_wide_check;
ALTER INDEX public.orders_created_at_wide_idx RENAME TO orders_created_at_idx;
ALTER INDEX public.orders_user_id_created_at_wide_idx RENAME TO orders_user_id_created_at_idx;
ALTER INDEX public.order_items_order_id_wide_idx RENAME TO order_items_order_id_idx;
ALTER INDEX public.posts_author_id_created_at_wide_idx RENAME TO posts_author_id_created_at_idx;
ALTER INDEX public.posts_author_id_content_length_wide_idx RENAME TO posts_author_id_content_length_idx;
ALTER TABLE public.orders ADD CONSTRAINT orders_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users (id) NOT VALID;
ALTER TABLE public.order_items ADD CONSTRAINT order_items_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.orders (id) ON DELETE CASCADE NOT VALID;
--> statement-breakpoint
ALTER TABLE public.orders VALIDATE CONSTRAINT orders_user_id_fkey;
--> statement-breakpoint
ALTER TABLE public.order_items VALIDATE CONSTRAINT order_items_order_id_fkey;
