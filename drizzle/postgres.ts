import { relations, sql } from 'drizzle-orm'
import {
  bigint,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  uniqueIndex
} from 'drizzle-orm/pg-core'
import { ORDER_STATUSES } from '../schemas/orders.ts'
import { byCharacter, createdAt, id, money, newest, rowId, timestampMs } from './columns/postgres.ts'
import { rules } from './rules.ts'

/** People. `version` is the id of the newest outbox row about the user; a trigger keeps it (see migrations). */
export const users = pgTable('users', {
  id: id(),
  email: text().notNull(),
  name: text().notNull(),
  version: bigint({ mode: 'number' }).notNull().default(0),
  created_at: createdAt(),
  updated_at: createdAt()
}, (user) => [
  // One mailbox, one account, whatever the case of its letters; those of ASCII, in every locale.
  uniqueIndex('users_email_key').on(sql`lower(${user.email} collate "C")`),
  index('users_name_idx').on(byCharacter(user.name), user.id),
  check('users_email_check', rules.users_email_check.check(user.email)),
  check('users_name_check', rules.users_name_check.check(user.name))
])

/** Orders of users; `total` is the exact sum of the items. */
export const orders = pgTable('orders', {
  id: id(),
  user_id: rowId().notNull(),
  status: text({ enum: ORDER_STATUSES }).notNull().default('pending'),
  total: money().notNull(),
  created_at: createdAt()
}, (order) => [
  foreignKey({ name: 'orders_user_id_fkey', columns: [order.user_id], foreignColumns: [users.id] }),
  index('orders_created_at_idx').on(newest(order.created_at), newest(order.id)),
  index('orders_user_id_created_at_idx').on(order.user_id, newest(order.created_at), newest(order.id)),
  index('orders_status_created_at_idx').on(order.status, newest(order.created_at), newest(order.id)),
  index('orders_total_idx').on(order.total, order.id),
  check('orders_status_check', rules.orders_status_check.check(order.status)),
  check('orders_total_check', rules.orders_total_check.check(order.total))
])

/** Lines of an order; they go with it. */
export const orderItems = pgTable('order_items', {
  id: id(),
  order_id: rowId().notNull(),
  product: text().notNull(),
  quantity: integer().notNull(),
  unit_price: money().notNull()
}, (item) => [
  foreignKey({ name: 'order_items_order_id_fkey', columns: [item.order_id], foreignColumns: [orders.id] }).onDelete(
    'cascade'
  ),
  index('order_items_order_id_idx').on(item.order_id, item.id),
  check('order_items_product_check', rules.order_items_product_check.check(item.product)),
  check('order_items_quantity_check', rules.order_items_quantity_check.check(item.quantity)),
  check('order_items_unit_price_check', rules.order_items_unit_price_check.check(item.unit_price))
])

/**
 * Projection of the MongoDB collection `posts`, written by the change stream only. No foreign key: a copy must be able
 * to hold whatever the original says, also a post whose author has just been deleted.
 */
export const posts = pgTable('posts', {
  id: text().primaryKey(),
  author_id: rowId().notNull(),
  title: text().notNull(),
  category: text().notNull(),
  content_length: integer().notNull(),
  created_at: timestampMs().notNull()
}, (post) => [
  index('posts_author_id_created_at_idx').on(post.author_id, newest(post.created_at), newest(post.id)),
  index('posts_author_id_content_length_idx').on(post.author_id, post.content_length)
])

/**
 * How many posts each author has, and how long they are together. Triggers on `posts` keep it, in the transaction of
 * whoever writes there; there is no row of an author without posts.
 */
export const authorPostCounts = pgTable('author_post_counts', {
  author_id: rowId().primaryKey(),
  post_count: integer().notNull(),
  content_length: bigint({ mode: 'number' }).notNull()
}, (author) => [
  index('author_post_counts_post_count_idx').on(newest(author.post_count), author.author_id)
])

/** Events on their way to MongoDB; the relay deletes what it has applied. */
export const outbox = pgTable('outbox', {
  id: bigint({ mode: 'number' }).primaryKey().generatedByDefaultAsIdentity(),
  topic: text().notNull(),
  key: text().notNull(),
  payload: jsonb().$type<unknown>().notNull(),
  attempts: integer().notNull().default(0),
  available_at: createdAt(),
  parked_at: timestampMs(),
  last_error: text(),
  // Not now(), which stands still in a transaction: the age of an event counts from when it was written.
  created_at: timestampMs().notNull().default(sql`clock_timestamp()`)
}, (event) => [
  index('outbox_waiting').on(event.topic, event.id).where(sql`parked_at is null`),
  index('outbox_parked').on(event.topic, event.id).where(sql`parked_at is not null`),
  index('outbox_keys').on(event.topic, event.key, event.id)
])

/** How far each change stream has been applied, and which process follows it until when. */
export const changeStreams = pgTable('change_streams', {
  stream: text().primaryKey(),
  token: jsonb().$type<unknown>(),
  cluster_time: timestampMs(),
  updated_at: createdAt(),
  resyncs: integer().notNull().default(0),
  leader: text(),
  leader_since: timestampMs(),
  leader_until: timestampMs()
})

/**
 * One row: which pair of stores this database belongs to, and how far the pair has come together. MongoDB holds its
 * twin; a database that went back in time is behind it (plugins/projections/fence).
 */
export const fence = pgTable('fence', {
  id: integer().primaryKey().default(1),
  pair: text().notNull(),
  // Begins anew when a store went back.
  epoch: bigint({ mode: 'number' }).notNull().default(1),
  // Grows while the pair works, here first, then in MongoDB; confirmed: what MongoDB is known to have.
  counter: bigint({ mode: 'number' }).notNull().default(0),
  confirmed: bigint({ mode: 'number' }).notNull().default(0),
  // Copies are to be compared with their originals while more is wanted than done.
  mend_wanted: integer().notNull().default(0),
  mend_done: integer().notNull().default(0),
  mender: text(),
  mender_until: timestampMs(),
  updated_at: createdAt()
})

/** Answers kept for requests that carry an Idempotency-Key. */
export const idempotencyKeys = pgTable('idempotency_keys', {
  key: text().notNull(),
  route: text().notNull(),
  fingerprint: text().notNull(),
  status: integer(),
  headers: jsonb().$type<Record<string, string>>(),
  body: text(),
  created_at: createdAt(),
  expires_at: timestampMs().notNull()
}, (row) => [
  primaryKey({ name: 'idempotency_keys_pkey', columns: [row.key, row.route] }),
  index('idempotency_keys_expires_at_idx').on(row.expires_at)
])

export const usersRelations = relations(users, ({ many }) => ({ orders: many(orders), posts: many(posts) }))

export const ordersRelations = relations(orders, ({ one, many }) => ({
  user: one(users, { fields: [orders.user_id], references: [users.id] }),
  items: many(orderItems)
}))

export const orderItemsRelations = relations(orderItems, ({ one }) => ({
  order: one(orders, { fields: [orderItems.order_id], references: [orders.id] })
}))

export const postsRelations = relations(posts, ({ one }) => ({
  author: one(users, { fields: [posts.author_id], references: [users.id] })
}))
