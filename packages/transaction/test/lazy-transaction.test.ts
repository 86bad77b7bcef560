import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import t from 'tap'
import { applicationNameSql, beginStatements, settingsStatements } from '../src/postgres/begin.ts'
import type { Driver, OpenContext, OpenTransaction } from '../src/core/driver.ts'
import { OutcomeUnknownError, TransactionAbortedError } from '../src/errors.ts'
import { isConnectionProblem, isRetriable, sqlState } from '../src/postgres/errors.ts'
import { canRunAgain } from '../src/core/retry.ts'
import { LazyTransaction } from '../src/core/lazy-transaction.ts'
import type { LazyTransactionOptions } from '../src/core/lazy-transaction-options.ts'
import { singleStatementDriver } from '../src/postgres/single-statement.ts'
import { refuseTransactionControl } from '../src/sql-text/statement-text.ts'
import { withTimeout } from '../src/core/with-timeout.ts'
import { signal } from './harness.ts'

type Step = () => Promise<void>

/** A driver of which each step can be held back or made to fail; it writes down what is asked of it. */
class FakeDriver implements Driver {
  readonly store = 'sql'
  readonly calls: string[] = []
  opening: Step = async () => {}
  committing: Step = async () => {}
  rollingBack: Step = async () => {}
  context: OpenContext | undefined

  plan (): undefined {
    return undefined
  }
  isRetriable (error: unknown): boolean {
    return error instanceof Error && error.message === 'conflict'
  }

  async open (_plan: unknown, context: OpenContext): Promise<OpenTransaction> {
    this.calls.push('open')
    this.context = context
    await this.opening()
    return {
      firstFailure: undefined,
      commit: async () => {
        this.calls.push('commit')
        await this.committing()
      },
      rollback: async (running) => {
        this.calls.push(running === undefined ? 'rollback' : 'cancel, rollback')
        await this.rollingBack()
      }
    }
  }
}

function lazyOn (
  driver: FakeDriver,
  options: Partial<LazyTransactionOptions<unknown>> = {}
): { tx: LazyTransaction; committed: unknown[] } {
  const committed: unknown[] = []
  const afterCommit = (callbacks: Array<() => unknown>) => {
    for (const callback of callbacks) committed.push(callback())
  }
  return {
    committed,
    tx: new LazyTransaction(driver, {
      plan: undefined,
      label: 'POST /x req-1',
      attempt: 1,
      deadline: 0,
      spent: 0,
      retryAfter: 1,
      afterCommit,
      ...options
    })
  }
}

const nothing = async () => {}
const failing = (error: Error) => async () => {
  throw error
}

t.test('idle: nothing is opened, and it settles either way', async (t) => {
  for (const [how, state] of [['commit', 'committed'], ['rollback', 'rolled back']] as const) {
    const driver = new FakeDriver()
    const { tx, committed } = lazyOn(driver)
    tx.afterCommit(() => 'ran')
    t.equal(tx.state, 'idle')
    await tx.settle(how)
    t.equal(tx.state, state)
    t.same(committed, how === 'commit' ? ['ran'] : [])
    t.same(driver.calls, [])
    t.equal(tx.duration, 0)
    await t.rejects(tx.run(nothing), { code: 'TX_CLOSED' })
    t.throws(() => {
      tx.afterCommit(() => {})
    }, { code: 'TX_CLOSED' })
  }
})

