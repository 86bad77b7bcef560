import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import config, { readSettings } from '../../plugins/config.ts'
import sql from '../../plugins/sql/index.ts'
import { sqlStore } from '../../plugins/sql/store.ts'
import transaction from 'fastify-transaction'
import type { Settings } from '../../schemas/settings.ts'

/** A line of the log. */
export type LogLine = Record<string, unknown>

/** Only settings, SQL store and transactions: what a test of the pool needs of the app. */
export async function smallApp (
  t: Test,
  settings: Partial<Settings>
): Promise<{ app: FastifyInstance; log: LogLine[] }> {
  const log: LogLine[] = []
  const stream = new Writable({
    write (line: Buffer, _encoding, done) {
      log.push(JSON.parse(line.toString()) as LogLine)
      done()
    }
  })
  const app = Fastify({ logger: { level: 'info', stream } })
  await app.register(config, {
    settings: readSettings({}, { NODE_ENV: 'test', MONGODB_URL: 'mongodb://127.0.0.1', ...settings }),
    offline: false
  })
  await app.register(sql)
  await app.register(transaction, { ...sqlStore(app), methods: ['POST'] })
  t.teardown(() => app.close())
  return { app, log }
}
