CREATE INDEX `orders_status_created_at_idx` ON `orders` (`status`,"created_at" desc,"id" desc);--> statement-breakpoint
CREATE INDEX `orders_total_idx` ON `orders` (length("total"),`total`,`id`);--> statement-breakpoint
CREATE INDEX `users_name_idx` ON `users` (`name`,`id`);