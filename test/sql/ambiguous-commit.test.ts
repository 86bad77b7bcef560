// A server that answers COMMIT and does not know what became of it, as engines on several machines do.
import pg from 'pg'
import t from 'tap'
import { mapError, OutcomeUnknownError } from 'fastify-transaction'
import { DDL } from '../fixture/tables.ts'
import { databases } from '../helper.ts'
import { smallApp } from './small-app.ts'

const ANSWERS = [
  ['40003', 'anything', 'unknown'],
  ['40003', 'result is ambiguous: error=rpc error', 'unknown'],
  ['XXUUU', 'result is ambiguous (replica unavailable)', 'unknown'],
  ['08007', 'the transaction was not resolved', 'unknown'],
  ['40001', 'restart transaction', 'refused'],
  ['23514', `check ${Math.random()}`, 'refused']
] as const

t.test('COMMIT is answered with a doubt: the outcome is unknown, and the handler is not run again', async (t) => {
  const { databaseUrl } = await databases(t)
  const admin = new pg.Client(databaseUrl)
  await admin.connect()
  for (const text of DDL.postgres) await admin.query(text)
  await admin.query(`
    create function answer () returns trigger language plpgsql as $$
      begin raise exception using errcode = split_part(new.name, '|', 1), message = split_part(new.name, '|', 2); end $$;
    create constraint trigger answer after insert on things deferrable initially deferred for each row execute function answer()`)
  await admin.end()
  const { app } = await smallApp(t, { DATABASE_URL: databaseUrl })
  for (const [state, message, outcome] of ANSWERS) {
    let runs = 0
    const error: unknown = await app.transaction(async (transaction) => {
      runs++
      await transaction.query('insert into things (name) values ($1)', [`${state}|${message}`])
    }, { retries: 2 }).then(() => undefined, (reason: unknown) => reason)
    t.equal(error instanceof OutcomeUnknownError, outcome === 'unknown', `${state} ${message}`)
    t.equal(mapError(error)?.type === 'outcome-unknown', outcome === 'unknown')
    t.equal(runs, state === '40001' ? 3 : 1)
  }
  t.ok(app.pg.pool.totalCount <= 1, 'connections in doubt are not kept')
})
