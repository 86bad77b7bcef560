// `npm run db:seed`: sample users, orders and posts, where there are none. Also run at start where SEED is on.
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../app.ts'
import { getCauses } from '../plugins/common/causes.ts'
import { explainBoot } from '../plugins/errors/boot.ts'

/** What was stored. */
export interface Seeded {
  users: number
  orders: number
  posts: number
}

const people = [
  'Ada Lovelace',
  'Alan Turing',
  'Annie Easley',
  'Barbara Liskov',
  'Dennis Ritchie',
  'Edsger Dijkstra',
  'Frances Allen',
  'Grace Hopper',
  'Katherine Johnson',
  'Leslie Lamport'
]
const categories = ['engineering', 'history', 'mathematics']
const titles = [
  'On naming things',
  'What a transaction promises',
  'The year the clocks disagreed',
  'Two databases, one truth',
  'Notes on paper tape'
]
const products = ['Punched cards', 'Slide rule', 'Magnetic core', 'Notebook', 'Pencil']
const prices = ['0.10', '2.50', '19.90', '149.00', '0.99']

const DUPLICATE_KEY = 11_000

const toEmail = (name: string): string => `${name.toLowerCase().replace(' ', '.')}@example.com`
const toSlug = (text: string): string => text.toLowerCase().replace(/[^a-z]+/g, '-')
const pick = <T>(from: T[], at: number): T => from[at % from.length] as T

/**
 * Stores sample data: users and orders where there is no user, posts of these users where there is no post.
 * @param app the service; without MongoDB no posts are made
 * @returns how many of each; zeros when there was data
 */
export async function seed (app: FastifyInstance): Promise<Seeded> {
  const sql = await seedSql(app)
  return { ...sql, posts: app.mongoState.state === 'up' ? await seedPosts(app) : 0 }
}

async function seedSql (app: FastifyInstance): Promise<Omit<Seeded, 'posts'>> {
  const nothing = { users: 0, orders: 0 }
  const { items } = await app.repositories.users(app.db).list({ limit: 1 })
  if (items.length > 0) return nothing
  try {
    return await app.transaction(async ({ db }) => {
      const users = app.repositories.users(db)
      const orders = app.repositories.orders(db)
      let count = 0
      for (const [at, name] of people.entries()) {
        const { id } = await users.create({ email: toEmail(name), name })
        for (let order = 0; order < at % 3; order++) {
          const items = Array.from({ length: 1 + (at + order) % 4 }, (_, item) => ({
            product: pick(products, at + item),
            quantity: 1 + (at * 3 + item) % 9,
            unit_price: pick(prices, at + order + item)
          }))
          await orders.create({ user_id: id, items })
          count++
        }
      }
      return { users: people.length, orders: count }
    })
  } catch (error) {
    if (isTaken(error)) return nothing // another process was a moment earlier
    throw error
  }
}

async function seedPosts (app: FastifyInstance): Promise<number> {
  const { db } = app.mongo
  if (db === undefined) return 0
  const posts = app.repositories.posts(db)
  const { items } = await posts.list({ limit: 1 })
  if (items.length > 0) return 0
  let count = 0
  for (const [at, name] of people.entries()) {
    const author = await app.repositories.users(app.db).getByEmail(toEmail(name))
    for (let post = 0; author !== null && post < at % 5; post++) {
      const title = pick(titles, at + post)
      const content = `${name} on this: ${title.toLowerCase()}. `.repeat(3 + (at + post) % 5)
      // The slug keeps a second process, which found no posts either, from adding them again.
      const slug = `${toSlug(name)}-${toSlug(title)}`
      const isNew = await posts.create({
        title,
        content,
        category: pick(categories, at + post),
        author_id: author.id,
        slug
      }).then(() => true, ifTaken)
      if (isNew) count++
    }
  }
  return count
}

function ifTaken (error: unknown): false {
  if (isTaken(error)) return false
  throw error
}

function isTaken (error: unknown): boolean {
  return getCauses(error).some(({ constraint, code }) => constraint === 'users_email_key' || code === DUPLICATE_KEY)
}

async function run (): Promise<void> {
  const app = await buildApp({ logger: false })
  try {
    const { users, orders, posts } = await seed(app)
    console.log(
      users + posts === 0
        ? 'There is data already: nothing was added'
        : `Added ${users} users, ${orders} orders and ${posts} posts`
    )
  } finally {
    await app.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await run().catch((error: unknown) => {
    for (const line of explainBoot(error, process.env)) console.error(line)
    process.exitCode = 1
  })
}
