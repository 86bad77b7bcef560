import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { register } from 'prom-client'
import { newFolder } from '../folder.ts'
import { build, listen, comesTrue } from '../helper.ts'
import type { App } from '../../app.ts'
import { copiedThings } from '../fixture/copies.ts'
import { noteDatabaseError } from 'fastify-transaction'

type Labels = Record<string, string>
interface Sample {
  name: string
  labels: Labels
  value: number
}

/** What handlers tell the test that waits for them. */
const seen: { pid?: number | undefined; isHanging?: boolean } = {}

async function routes (app: App): Promise<void> {
  await copiedThings(app)
  app.post('/measure/sql/:id', async (request) => {
    await request.transaction.query('select 1')
    return { ok: true }
  })
  app.post('/measure/refused', async (request) => {
    await request.transaction.query('select 1')
    throw app.createProblem(409, 'no')
  })
  app.post('/measure/lost', async (request) => {
    const { rows } = await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
    seen.pid = rows[0]?.pid
    await comesTrue(() => request.transaction.state === 'lost')
    throw new Error('lost')
  })
  app.post('/measure/again', { config: { transaction: { retries: 3 } } }, async (request) => {
    await request.transaction.query('select 1')
    if (request.transaction.attempt < 3) {
      throw noteDatabaseError(
        Object.assign(new Error('serialization'), { code: '40001', severity: 'ERROR', routine: 'x' })
      )
    }
    return { ok: true }
  })
  app.post('/measure/mongo', { config: { transaction: { store: 'mongo' } } }, async (request) => {
    await request.mongo.collection('notes').insertOne({ text: 'a' })
    return { ok: true }
  })
  app.post('/measure/nothing', async () => ({ ok: true }))
  app.get('/measure/hangs', async (request) => {
    seen.isHanging = true
    await comesTrue(() => request.raw.destroyed)
    return { ok: true }
  })
}

