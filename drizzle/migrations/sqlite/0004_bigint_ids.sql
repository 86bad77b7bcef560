-- Ids are 64 bits wide here already. What JSON could not hold exactly is refused, before anybody is told of it.
CREATE TRIGGER `users_id_bound` AFTER INSERT ON `users` WHEN NEW.id > 9007199254740991 BEGIN
  SELECT RAISE(ABORT, 'no id is left for users.id');
END;
--> statement-breakpoint
CREATE TRIGGER `orders_id_bound` AFTER INSERT ON `orders` WHEN NEW.id > 9007199254740991 BEGIN
  SELECT RAISE(ABORT, 'no id is left for orders.id');
END;
--> statement-breakpoint
CREATE TRIGGER `order_items_id_bound` AFTER INSERT ON `order_items` WHEN NEW.id > 9007199254740991 BEGIN
  SELECT RAISE(ABORT, 'no id is left for order_items.id');
END;
