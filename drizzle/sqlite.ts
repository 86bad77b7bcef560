import { relations, sql } from 'drizzle-orm'
import { check, foreignKey, index, integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { ORDER_STATUSES } from '../schemas/orders.ts'
import { byLength, createdAt, id, json, newest, timestampMs } from './columns/sqlite.ts'
import { rules } from './rules.ts'

// The twins of postgres.ts: the same columns and row types (drizzle/index.ts does not compile otherwise), said in
// SQLite's words. Money is text because SQLite has no exact decimals.
export const users = sqliteTable('users', {
  id: id(),
  email: text().notNull(),
  name: text().notNull(),
  version: integer().notNull().default(0),
  created_at: createdAt(),
  updated_at: createdAt()
}, (user) => [
  uniqueIndex('users_email_key').on(sql`lower(${user.email})`),
  index('users_name_idx').on(user.name, user.id),
  check('users_email_check', rules.users_email_check.check(user.email)),
  check('users_name_check', rules.users_name_check.check(user.name))
])

export const orders = sqliteTable('orders', {
  id: id(),
  user_id: integer().notNull(),
  status: text({ enum: ORDER_STATUSES }).notNull().default('pending'),
  total: text().notNull(),
  created_at: createdAt()
}, (order) => [
  foreignKey({ name: 'orders_user_id_fkey', columns: [order.user_id], foreignColumns: [users.id] }),
  index('orders_created_at_idx').on(newest(order.created_at), newest(order.id)),
  index('orders_user_id_created_at_idx').on(order.user_id, newest(order.created_at), newest(order.id)),
  index('orders_status_created_at_idx').on(order.status, newest(order.created_at), newest(order.id)),
  index('orders_total_idx').on(byLength(order.total), order.total, order.id),
  check('orders_status_check', rules.orders_status_check.check(order.status)),
  check('orders_total_check', rules.orders_total_check.check(order.total))
])

export const orderItems = sqliteTable('order_items', {
  id: id(),
  order_id: integer().notNull(),
  product: text().notNull(),
  quantity: integer().notNull(),
  unit_price: text().notNull()
}, (item) => [
  foreignKey({ name: 'order_items_order_id_fkey', columns: [item.order_id], foreignColumns: [orders.id] }).onDelete(
    'cascade'
  ),
  index('order_items_order_id_idx').on(item.order_id, item.id),
  check('order_items_product_check', rules.order_items_product_check.check(item.product)),
  check('order_items_quantity_check', rules.order_items_quantity_check.check(item.quantity)),
  check('order_items_unit_price_check', rules.order_items_unit_price_check.check(item.unit_price))
])

export const posts = sqliteTable('posts', {
  id: text().primaryKey(),
  author_id: integer().notNull(),
  title: text().notNull(),
  category: text().notNull(),
  content_length: integer().notNull(),
  created_at: timestampMs().notNull()
}, (post) => [
  index('posts_author_id_created_at_idx').on(post.author_id, newest(post.created_at), newest(post.id)),
  index('posts_author_id_content_length_idx').on(post.author_id, post.content_length)
])

export const authorPostCounts = sqliteTable('author_post_counts', {
  author_id: integer().primaryKey(),
  post_count: integer().notNull(),
  content_length: integer().notNull()
}, (author) => [
  index('author_post_counts_post_count_idx').on(newest(author.post_count), author.author_id)
])

export const outbox = sqliteTable('outbox', {
  id: id(),
  topic: text().notNull(),
  key: text().notNull(),
  payload: json<unknown>().notNull(),
  attempts: integer().notNull().default(0),
  available_at: createdAt(),
  parked_at: timestampMs(),
  last_error: text(),
  created_at: createdAt()
}, (event) => [
  index('outbox_waiting').on(event.topic, event.id).where(sql`parked_at is null`),
  index('outbox_parked').on(event.topic, event.id).where(sql`parked_at is not null`),
  index('outbox_keys').on(event.topic, event.key, event.id)
])

export const changeStreams = sqliteTable('change_streams', {
  stream: text().primaryKey(),
  token: json<unknown>(),
  cluster_time: timestampMs(),
  updated_at: createdAt(),
  resyncs: integer().notNull().default(0),
  leader: text(),
  leader_since: timestampMs(),
  leader_until: timestampMs()
})

export const fence = sqliteTable('fence', {
  id: integer().primaryKey().default(1),
  pair: text().notNull(),
  epoch: integer().notNull().default(1),
  counter: integer().notNull().default(0),
  confirmed: integer().notNull().default(0),
  mend_wanted: integer().notNull().default(0),
  mend_done: integer().notNull().default(0),
  mender: text(),
  mender_until: timestampMs(),
  updated_at: createdAt()
})

export const idempotencyKeys = sqliteTable('idempotency_keys', {
  key: text().notNull(),
  route: text().notNull(),
  fingerprint: text().notNull(),
  status: integer(),
  headers: json<Record<string, string>>(),
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
