import { writeFileSync } from 'node:fs'
import t from 'tap'
import { SpanKind, SpanStatusCode } from '@opentelemetry/api'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan
} from '@opentelemetry/sdk-trace-node'
import { newFolder } from '../folder.ts'
import { build, listen, comesTrue } from '../helper.ts'
import FastifyOtel from '@fastify/otel'
import { importIfInstalled } from '../../plugins/tracing/sdk.ts'
import { parseSummary } from '../../plugins/tracing/summary.ts'
import type { App } from '../../app.ts'
import { createThings } from '../fixture/tables.ts'

const exporter = new InMemorySpanExporter()
const lines: string[] = []

async function routes (app: App): Promise<void> {
  await createThings(app)
  app.post('/trace/sql', async (request) => {
    await request.transaction.query('insert into things (name) values ($1)', ['secret'])
    await request.transaction.query("select 'secret' from things where id = $1", [1])
    return { ok: true }
  })
  app.post('/trace/mongo', { config: { transaction: { store: 'mongo' } } }, async (request) => {
    await request.mongo.collection('notes').insertOne({ secret: 1 })
    return { ok: true }
  })
  app.post('/trace/commit-fails', async (request) => {
    await request.transaction.query('create temporary table late (id int primary key deferrable initially deferred)')
    await request.transaction.query('insert into late values (1), (1)')
    return { ok: true }
  })
  app.post('/trace/fails', async (request) => {
    await request.transaction.query('select secret from nowhere')
  })
  app.get('/trace/plain/:id', async () => {
    await app.db.execute('select 1')
    return {}
  })
}

t.test('without an SDK nothing is traced', async (t) => {
  const app = await build(t, { plugins: routes })
  t.equal(app.tracing, undefined)
  t.notOk(app.hasRequestDecorator('opentelemetry'))
  t.equal((await app.inject({ method: 'POST', url: '/trace/sql' })).statusCode, 200)
})

t.test('with an SDK', async (t) => {
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
  const app = await build(t, {
    plugins: routes,
    logger: {
      level: 'info',
      stream: {
        write: (line) => {
          lines.push(line)
        }
      }
    }
  })
  const origin = await listen(t, app)
  const post = async (path: string, headers: Record<string, string> = {}) =>
    await fetch(origin + path, {
      method: 'POST',
      body: '{}',
      headers: { 'content-type': 'application/json', ...headers }
    })

  t.test('a request, its transaction and its statements are one trace, that of the caller', async (t) => {
    const spans = await collectSpans(() =>
      post('/trace/sql?token=secret', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
    )
    const request = named(spans, 'POST /trace/sql')
    const transaction = named(spans, 'transaction sql')
    t.ok(spans.every((span) => span.spanContext().traceId === '0af7651916cd43dd8448eb211c80319c'))
    t.equal(request.parentSpanContext?.spanId, 'b7ad6b7169203331')
    t.equal(request.kind, SpanKind.SERVER)
    t.match(request.attributes, {
      'http.request.method': 'POST',
      'http.route': '/trace/sql',
      'http.response.status_code': 200,
      'url.path': '/trace/sql'
    })
    t.equal(transaction.parentSpanContext?.spanId, request.spanContext().spanId)
    t.match(transaction.attributes, {
      'tandem.transaction.outcome': 'committed',
      'tandem.transaction.statements': 2,
      'tandem.transaction.attempt': 1
    })
    const inside = spans.filter((span) => span.parentSpanContext?.spanId === transaction.spanContext().spanId)
    t.same(inside.map(({ name }) => name), ['BEGIN', 'INSERT things', 'SELECT things', 'COMMIT'])
    t.match(inside[1], {
      kind: SpanKind.CLIENT,
      attributes: {
        'db.system.name': 'postgresql',
        'db.namespace': app.config.DATABASE_URL?.split('/').pop(),
        'db.operation.name': 'INSERT',
        'db.collection.name': 'things',
        'db.query.summary': 'INSERT things'
      }
    })
    t.ok(isBefore(inside.at(-1), request), 'the span of the request ends after the COMMIT')
    t.notMatch(toText(spans), 'secret', 'no value is in a trace')
  })

  t.test('commands of MongoDB are in the same trace', async (t) => {
    const spans = await collectSpans(() => post('/trace/mongo'))
    const transaction = named(spans, 'transaction mongo')
    const insert = named(spans, 'insert notes')
    t.equal(insert.parentSpanContext?.spanId, transaction.spanContext().spanId)
    t.match(insert.attributes, {
      'db.system.name': 'mongodb',
      'db.namespace': app.config.MONGODB_DATABASE,
      'db.collection.name': 'notes',
      'db.operation.name': 'insert'
    })
    t.equal(named(spans, 'commitTransaction').parentSpanContext?.spanId, transaction.spanContext().spanId)
  })

  t.test('a COMMIT that fails makes the span what the answer was', async (t) => {
    const spans = await collectSpans(() => post('/trace/commit-fails'))
    t.match(named(spans, 'POST /trace/commit-fails').attributes, { 'http.response.status_code': 409 })
    t.equal(named(spans, 'POST /trace/commit-fails').status.code, SpanStatusCode.UNSET, 'a 4xx is no fault of ours')
    t.match(named(spans, 'COMMIT'), {
      status: { code: SpanStatusCode.ERROR },
      attributes: { 'db.response.status_code': '23505', 'error.type': '23505' }
    })
    t.match(named(spans, 'transaction sql').attributes, { 'tandem.transaction.outcome': 'rolled_back' })
  })

  t.test('a failed request is an error without a message', async (t) => {
    const spans = await collectSpans(() => post('/trace/fails'))
    t.same(named(spans, 'POST /trace/fails').status, { code: SpanStatusCode.ERROR })
    t.match(named(spans, 'POST /trace/fails').attributes, { 'http.response.status_code': 500, 'error.type': '500' })
    t.match(named(spans, 'SELECT nowhere'), { attributes: { 'db.response.status_code': '42P01' } })
    t.notMatch(toText(spans), 'secret')
  })

  t.test('a statement without a transaction is a child of the request', async (t) => {
    const spans = await collectSpans(() => fetch(`${origin}/trace/plain/7`))
    t.equal(named(spans, 'SELECT').parentSpanContext?.spanId, named(spans, 'GET /trace/plain/:id').spanContext().spanId)
  })

  t.test('paths that do not exist have no route, probes have no span', async (t) => {
    const spans = await collectSpans(async () => {
      await fetch(`${origin}/readyz`)
      await fetch(`${origin}/livez`)
      return await fetch(`${origin}/no/such/path`)
    })
    t.same(spans.filter(({ kind }) => kind === SpanKind.SERVER).map(({ name }) => name), ['GET'])
  })

  t.test('log lines of a request name its trace', async (t) => {
    lines.length = 0
    const spans = await collectSpans(() => fetch(`${origin}/trace/plain/8`))
    await comesTrue(() => lines.some((line) => line.includes('request completed')))
    const line = lines.find((line) => line.includes('request completed'))
    t.match(JSON.parse(line ?? '{}'), {
      trace_id: spans[0]?.spanContext().traceId,
      span_id: named(spans, 'GET /trace/plain/:id').spanContext().spanId
    })
  })

  t.test('work that belongs to no request makes no trace', async (t) => {
    exporter.reset()
    await app.transaction(async (tx) => {
      await tx.query('select 1')
    })
    await app.db.execute('select 1')
    await app.mongo.client.db().command({ ping: 1 })
    t.same(exporter.getFinishedSpans(), [])
  })
})

t.test('@fastify/otel that the user has put on every app is left as it is', async (t) => {
  const instrumentation = new FastifyOtel.FastifyOtelInstrumentation({ registerOnInitialization: true })
  instrumentation.enable()
  t.teardown(() => {
    instrumentation.disable()
  })
  const app = await build(t, { plugins: routes })
  const origin = await listen(t, app)
  const spans = await collectSpans(() =>
    fetch(`${origin}/trace/sql`, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } })
  )
  t.equal(spans.filter(({ kind }) => kind === SpanKind.SERVER).length, 1)
  t.equal(
    new Set(spans.map((span) => span.spanContext().traceId)).size,
    1,
    'transaction and statements are in its trace'
  )
  t.match(named(spans, 'transaction sql').attributes, { 'tandem.transaction.outcome': 'committed' })
})

