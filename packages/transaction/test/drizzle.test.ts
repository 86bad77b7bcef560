import { setTimeout as sleep } from 'node:timers/promises'
import { relations, sql, eq } from 'drizzle-orm'
import { drizzle, NodePgSession, NodePgTransaction, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { boolean, integer, PgDialect, pgTable, PgTransaction, text } from 'drizzle-orm/pg-core'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type pg from 'pg'
import t, { type Test } from 'tap'
import { drizzleHandles } from '../src/drizzle.ts'
import type { SqlHandles } from '../src/index.ts'
import { database, recordStatements, signal, setup, test, transactional, type Database } from './harness.ts'

const parent = pgTable('parent', { id: integer().primaryKey() })
const child = pgTable('child', { id: integer().primaryKey(), parentId: integer('parent_id') })
const item = pgTable('item', { id: integer().primaryKey(), note: text() })
const doctor = pgTable('doctor', { id: integer().primaryKey(), onCall: boolean().notNull() })
const schema = {
  parent,
  child,
  item,
  doctor,
  parentRelations: relations(parent, ({ many }) => ({ children: many(child) })),
  childRelations: relations(
    child,
    ({ one }) => ({ parent: one(parent, { fields: [child.parentId], references: [parent.id] }) })
  )
}
type Db = NodePgDatabase<typeof schema>

let db: Database
t.before(async () => {
  db = await database(t)
})
const getHandle = (request: FastifyRequest) => request.db as unknown as Db

const drizzleStage = (t: Test, routes: (app: FastifyInstance, pool: pg.Pool) => unknown) =>
  setup(t, {
    database: db,
    plugin: (pool) => ({
      pool,
      db: drizzleHandles(drizzle(pool, { schema, casing: 'snake_case' }), {
        casing: 'snake_case'
      }) as unknown as SqlHandles<never>
    }),
    routes
  })

test('request.db is the Drizzle handle of the transaction', async (t) => {
  const { send } = await drizzleStage(t, (app) => {
    const work = async (request: FastifyRequest) => {
      const tx = getHandle(request)
      await tx.insert(parent).values({ id: 1 })
      await tx.insert(child).values([{ id: 1, parentId: 1 }, { id: 2, parentId: 1 }])
      await tx.insert(doctor).values({ id: 1, onCall: true })
      await tx.execute(sql`insert into item values (1, 'raw')`)
      return {
        wrapped: await new Proxy(tx, {}).query.parent.findFirst({ with: { children: true } }),
        relational: await tx.query.parent.findFirst({ with: { children: true } }),
        tables: Object.keys(tx.query).includes('parent'),
        count: await tx.$count(child),
        casing: await tx.select().from(doctor).where(eq(doctor.onCall, true)),
        returning: await tx.insert(item).values({ id: 2 }).returning({ id: item.id }),
        prepared: await tx.select().from(item).orderBy(item.id).prepare('items').execute(),
        same: tx === getHandle(request)
      }
    }
    app.post('/works', transactional, work)
    app.post('/throws', transactional, async (request) => {
      await work(request)
      throw new Error('no')
    })
    app.get('/without', async (request) => await getHandle(request).select().from(child))
  })
  const expected = {
    wrapped: { id: 1, children: [{ id: 1, parentId: 1 }, { id: 2, parentId: 1 }] },
    relational: { id: 1, children: [{ id: 1, parentId: 1 }, { id: 2, parentId: 1 }] },
    tables: true,
    count: 2,
    casing: [{ id: 1, onCall: true }],
    returning: [{ id: 2 }],
    prepared: [{ id: 1, note: 'raw' }, { id: 2, note: null }],
    same: true
  }
  t.equal((await send('POST', '/throws')).status, 500)
  t.same(await db.ids('child'), [])
  t.same((await send('POST', '/works')).json, expected)
  t.same(await db.ids('child'), [1, 2])
  t.same(
    (await send('GET', '/without')).json,
    [{ id: 1, parentId: 1 }, { id: 2, parentId: 1 }],
    'on a route without one it commits each statement'
  )
})

test('db.transaction inside is a savepoint', async (t) => {
  const statements: string[] = []
  const { send } = await drizzleStage(t, (app, pool) => {
    recordStatements(pool, statements)
    const add = (tx: Pick<Db, 'insert'>, id: number) => tx.insert(item).values({ id })
    const post = (path: string, work: (tx: Db, request: FastifyRequest) => Promise<unknown>) => {
      app.post(path, transactional, async (request) => {
        await work(getHandle(request), request)
        return {}
      })
    }
    const fails = async (tx: Pick<Db, 'insert'>, id: number) => {
      await add(tx, id)
      throw new Error('only this part')
    }
    post('/inner-fails', async (tx) => {
      await add(tx, 1)
      await tx.transaction((inner) => fails(inner, 2)).catch(() => {})
      await tx.transaction(async (inner) => {
        await add(inner, 3)
      })
    })
    post('/statement-fails', async (tx) => {
      await tx.transaction(async (inner) => {
        await add(inner, 1)
        await add(inner, 1)
      }).catch(() => {})
      await add(tx, 4)
    })
    post('/siblings', async (tx) => {
      await Promise.allSettled([
        tx.transaction((inner) => fails(inner, 5)),
        tx.transaction(async (inner) => {
          await add(inner, 6)
        }),
        tx.transaction((inner) => fails(inner, 7)),
        tx.transaction(async (inner) => {
          await add(inner, 8)
        })
      ])
    })
    post('/nested', async (tx) => {
      await tx.transaction(async (inner) => {
        await add(inner, 9)
        await Promise.allSettled([
          inner.transaction((innermost) => fails(innermost, 10)),
          inner.transaction(async (innermost) => {
            await add(innermost, 11)
          })
        ])
        await inner.transaction(async (innermost) => {
          await add(innermost, 12)
          innermost.rollback()
        }).catch(() => {})
      })
    })
    post('/beside', async (tx) => {
      const inside = signal()
      const failing = tx.transaction(async (inner) => {
        await add(inner, 13)
        inside.give()
        await sleep(20)
        throw new Error('only this part')
      })
      await Promise.allSettled([failing, inside.given.then(() => add(tx, 14))])
    })
    post('/outer-inside', async (tx) => {
      await tx.transaction(async () => {
        await add(tx, 15)
      })
    })
    post('/whole-fails', async (tx) => {
      await tx.transaction(async (inner) => {
        await add(inner, 16)
      })
      throw new Error('everything')
    })
  })
  const expected: Record<string, number[]> = {
    '/inner-fails': [1, 3],
    '/statement-fails': [4],
    '/siblings': [6, 8],
    '/nested': [9, 11],
    '/beside': [14],
    '/outer-inside': [15],
    '/whole-fails': []
  }
  for (const [path, ids] of Object.entries(expected)) {
    await db.admin.query('truncate item')
    statements.length = 0
    t.equal((await send('POST', path)).status, path === '/whole-fails' ? 500 : 200, path)
    t.same(await db.ids(), ids, `${path}: what is stored`)
    const names = statements.filter((statement) => statement.startsWith('savepoint'))
    t.equal(new Set(names).size, names.length, 'no name twice')
    t.equal(
      statements.filter((statement) => statement === 'COMMIT').length,
      path === '/whole-fails' ? 0 : 1,
      'one COMMIT'
    )
  }
})

test('mistakes with savepoints are refused, and the first error is the one that is told', async (t) => {
  const { app, send } = await drizzleStage(t, (app) => {
    app.post('/waits-for-itself', transactional, async (request) => {
      const tx = getHandle(request)
      await tx.transaction(async () => {
        await tx.transaction(async () => {})
      })
    })
    app.post('/deep', transactional, async (request) => {
      const tx = getHandle(request)
      await tx.transaction(async (inner) => {
        await inner.transaction(async () => {
          await tx.transaction(async () => {})
        })
      })
    })
    app.post('/ended-inside', transactional, async (request) => {
      await getHandle(request).transaction(async (inner) => {
        await inner.insert(item).values({ id: 1 })
        await request.transaction.rollback()
        throw Object.assign(new Error('what went wrong first'), { statusCode: 418 })
      })
    })
    app.post('/late', transactional, async (request) => {
      const tx = getHandle(request)
      await request.transaction.commit()
      await tx.insert(item).values({ id: 2 })
    })
  })
  t.match(await send('POST', '/waits-for-itself'), {
    status: 500,
    json: { code: 'TX_USAGE', message: /handle that the outer callback was given/ }
  })
  t.match(await send('POST', '/deep'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/ended-inside'), { status: 418, json: { message: 'what went wrong first' } })
  t.equal((await send('POST', '/late')).status, 500)
  t.same(await db.ids(), [])
  await app.transaction(async (transaction) => {
    const tx = transaction.db as unknown as Db
    await tx.insert(item).values({ id: 3 })
    await tx.transaction(async (inner) => {
      await inner.insert(item).values({ id: 4 })
    })
  })
  t.same(await db.ids(), [3, 4], 'app.transaction hands the same handle')
})

test("what drizzle.ts takes from Drizzle's insides is still there", async (t) => {
  const touched = new Set<PropertyKey>()
  const asked: Array<{ text: string; values: unknown; rowMode: unknown }> = []
  const client = new Proxy({
    query: async (statement: string | { text: string; values?: unknown; rowMode?: unknown }, values?: unknown) => {
      const { text, rowMode } = typeof statement === 'string' ? { text: statement, rowMode: undefined } : statement
      asked.push({ text, rowMode, values: values ?? (typeof statement === 'string' ? undefined : statement.values) })
      return await Promise.resolve({ rows: [] })
    }
  }, {
    get (target, key, receiver) {
      touched.add(key)
      return Reflect.get(target, key, receiver) as unknown
    }
  })
  const original = drizzle(client as unknown as pg.Pool, { schema })
  for (const key of ['schema', 'fullSchema', 'tableNamesMap'] as const) {
    t.type(original._[key], 'object', `db._.${key}: the relational configuration, derived once`)
  }
  t.equal(NodePgSession.length, 3, 'new NodePgSession(client, dialect, schema, options)')
  t.equal(PgTransaction.length, 3, 'new NodePgTransaction(dialect, session, schema, depth)')
  t.equal(
    new NodePgTransaction(new PgDialect(), {} as never, undefined, 4)['nestedIndex' as never],
    4,
    'transaction.nestedIndex'
  )
  t.match(
    String(NodePgTransaction.prototype.transaction),
    /savepoint[\s\S]*release savepoint[\s\S]*rollback to savepoint/,
    'the method that ours overrides'
  )
  const tx = drizzleHandles(original).bind(client as never)
  t.ok(tx instanceof NodePgTransaction)
  touched.clear()
  await tx.select().from(item)
  await tx.insert(item).values({ id: 1 })
  await tx.update(item).set({ note: 'x' }).where(eq(item.id, 1)).returning()
  await tx.delete(item)
  await tx.execute(sql`select ${1}`)
  await tx.query.parent.findMany({ with: { children: true } })
  await tx.transaction(async (inner) => {
    await inner.select().from(item)
  })
  t.same([...touched], ['query', 'follow'], 'of the client it needs query(), ours follow(), and nothing else')
  t.equal(asked.length, 9, 'each once')
  t.match(asked[0], { text: /^select "id", "note" from "item"$/, rowMode: 'array' })
  t.match(asked.slice(-3).map(({ text }) => text), [
    'savepoint "savepoint_1"',
    /^select/,
    'release savepoint "savepoint_1"'
  ])
})