t.test('statements run one at a time in the order of the calls, also behind one that failed', async (t) => {
  const driver = new FakeDriver()
  const { tx } = lazyOn(driver)
  const events: string[] = []
  const statement = (name: string, time: number) =>
    tx.run(async () => {
      events.push(`${name} begins`)
      await sleep(time)
      events.push(`${name} ends`)
      if (name === 'b') throw new Error('b failed')
      return name
    })
  const all = await Promise.allSettled([statement('a', 15), statement('b', 5), statement('c', 1)])
  t.same(all.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  t.same(events, ['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  t.equal(tx.statements.sent, 3)
  t.equal(tx.state, 'open')
  const late = statement('d', 5)
  await tx.settle('commit')
  t.equal(await late, 'd', 'a statement nobody awaited comes before the COMMIT')
  t.same(driver.calls, ['open', 'commit'])
  t.equal(tx.state, 'committed')
  t.ok(tx.duration > 0)
})

t.test('it settles once, whoever asks how often', async (t) => {
  const driver = new FakeDriver()
  const { tx } = lazyOn(driver)
  await tx.run(nothing)
  const first = tx.settle('commit')
  t.equal(tx.settle('rollback'), first)
  await Promise.all([first, tx.settle('commit')])
  await tx.abort(new Error('too late'))
  t.same(driver.calls, ['open', 'commit'])
  t.equal(tx.state, 'committed')
  t.equal(tx.abortReason, undefined)
})

t.test('a COMMIT is left alone once it has begun', async (t) => {
  const driver = new FakeDriver()
  const answer = signal()
  driver.committing = () => answer.given
  const { tx } = lazyOn(driver, {
    deadline: 20,
    onExpire: () => {
      t.fail('the deadline interrupts no COMMIT')
    }
  })
  await tx.run(nothing)
  const settled = tx.settle('commit')
  await sleep(1)
  t.equal(tx.state, 'committing')
  const aborted = tx.abort(new Error('the client went away'))
  await t.rejects(tx.run(nothing), { code: 'TX_CLOSED' })
  await sleep(40)
  t.equal(tx.state, 'committing')
  answer.give()
  await Promise.all([settled, aborted])
  t.equal(tx.state, 'committed')
})

t.test('how COMMIT fails', async (t) => {
  for (
    const [error, state] of [[new OutcomeUnknownError('x'), 'unknown'], [
      new TransactionAbortedError('x', 'select'),
      'rolled back'
    ], [new Error('conflict'), 'rolled back']] as const
  ) {
    const driver = new FakeDriver()
    driver.committing = failing(error)
    const { tx, committed } = lazyOn(driver)
    tx.afterCommit(() => 'ran')
    await tx.run(nothing)
    await t.rejects(tx.settle('commit'), error)
    t.equal(tx.state, state)
    t.same(committed, [])
    t.same(driver.calls, ['open', 'commit'], 'the driver has given its connection back')
    t.equal(canRunAgain(tx, error), error.message === 'conflict')
  }
})

t.test('giving up while opening', async (t) => {
  const driver = new FakeDriver()
  const arrival = signal()
  driver.opening = () => arrival.given
  const { tx } = lazyOn(driver)
  const statement = tx.run(nothing)
  t.equal(tx.state, 'opening')
  await tx.abort(new Error('the client went away'))
  await t.rejects(statement, { message: 'the client went away' }, 'at once')
  t.equal(tx.state, 'rolled back')
  t.equal(driver.context?.isAborted(), true)
  arrival.give()
  await sleep(5)
  t.same(driver.calls, ['open', 'rollback'], 'what arrives later is handed back')
  t.equal(tx.statements.sent, 0, 'and nothing is sent on it')
})

t.test('a rollback while opening, and a commit that waits for the opening', async (t) => {
  for (const how of ['rollback', 'commit'] as const) {
    const driver = new FakeDriver()
    const arrival = signal()
    driver.opening = () => arrival.given
    const { tx } = lazyOn(driver)
    const statement = tx.run(async () => 'ran').catch((error: Error) => error.message)
    const settled = tx.settle(how)
    arrival.give()
    await settled
    t.match(await statement, how === 'commit' ? 'ran' : /rolled back/)
    await sleep(1)
    t.same(driver.calls, ['open', how])
  }
})

t.test('opening fails', async (t) => {
  const driver = new FakeDriver()
  driver.opening = failing(new Error('no connection'))
  const { tx } = lazyOn(driver)
  await t.rejects(tx.run(nothing), { message: 'no connection' })
  t.equal(tx.state, 'failed')
  await t.rejects(tx.run(nothing), { message: 'no connection' })
  await t.rejects(tx.settle('commit'), { message: 'no connection' }, 'a reply must not become a success')
  t.equal(tx.state, 'failed')
  const refused = lazyOn(new FakeDriver(), { canBegin: () => new Error('the client has gone') }).tx
  await t.rejects(refused.run(nothing), { message: 'the client has gone' })
  t.equal(refused.state, 'idle')
  const asked = lazyOn(new FakeDriver(), {
    settings: () => {
      throw new Error('who are you?')
    }
  }).tx
  await t.rejects(asked.run(nothing), { message: 'who are you?' })
  t.equal(asked.state, 'failed')
})

t.test('a statement is running when the tx gives up', async (t) => {
  const driver = new FakeDriver()
  const { tx } = lazyOn(driver)
  const stopped = signal()
  driver.rollingBack = async () => {
    stopped.give()
  }
  const running = tx.run(async () => {
    await stopped.given
    throw new Error('cancelled')
  })
  const queued = tx.run(nothing)
  await sleep(1)
  t.ok(tx.statements.running)
  const aborted = tx.abort(new Error('the client went away'))
  t.equal(tx.state, 'rolling back')
  await t.rejects(running, { message: 'the client went away' }, 'the reason, not its symptom')
  await t.rejects(queued, { message: 'the client went away' })
  await aborted
  t.notOk(tx.statements.running)
  t.same(driver.calls, ['open', 'cancel, rollback'])
  await t.resolves(tx.settle('rollback'))
})

t.test('deadlines count what was spent before', async (t) => {
  const driver = new FakeDriver()
  const expired = new Promise<Error>((resolve) => {
    const { tx } = lazyOn(driver, { deadline: 10_000, spent: 9_990, onExpire: resolve })
    void tx.run(nothing)
  })
  // The timer alone must not keep a process alive, so something else has to.
  const alive = setTimeout(() => {}, 5_000)
  t.match(await expired, { code: 'TX_TIMEOUT', message: /deadline of 10000 ms/ })
  clearTimeout(alive)
  t.same(driver.calls, ['open', 'rollback'])
})

t.test('a deadline while the commit waits for a statement', async (t) => {
  const driver = new FakeDriver()
  const { tx } = lazyOn(driver, { deadline: 20 })
  void tx.run(() => new Promise(() => {})).catch(() => {})
  const alive = setTimeout(() => {}, 5_000)
  await t.rejects(tx.settle('commit'), { code: 'TX_TIMEOUT' })
  clearTimeout(alive)
  t.same(driver.calls, ['open', 'cancel, rollback'])
  t.equal(tx.state, 'rolled back')
})

t.test('a connection that is lost between statements', async (t) => {
  const driver = new FakeDriver()
  const { tx } = lazyOn(driver)
  await tx.run(nothing)
  driver.context?.onLost(new Error('gone'))
  t.equal(tx.state, 'lost')
  t.equal(tx.isOpen, true, 'the connection is still to be given back')
  await t.rejects(tx.run(nothing), { code: 'TX_CONNECTION_LOST' })
  await t.rejects(tx.settle('commit'), { code: 'TX_CONNECTION_LOST' })
  t.same(driver.calls, ['open', 'rollback'])
  t.equal(tx.state, 'lost')
  driver.context?.onLost(new Error('again'))
  t.equal(tx.state, 'lost')
})

t.test('rollback only, and misuse', async (t) => {
  const driver = new FakeDriver()
  const dry = lazyOn(driver)
  dry.tx.rollbackOnly = true
  dry.tx.afterCommit(() => 'ran')
  await dry.tx.run(nothing)
  await dry.tx.settle('commit')
  t.equal(dry.tx.state, 'rolled back')
  t.same(dry.committed, [])
  const { tx } = lazyOn(driver)
  await tx.run(nothing)
  tx.refuse(new Error('past the transaction'))
  tx.refuse(new Error('and again'))
  await t.rejects(tx.settle('commit'), { message: 'past the transaction' })
  t.same(driver.calls, ['open', 'rollback', 'open', 'rollback'])
})

t.test('what may run again', async (t) => {
  const { tx } = lazyOn(new FakeDriver())
  t.equal(canRunAgain(tx, new Error('conflict')), true)
  t.equal(canRunAgain(tx, new Error('other')), false)
  t.equal(canRunAgain(tx, new TransactionAbortedError('x', 'select')), false, 'aborted by something else')
  await tx.settle('commit')
  t.equal(canRunAgain(tx, new Error('conflict')), false)
})

t.test('BEGIN and its settings', async (t) => {
  t.same(beginStatements({}), ['BEGIN'])
  t.same(
    beginStatements({ isolationLevel: 'serializable', accessMode: 'read only', deferrable: true }),
    ['BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE']
  )
  t.same(
    beginStatements({ statementTimeout: 5, lockTimeout: 0, transactionTimeout: 7 }),
    ['BEGIN', 'SET LOCAL statement_timeout = 5', 'SET LOCAL transaction_timeout = 7']
  )
  t.same(beginStatements({ transactionTimeout: 7 }, 'old'), ['BEGIN'])
  t.equal(
    applicationNameSql(`POST /'x ${'y'.repeat(99)}`).length,
    "SET LOCAL application_name = ''".length + 63 + 1,
    'cut at 63, the quote doubled'
  )
  t.equal(applicationNameSql('a\nö'), "SET LOCAL application_name = 'a??'")
  t.same(
    settingsStatements({ role: 'a', 'app.x': "b'" }),
    ["SELECT set_config('app.x', 'b''', true)", "SELECT set_config('role', 'a', true)"],
    'the role last'
  )
  for (const name of ['', 'a-b', 'a.b.c', '1a', 'a;b', "a'b"]) {
    t.throws(() => settingsStatements({ [name]: 'x' }), { code: 'TX_USAGE' }, name)
  }
})

t.test('texts that control the transaction', async (t) => {
  for (
    const text of [
      'begin',
      'BEGIN;',
      'start  transaction',
      '; commit',
      '\n end',
      'abort',
      'rollback',
      'rollback and chain',
      'ROLLBACK WORK',
      '/* a */ -- b\n commit',
      "prepare transaction 'x'",
      "commit prepared 'x'",
      "rollback prepared 'x'"
    ]
  ) {
    t.throws(
      () => {
        refuseTransactionControl(text)
      },
      { code: 'TX_USAGE' },
      text
    )
  }
  for (
    const text of [
      'savepoint a',
      'release a',
      'rollback to a',
      'rollback to savepoint a',
      'rollback transaction to a',
      'select 1 -- commit',
      'prepare x as select 1',
      'commitments',
      'select begin from t',
      'do $$ begin end $$',
      '-- commit\nselect 1',
      ''
    ]
  ) {
    t.doesNotThrow(() => {
      refuseTransactionControl(text)
    }, text)
  }
})

t.test('texts of which a later statement controls the transaction', async (t) => {
  for (
    const text of [
      'select 1; commit',
      'select 1;\n-- so\nROLLBACK',
      "insert into t values ('x'); end;",
      'select 1;; abort',
      '/* a /* b */ c */ commit',
      '-- a\rcommit',
      'select $1; commit',
      'select a$1$; commit; select b$1$',
      "select E'\\\\'; commit",
      "select 'a\\'; commit --'",
      'select "a""; b"; commit',
      "select u&'\\'; commit",
      'create function begin() returns int language sql as $$ select 1 $$; end',
      'create table t (begin atomic); end',
      'create trigger begin before insert on t execute function f(); end',
      'create domain begin atomic; end',
      'create procedure p() begin atomic end; end',
      'select case when a then b end; end',
      'set session characteristics as transaction read only'
    ]
  ) {
    t.throws(
      () => {
        refuseTransactionControl(text)
      },
      { code: 'TX_USAGE' },
      text
    )
  }
  for (
    const text of [
      'select 1; rollback to a',
      "select '; commit'",
      'do $$ begin perform 1; end $$',
      'do $x$ begin; commit; end $x$; select 1',
      'select 1; -- commit\n select 2',
      "select 'it''s; commit'",
      "select E'a\\'; commit'",
      "select E'a' -- so\n 'b\\'; commit'",
      'select $ä1$; commit $$ $ä1$',
      '/* ; /* commit */ ; commit */ select 1',
      'set transaction read only; set local role x',
      'create or replace function f() returns int begin atomic; select case when a then b end; end; select 1',
      'create trigger t after insert on x begin insert into y values (1); end; select 1',
      "select 'never closed; commit"
    ]
  ) {
    t.doesNotThrow(() => {
      refuseTransactionControl(text)
    }, text)
  }
})

t.test('errors of PostgreSQL and of the network', async (t) => {
  const fault = (code: string, severity?: string) =>
    Object.assign(new Error('x'), severity === undefined ? { code } : { code, severity })
  t.equal(sqlState(new Error('wrapped', { cause: fault('23505', 'ERROR') })), '23505')
  t.equal(sqlState(fault('EPIPE')), undefined, 'EPIPE looks like one')
  for (const code of ['08006', '57P01', '57P03', '53300']) {
    t.equal(isConnectionProblem(fault(code, 'FATAL')), true, code)
  }
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH']) {
    t.equal(isConnectionProblem(fault(code)), true, code)
  }
  t.equal(isConnectionProblem(new Error('Connection terminated unexpectedly')), true)
  for (const error of [fault('23505', 'ERROR'), fault('28P01', 'FATAL'), new Error('anything'), 'text']) {
    t.equal(isConnectionProblem(error), false)
  }
  t.equal(isRetriable(fault('40001', 'ERROR')), true)
  t.equal(isRetriable(fault('40P01', 'ERROR')), true)
  t.equal(isRetriable(fault('23505', 'ERROR')), false)
})

t.test("a single statement's connection that dies is given to nobody else", async (t) => {
  const released: unknown[] = []
  for (
    const [error, expected] of [[
      Object.assign(new Error('terminating'), { code: '57P01', severity: 'FATAL' }),
      'thrown away'
    ], [Object.assign(new Error('duplicate'), { code: '23505', severity: 'ERROR' }), 'kept']] as const
  ) {
    const client = Object.assign(new EventEmitter(), {
      query: async () => {
        throw error
      },
      getTransactionStatus: () => 'I',
      release: (reason?: unknown) => {
        released.push(reason instanceof Error || reason === true ? 'thrown away' : 'kept')
      }
    })
    const driver = singleStatementDriver({
      pool: { connect: async () => client } as unknown as Pool,
      checkoutTimeout: 10,
      retryAfter: 1,
      unwatched: (work) => work()
    })
    const statement = await driver.open(undefined, {
      label: 'x',
      settings: undefined,
      isAborted: () => false,
      onLost: () => {}
    })
    await t.rejects(statement.query('insert'), expected === 'kept' ? error : { code: 'TX_OUTCOME_UNKNOWN' })
    await statement.rollback(undefined)
    t.same(released.splice(0), [expected], 'once')
  }
})

t.test('within', async (t) => {
  t.equal(await withTimeout(1000, Promise.resolve('in time'), 'late'), 'in time')
  await t.rejects(withTimeout(5, new Promise(() => {}), 'late'), { message: 'late' })
  await t.rejects(withTimeout(1000, Promise.reject(new Error('own')), 'late'), { message: 'own' })
  t.equal(await withTimeout(0, sleep(5, 'unbounded'), 'late'), 'unbounded')
})
