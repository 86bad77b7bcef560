CREATE TABLE `fence` (
	`id` integer PRIMARY KEY DEFAULT 1 NOT NULL,
	`pair` text NOT NULL,
	`epoch` integer DEFAULT 1 NOT NULL,
	`counter` integer DEFAULT 0 NOT NULL,
	`confirmed` integer DEFAULT 0 NOT NULL,
	`mend_wanted` integer DEFAULT 0 NOT NULL,
	`mend_done` integer DEFAULT 0 NOT NULL,
	`mender` text,
	`mender_until` text,
	`updated_at` text DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) NOT NULL
);
--> statement-breakpoint
ALTER TABLE `change_streams` ADD `leader` text;--> statement-breakpoint
ALTER TABLE `change_streams` ADD `leader_since` text;--> statement-breakpoint
ALTER TABLE `change_streams` ADD `leader_until` text;--> statement-breakpoint
CREATE INDEX `outbox_keys` ON `outbox` (`topic`,`key`,`id`);