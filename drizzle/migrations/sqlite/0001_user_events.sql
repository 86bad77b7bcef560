-- The twin of the PostgreSQL triggers. SQLite has no sequences: the event is written first, its id becomes the version.
-- The update triggers name their columns, so that setting the version does not count as another change.
CREATE TRIGGER `users_inserted` AFTER INSERT ON `users` BEGIN
  INSERT INTO outbox (topic, key, payload) VALUES ('users', NEW.id, '{}');
  UPDATE users SET version = last_insert_rowid() WHERE id = NEW.id;
  UPDATE outbox SET payload = json_object('id', NEW.id, 'name', NEW.name, 'email', NEW.email, 'version', id) WHERE id = last_insert_rowid();
END;
--> statement-breakpoint
CREATE TRIGGER `users_updated` AFTER UPDATE OF email, name, created_at, updated_at ON `users` BEGIN
  INSERT INTO outbox (topic, key, payload) VALUES ('users', NEW.id, '{}');
  UPDATE users SET version = last_insert_rowid() WHERE id = NEW.id;
  UPDATE outbox SET payload = json_object('id', NEW.id, 'name', NEW.name, 'email', NEW.email, 'version', id) WHERE id = last_insert_rowid();
END;
--> statement-breakpoint
CREATE TRIGGER `users_deleted` AFTER DELETE ON `users` BEGIN
  INSERT INTO outbox (topic, key, payload) VALUES ('users', OLD.id, '{}');
  UPDATE outbox SET payload = json_object('id', OLD.id, 'deleted', json('true'), 'version', id) WHERE id = last_insert_rowid();
END;