t.test('one app', async (t) => {
  const app = await build(t, { plugins: routes })
  const origin = await listen(t, app)
  const post = async (url: string) => (await app.inject({ method: 'POST', url })).statusCode
  const http = async (labels: Labels) => await readValue(app, 'http_server_request_duration_seconds_count', labels)
  const transactions = async (store: string, outcome: string) =>
    await readValue(app, 'tandem_transactions_total', { store, outcome })

  t.test('requests are counted by route pattern and status, whatever was in their URL', async (t) => {
    await post('/measure/sql/4711?token=hush')
    await post('/measure/sql/4712/')
    await app.inject('/no/such/hush')
    await app.inject('/things/4711')
    t.equal(
      await http({
        http_request_method: 'POST',
        http_route: '/measure/sql/:id',
        http_response_status_code: '200',
        error_type: ''
      }),
      2
    )
    t.equal(await http({ http_request_method: 'GET', http_route: '', http_response_status_code: '404' }), 1)
    t.notMatch((await app.metrics.text()).replaceAll(/ [\d.e+-]+$/gm, ''), /hush|471[12]/)
    const sum = await readValue(app, 'http_server_request_duration_seconds_sum', { http_route: '/measure/sql/:id' })
    t.ok(sum > 0 && sum < 30, 'in seconds')
  })

  t.test('methods nobody knows share one label', async (t) => {
    await fetch(`${origin}/things`, { method: 'PURGE' })
    t.ok(await comesTrue(async () => await http({ http_request_method: '_OTHER' }) === 1))
  })

  t.test('a client that leaves before the answer is counted as aborted', async (t) => {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.write('GET /measure/hangs HTTP/1.1\r\nhost: x\r\n\r\n')
    await comesTrue(() => seen.isHanging === true)
    socket.destroy()
    t.ok(
      await comesTrue(async () =>
        await http({ http_route: '/measure/hangs', error_type: 'aborted', http_response_status_code: '' }) === 1
      )
    )
  })

  t.test('transactions are counted by how they ended', async (t) => {
    const before = {
      committed: await transactions('sql', 'committed'),
      rolledBack: await transactions('sql', 'rolled_back')
    }
    t.equal(await post('/measure/sql/1'), 200)
    t.equal(await transactions('sql', 'committed'), before.committed + 1)
    t.equal(await post('/measure/refused'), 409)
    t.equal(await transactions('sql', 'rolled_back'), before.rolledBack + 1)
    t.equal(await post('/measure/nothing'), 200)
    t.equal(await transactions('sql', 'committed'), before.committed + 1, 'one that sent nothing does not count')
    t.equal(await post('/measure/mongo'), 200)
    t.equal(await transactions('mongo', 'committed'), 1)
    await app.transaction(async (tx) => {
      await tx.query('select 1')
    })
    t.equal(await transactions('sql', 'committed'), before.committed + 2, 'those outside of requests count')
    const seconds = await readValue(app, 'tandem_transaction_duration_seconds_sum', {
      store: 'sql',
      outcome: 'committed'
    })
    t.ok(seconds > 0 && seconds < 30)
  })

  t.test('a lost connection is an outcome of its own', async (t) => {
    t.equal(await transactions('sql', 'lost'), 0)
    const answer = post('/measure/lost')
    await comesTrue(() => seen.pid !== undefined)
    await app.pg.pool.query('select pg_terminate_backend($1)', [seen.pid])
    t.equal(await answer, 500)
    t.equal(await transactions('sql', 'lost'), 1)
  })

  t.test('handlers that ran again are counted with all their attempts', async (t) => {
    const before = {
      committed: await transactions('sql', 'committed'),
      rolledBack: await transactions('sql', 'rolled_back')
    }
    t.equal(await post('/measure/again'), 200)
    t.equal(await readValue(app, 'tandem_transaction_retries_total', { store: 'sql' }), 2)
    t.equal(await transactions('sql', 'rolled_back'), before.rolledBack + 2)
    t.equal(await transactions('sql', 'committed'), before.committed + 1)
  })

  t.test('problems are counted by type, and the last of each is remembered', async (t) => {
    await app.inject({ method: 'POST', url: '/things', payload: { email: 'hush' } })
    t.equal(await readValue(app, 'tandem_problems_total', { type: 'invalid-request', status: '400' }), 1)
    const [last] = app.metrics.problems()
    t.match(last, { type: 'invalid-request', status: 400, count: 1 })
    t.match(last?.route, /^POST \/things\/?$/)
    t.ok(app.metrics.problems().some(({ type }) => type === 'internal'))
    t.notMatch(JSON.stringify(app.metrics.problems()), 'hush')
  })

  t.test('failed answers name their problem type', async (t) => {
    t.equal(await http({ http_route: '/measure/lost', http_response_status_code: '500', error_type: 'internal' }), 1)
    t.equal(await http({ http_route: '/measure/refused', http_response_status_code: '409', error_type: '' }), 1)
  })

  t.test("the MongoDB pool is measured by the driver's events", async (t) => {
    const most = { used: 0, waiting: 0 }
    const progress = { isDone: false }
    const pings = Promise.allSettled(Array.from({ length: 60 }, () => app.mongo.client.db().command({ ping: 1 }))).then(
      () => {
        progress.isDone = true
      }
    )
    while (!progress.isDone) {
      const { used, waiting } = app.mongoPool?.counts ?? { used: 0, waiting: 0 }
      most.used = Math.max(most.used, used)
      most.waiting = Math.max(most.waiting, waiting)
      await turn()
    }
    await pings
    t.ok(most.used > 0 && most.used <= 20, `${most.used} in use`)
    t.ok(most.waiting > 0, `${most.waiting} waited`)
    const pool = { db_client_connection_pool_name: 'mongodb' }
    t.ok(await comesTrue(async () => await readValue(app, 'db_client_connection_pending_requests', pool) === 0))
    t.equal(await readValue(app, 'db_client_connection_max', pool), 20)
    t.ok(await readValue(app, 'db_client_connections', { ...pool, db_client_connection_state: 'idle' }) > 0)
  })

  t.test('both projections are measured', async (t) => {
    const things = { direction: 'sql_to_mongo', projection: 'things' }
    await app.inject({ method: 'POST', url: '/followed', payload: { name: 'P' } })
    t.ok(await comesTrue(async () => await readValue(app, 'tandem_projection_applied_total', things) >= 1))
    t.equal(await readValue(app, 'tandem_projection_parked', things), 0)
    t.equal(await readValue(app, 'tandem_projection_failed_total', things), 0)
    t.equal(await readValue(app, 'tandem_projection_backing_off', things), 0)
    t.ok(
      await comesTrue(async () =>
        (await samples(app)).some(({ name, labels }) =>
          name === 'tandem_projection_lag_seconds' && labels.direction === 'mongo_to_sql'
        )
      )
    )
    const notes = { direction: 'mongo_to_sql', projection: 'notes' }
    t.ok(await comesTrue(async () => await readValue(app, 'tandem_projection_backing_off', notes) === 0))
  })

  t.test('dependencies are what readiness says', async (t) => {
    for (const dependency of ['sql', 'mongodb']) {
      t.ok(await comesTrue(async () => await readValue(app, 'tandem_dependency_up', { dependency }) === 1), dependency)
    }
    t.equal(await readValue(app, 'tandem_draining', {}), 0)
    app.addReadiness('billing', () => 'down')
    t.ok(
      await comesTrue(async () =>
        (await samples(app)).some(({ name, labels, value }) =>
          name === 'tandem_dependency_up' && labels.dependency === 'billing' && value === 0
        )
      )
    )
  })

  t.test('an observer that throws harms nothing', async (t) => {
    let calls = 0
    app.observeTransactions(() => {
      calls++
      throw new Error('observer')
    })
    t.equal(await post('/measure/sql/1'), 200)
    t.equal(calls, 1)
  })

  t.test('the dashboard and the alerts use metrics and labels that exist', async (t) => {
    const known = new Map<string, Set<string>>()
    for (const { name, labels } of await samples(app)) {
      known.set(name, new Set([...known.get(name) ?? [], ...Object.keys(labels), 'job', 'instance']))
    }
    const texts = (await app.metrics.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)
    for (const [, name = ''] of texts) {
      if (!known.has(name)) known.set(name, new Set(['job', 'instance', 'direction', 'projection', 'kind']))
    }
    known.set('up', new Set(['job', 'instance']))
    for (const [file, expressions] of Object.entries(shippedExpressions())) {
      t.ok(expressions.length > 10, `${file} has ${expressions.length} expressions`)
      for (const expression of expressions) {
        const used = metricsIn(expression)
        t.ok(used.length > 0, expression)
        for (const { name, labels } of used) {
          t.ok(known.has(name), `${file}: ${name} is measured`)
          for (const label of labels) t.ok(known.get(name)?.has(label), `${file}: ${name} has ${label}`)
        }
      }
    }
  })
})

