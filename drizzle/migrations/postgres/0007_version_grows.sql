-- The version of a user grows with each change, also where the sequence is behind it: after a restore that left sequences
-- out, on a logical replica, or where sessions hold blocks of numbers. Each number comes once, so the version stays the id
-- of its event; as a rule the first one is right.
CREATE OR REPLACE FUNCTION public.users_next_version() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
  next bigint := nextval('public.outbox_id_seq');
BEGIN
  IF TG_OP = 'UPDATE' THEN
    WHILE next <= OLD.version LOOP
      next := nextval('public.outbox_id_seq');
    END LOOP;
  END IF;
  NEW.version := next;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE OR REPLACE FUNCTION public.users_enqueue() RETURNS trigger LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
  event bigint;
BEGIN
  IF TG_OP = 'DELETE' THEN
    event := nextval('public.outbox_id_seq');
    WHILE event <= OLD.version LOOP
      event := nextval('public.outbox_id_seq');
    END LOOP;
    INSERT INTO public.outbox (id, topic, key, payload)
    VALUES (event, 'users', OLD.id, jsonb_build_object('id', OLD.id, 'deleted', true, 'version', event));
  ELSE
    INSERT INTO public.outbox (id, topic, key, payload)
    VALUES (NEW.version, 'users', NEW.id, jsonb_build_object('id', NEW.id, 'name', NEW.name, 'email', NEW.email, 'version', NEW.version));
  END IF;
  RETURN NULL;
END
$$;
