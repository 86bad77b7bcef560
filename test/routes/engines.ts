import type { LightMyRequestResponse as Response } from 'fastify'
import type { Test } from 'tap'
import type { App } from '../../app.ts'
import { getDialect } from '../../drizzle/index.ts'
import type { Problem } from '../../schemas/problem.ts'
import { build } from '../helper.ts'

/** The service on one SQL engine, with short words for its routes. */
export interface Service {
  app: App
  engine: 'postgres' | 'sqlite'
  get: (url: string) => Promise<Response>
  send: (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, body?: unknown) => Promise<Response>
}

const ENGINES = [
  { name: 'postgres', engine: 'postgres', settings: {} },
  { name: 'postgres, BEGIN by itself', engine: 'postgres', settings: { DATABASE_PIPELINE: false } },
  { name: 'sqlite', engine: 'sqlite', settings: { DATABASE_URL: ':memory:' } }
] as const

/**
 * Runs the same tests on PostgreSQL and on SQLite, each with databases of their own; nothing is carried between stores.
 */
export function onEachEngine (t: Test, run: (t: Test, service: Service) => Promise<void>): void {
  for (const { name, engine, settings } of ENGINES) {
    t.test(name, async (t) => {
      const app = await build(t, { settings: { PROJECTIONS: false, ...settings } })
      await run(t, {
        app,
        engine,
        get: async (url) => await app.inject({ url }),
        send: async (method, url, body) =>
          await app.inject({ method, url, ...(body === undefined ? {} : { payload: body as object }) })
      })
    })
  }
}

/** Checks a problem body: status, content type, and what is given of the rest. */
export function isProblem (t: Test, response: Response, status: number, expected: Partial<Problem> = {}): void {
  t.equal(response.statusCode, status, response.body)
  t.match(response.headers['content-type'], 'application/problem+json')
  t.match(response.json(), { status, instance: response.headers['x-request-id'], ...expected })
}

/** Pointers of a problem's errors. */
export function getPointers (response: Response): string[] {
  return (response.json<Problem>().errors ?? []).map(({ pointer }) => pointer).sort()
}

/** The path of the next page; undefined on the last one. */
export function getNext (response: Response): string | undefined {
  return /^<([^>]+)>; rel="next"$/.exec(String(response.headers.link ?? ''))?.[1]
}

/** Reads all pages of a list. */
export async function readPages<Item> ({ get }: Service, url: string): Promise<Item[][]> {
  const pages: Item[][] = []
  const read = new Set<string>()
  for (let next: string | undefined = url; next !== undefined;) {
    if (read.has(next)) throw new Error(`the pages of ${url} go in a circle: ${next} comes again`)
    read.add(next)
    const response: Response = await get(next)
    pages.push(response.json<Item[]>())
    next = getNext(response)
  }
  return pages
}

/** Puts posts into the SQL copy, as the change stream would. */
export async function copyPosts (
  { app }: Service,
  author_id: number,
  count: number,
  content_length = 10
): Promise<void> {
  const { posts } = getDialect(app.db).tables
  await app.db.insert(posts).values(Array.from({ length: count }, (_, n) => ({
    id: `${String(author_id).padStart(20, '0')}${String(n).padStart(4, '0')}`,
    author_id,
    title: `Post ${n}`,
    category: 'c',
    content_length,
    created_at: new Date(Date.UTC(2025, 0, 1, 0, 0, n))
  })))
}