t.test('the documentation lists every metric of the service with its labels', async (t) => {
  const app = await build(t, { offline: true })
  const rows = readFileSync(new URL('../../docs/observability.md', import.meta.url), 'utf8').matchAll(
    /^\| `([a-z_]+)` \| (\w+) \| (.*?) \|/gm
  )
  const documented = [...rows].map(([, name = '', kind = '', labels = '']) =>
    `${name} ${kind} ${[...labels.matchAll(/`(\w+)`/g)].map(([, label]) => label).join(' ')}`.trim()
  )
  const measured = app.metrics.registry.getMetricsAsArray().map((metric) => {
    const { name, type, labelNames = [] } = metric as typeof metric & { labelNames?: string[] }
    return `${name} ${String(type)} ${labelNames.join(' ')}`.trim()
  })
  t.same(documented.sort(), measured.sort())
})

t.test('the SQL pool is measured while it is in use', async (t) => {
  const app = await build(t, {
    settings: { DATABASE_POOL_SIZE: 2, DATABASE_MAX_OVERFLOW: 0, DATABASE_POOL_MAX_WAITING: 1, PROJECTIONS: false }
  })
  // One metric at a time: reading all of them asks the database how it is, which would wait in the same queue.
  const read = async (name: string, labels: Labels) => {
    const values = (await app.metrics.registry.getSingleMetric(name)?.get())?.values ?? []
    return values.find((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
      ?.value
  }
  const pool = { db_client_connection_pool_name: 'postgresql' }
  const connections = async (state: string) =>
    await read('db_client_connections', { ...pool, db_client_connection_state: state })
  const waiting = async () => await read('db_client_connection_pending_requests', pool)
  let finish: () => void = () => {}
  const finished = new Promise<void>((resolve) => {
    finish = resolve
  })
  const hold = async () => {
    await app.transaction(async (tx) => {
      await tx.query('select 1')
      await finished
    })
  }

  const work = [hold(), hold()]
  t.ok(await comesTrue(async () => await connections('used') === 2 && await waiting() === 0))
  work.push(hold())
  t.ok(await comesTrue(async () => await waiting() === 1))
  t.equal(await read('db_client_connection_max', pool), 2)
  t.equal(await read('tandem_transactions_open', { store: 'sql' }), 3)
  const age = await read('tandem_transaction_oldest_seconds', { store: 'sql' }) ?? 0
  t.ok(age > 0 && age < 60, `${age} s`)
  await t.rejects(hold(), { code: 'TX_POOL_TIMEOUT' })
  t.equal(
    await read('tandem_transactions_total', { store: 'sql', outcome: 'failed' }),
    1,
    'one that gets no connection has failed'
  )

  finish()
  await Promise.all(work)
  t.equal(await read('tandem_transactions_total', { store: 'sql', outcome: 'committed' }), 3)
  t.equal(await read('tandem_transactions_open', { store: 'sql' }), 0)
  t.equal(await read('tandem_transaction_oldest_seconds', { store: 'sql' }), 0)
  t.ok(await comesTrue(async () => await connections('used') === 0 && await connections('idle') === 2))
})

t.test('two apps in one process measure apart, and leave the global registry alone', async (t) => {
  const one = await build(t, { plugins: routes })
  const other = await build(t, { plugins: routes })
  await one.inject({ method: 'POST', url: '/measure/sql/1' })
  const count = { http_route: '/measure/sql/:id' }
  t.equal(await readValue(one, 'http_server_request_duration_seconds_count', count), 1)
  t.equal(await readValue(other, 'http_server_request_duration_seconds_count', count), 0)
  t.same(register.getMetricsAsArray(), [])
  t.ok((await other.metrics.text()).includes('\nprocess_resident_memory_bytes '))
})

t.test('pools of SQLite', async (t) => {
  const memory = await build(t, { settings: { DATABASE_URL: ':memory:' } })
  t.same(await poolNames(memory), ['sqlite', 'mongodb'])
  const file = await build(t, { settings: { DATABASE_URL: `file:${newFolder(t)}/app.db` } })
  t.same(await poolNames(file), ['sqlite writer', 'sqlite readers', 'mongodb'])
  t.equal(await readValue(file, 'db_client_connection_max', { db_client_connection_pool_name: 'sqlite writer' }), 1)
})

async function samples (app: App): Promise<Sample[]> {
  return [...(await app.metrics.text()).matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map((
    [, name = '', labels = '', value]
  ) => ({
    name,
    value: Number(value),
    labels: Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, text]) => [label, text]))
  }))
}

