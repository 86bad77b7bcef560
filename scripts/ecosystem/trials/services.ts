import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Trial } from '../trial.ts'

interface WithScheduler extends FastifyInstance {
  scheduler: { addSimpleIntervalJob: (job: unknown) => void }
}
interface Scheduler {
  AsyncTask: new(id: string, work: () => Promise<unknown>) => object
  SimpleIntervalJob: new(schedule: object, task: object, options: object) => object
}

const signals = Object.assign(new EventEmitter(), { exit: () => {} })
const databaseUrl = process.argv[4] ?? ''

/** Plugins that bring databases, jobs, measurements and an end. */
export const trials: Trial[] = [
  {
    package: '@fastify/postgres',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/postgres'), {
        connectionString: databaseUrl,
        max: 2
      }),
    routes: (app) => {
      app.post('/other-pool', async (request) => {
        await insert(request, 101)
        return (await app.pg.query('select 1 as one')).rows
      })
      app.route({
        method: 'POST',
        url: '/transact',
        config: { transaction: false },
        pg: { transact: true },
        async handler (request) {
          await request.pg?.query('insert into item values (104)')
          return {}
        }
      })
    },
    checks: [
      { name: 'a read of its pool inside a transaction', path: '/other-pool', status: 200, stored: [101] },
      { name: 'a route of its own `transact`', path: '/transact', status: 200, stored: [104] }
    ],
    note: 'Its pool is another one: what `app.pg` does is not in the transaction. Give `app.pg` as `pool` to share it.'
  },
  {
    package: '@fastify/mongodb',
    async register (app) {
      const { MongoClient } = await load<{
        MongoClient: new(url: string) => { close: () => Promise<void> }
      }>('mongodb')
      // Nobody listens there, and nothing is asked: what counts is that both decorate side by side.
      const client = new MongoClient('mongodb://127.0.0.1:1/tandem?serverSelectionTimeoutMS=100')
      await app.register(await loadPlugin('@fastify/mongodb'), { client, database: 'tandem' })
      app.addHook('onClose', () => client.close())
    },
    checks: [{
      name: 'app.mongo',
      async play ({ app }) {
        assert.ok('db' in (app as FastifyInstance & { mongo: object }).mongo)
      }
    }],
    note: "`app.mongo` stays its own; `request.mongo` is this plugin's, for routes with `store: 'mongo'`."
  },
  {
    package: '@fastify/schedule',
    register: async (app) => app.register(await loadPlugin('@fastify/schedule')),
    checks: [{
      name: 'a job with app.transaction',
      async play ({ app, stored }) {
        const { AsyncTask, SimpleIntervalJob } = await load<Scheduler>('toad-scheduler')
        const task = new AsyncTask('nightly', () =>
          app.transaction(async (transaction) => {
            await transaction.query('insert into item values (102)')
          }))
        ;(app as WithScheduler).scheduler.addSimpleIntervalJob(
          new SimpleIntervalJob(
            {
              seconds: 60,
              runImmediately: true
            },
            task,
            { id: 'nightly' }
          )
        )
        for (let tries = 0; tries < 100 && (await stored()).length === 0; tries++) await sleep(20)
        assert.deepEqual(await stored(), [102])
      }
    }]
  },
  {
    package: '@fastify/otel',
    async register (app) {
      const { FastifyOtelInstrumentation } = await load<{
        FastifyOtelInstrumentation: new(options: object) => { plugin: () => Awaited<ReturnType<typeof loadPlugin>> }
      }>('@fastify/otel')
      await app.register(new FastifyOtelInstrumentation({ enabled: false }).plugin())
    }
  },
  {
    package: 'fastify-metrics',
    register: async (app) => app.register(await loadPlugin('fastify-metrics'), { endpoint: '/metrics' }),
    checks: [{
      name: 'measured',
      method: 'GET',
      path: '/metrics',
      status: 200,
      also: ({ text }) => {
        assert.match(text, /common\/write/)
      }
    }]
  },
  {
    package: 'fastify-graceful-shutdown',
    register: async (app) =>
      app.register(await loadPlugin('fastify-graceful-shutdown'), {
        handlerEventListener: signals
      }),
    routes: (app) => {
      app.post('/long', async (request) => {
        await insert(request, 103)
        signals.emit('SIGTERM', 'SIGTERM')
        await sleep(200)
        return {}
      })
    },
    checks: [{ name: 'SIGTERM while a transaction is open', path: '/long', status: 200, stored: [103] }]
  }
]