t.test('packages that are not installed are done without, broken ones are not', async (t) => {
  t.equal(await importIfInstalled('@tandem/not-installed'), undefined)
  const dir = newFolder(t)
  writeFileSync(`${dir}/broken.mjs`, "import '@tandem/not-installed'")
  await t.rejects(importIfInstalled(`${dir}/broken.mjs`), { message: /Cannot find package '@tandem\/not-installed'/ })
})

t.test('statements are named without their values', async (t) => {
  const names: Record<string, string> = {
    'select * from "things" where id = $1': 'SELECT things',
    "select 'from secrets' as a from public.things": 'SELECT public.things',
    'insert into things (a) values (1) returning id': 'INSERT things',
    'update only "things" set name = $1': 'UPDATE things',
    'delete from thing_parts where 1 = 1': 'DELETE thing_parts',
    '/* from here */ -- into there\nselect 1': 'SELECT',
    'with a as (select 1) insert into t select * from a': 'INSERT t',
    'with a as (select * from (select 1) b), c as (delete from d returning *) select * from c': 'DELETE d',
    'WITH a (x) AS MATERIALIZED (select id from "things") SELECT * FROM a JOIN parts ON true': 'SELECT things',
    'with recursive tree as (select 1 union all select 2 from tree) select * from tree': 'SELECT',
    'with late as (select id from outbox for update skip locked) update outbox o set n = 1 from late': 'UPDATE outbox',
    'with a as (select 1) select * from a join public.things o on true for update': 'SELECT public.things',
    'merge into t using s on true when matched then do nothing': 'MERGE t',
    'with x as (select f(b, (c)) from y': 'SELECT y',
    'BEGIN; SET LOCAL lock_timeout = 1': 'BEGIN',
    'create table x (id int)': 'CREATE',
    '': 'SQL'
  }
  for (const [statement, name] of Object.entries(names)) t.equal(parseSummary(statement).text, name)
})

async function collectSpans (work: () => Promise<unknown>): Promise<ReadableSpan[]> {
  exporter.reset()
  await work()
  await comesTrue(() => exporter.getFinishedSpans().some(({ kind }) => kind === SpanKind.SERVER))
  return exporter.getFinishedSpans()
}

function named (spans: ReadableSpan[], name: string): ReadableSpan {
  const span = spans.find((span) => span.name === name)
  if (span === undefined) throw new Error(`no span ${name} among ${spans.map(({ name }) => name).join(', ')}`)
  return span
}

function isBefore (one: ReadableSpan | undefined, other: ReadableSpan): boolean {
  const [seconds = 0, nanoseconds = 0] = one?.endTime ?? []
  return seconds < other.endTime[0] || (seconds === other.endTime[0] && nanoseconds <= other.endTime[1])
}

function toText (spans: ReadableSpan[]): string {
  return JSON.stringify(spans.map(({ name, attributes, status, events }) => ({ name, attributes, status, events })))
}