/** The sum of the series whose labels agree; 0 without one. */
async function readValue (app: App, name: string, labels: Labels): Promise<number> {
  return (await samples(app))
    .filter((sample) =>
      sample.name === name && Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
    )
    .reduce((sum, { value }) => sum + value, 0)
}

async function poolNames (app: App): Promise<Array<string | undefined>> {
  return (await samples(app)).filter(({ name }) => name === 'db_client_connection_max').map(({ labels }) =>
    labels.db_client_connection_pool_name
  )
}

function shippedExpressions (): Record<string, string[]> {
  const read = (name: string) => readFileSync(new URL(`../../docs/grafana/${name}`, import.meta.url), 'utf8')
  const dashboard = JSON.parse(read('dashboard.json')) as { panels: Array<{ targets?: Array<{ expr: string }> }> }
  return {
    'dashboard.json': dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    'alerts.yaml': [...read('alerts.yaml').matchAll(/^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)/gm)].map((
      [, block, line]
    ) => block ?? line ?? '')
  }
}

/** Metrics of an expression with the labels they are selected and grouped by. */
function metricsIn (expression: string): Array<{ name: string; labels: string[] }> {
  const grouped = [...expression.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) =>
    labels.split(',').map((label) => label.trim())
  ).filter((label) => label !== 'le')
  return [
    ...expression.replaceAll(/\b(?:by|on) \([^)]*\)/g, '').matchAll(
      /\b((?:tandem_|http_|db_|process_|nodejs_)\w+|up)\b(?:\{([^}]*)\})?/g
    )
  ].map(([, name = '', selectors = '']) => ({
    name,
    labels: [...grouped, ...[...selectors.matchAll(/(\w+) ?(?:=~|!~|!=|=)/g)].map(([, label = '']) => label)]
  }))
}
