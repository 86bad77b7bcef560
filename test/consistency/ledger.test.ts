import path from 'node:path'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import t, { type Test } from 'tap'
import { audit } from '../../scripts/ledger/audit.ts'
import { brokenPromises, emptyTally, type Fact } from '../../scripts/ledger/history.ts'
import type { Victim } from '../../scripts/ledger/processes.ts'
import { runRestores } from '../../scripts/ledger/restore.ts'
import { runLedger, type LedgerOptions, type LedgerResult } from '../../scripts/ledger/run.ts'
import { readRun } from '../databases/run.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'

t.test('the audit sees every kind of broken promise', async (t) => {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  const sql = new pg.Client({ connectionString: databaseUrl })
  const client = await new MongoClient(mongoUrl).connect()
  await sql.connect()
  t.teardown(async () => {
    await Promise.all([sql.end(), client.close()])
  })
  const stores = { sql, mongo: client.db(mongoDatabase) }
  const user = async (marker: string, copy = marker, name = 'new') => {
    const { rows } = await sql.query('INSERT INTO users (email, name) VALUES ($1, $2) RETURNING id, version::int', [
      marker,
      name
    ])
    if (copy !== '') {
      await stores.mongo.collection<{ _id: number; email: string; name: string; _v: number }>('users').insertOne({
        _id: rows[0].id,
        email: copy,
        name,
        _v: rows[0].version
      })
    }
  }
  const post = async (marker: string) => {
    const { insertedId } = await stores.mongo.collection('posts').insertOne({ title: marker, category: 'new' })
    await sql.query(
      "INSERT INTO posts (id, author_id, title, category, content_length, created_at) VALUES ($1, 1, $2, 'new', 1, now())",
      [String(insertedId), marker]
    )
  }
  const fact = (marker: string, rest: Partial<Fact> = {}): Fact => ({
    kind: 'user',
    marker,
    made: 'acked',
    values: ['new'],
    ...rest
  })
  await user('pfine')
  await user('pgone-for-all', '')
  await user('pother', 'pother', 'someone else')
  await user('prefused')
  await user('pdeleted')
  await user('pstranger')
  await post('pfine')
  await post('ptwice')
  await post('ptwice')
  await post('porphan')
  const tally = emptyTally()
  const lines: string[] = []
  await audit(
    stores,
    'p',
    [
      fact('pfine'),
      fact('pmissing'),
      fact('pgone-for-all'),
      fact('pother'),
      fact('prefused', { made: 'refused' }),
      fact('pdeleted', { deleted: 'acked' }),
      fact('pnever', { made: 'unknown' }),
      fact('pnot-there', { deleted: 'unknown' }),
      fact('pfine', { kind: 'post', owner: 'pfine' }),
      fact('ptwice', { kind: 'post', owner: 'pfine' }),
      fact('porphan', { kind: 'post', owner: 'pdeleted' }),
      fact('porder', { kind: 'order', values: [] })
    ],
    tally,
    (line) => {
      lines.push(line)
    }
  )
  t.match(tally, { lost: 2, half: 1, ghost: 4, double: 1, wrong: 1 }, lines.join('\n'))
  t.equal(brokenPromises(tally), 9)
  t.equal(lines.length, 9)
})

/** A run on the built service, and what it has said. */
async function play (
  t: Test,
  options: Pick<LedgerOptions, 'victims' | 'writing' | 'twoPhase'>
): Promise<LedgerResult & { lines: string[] }> {
  const lines: string[] = []
  const result = await runLedger({
    ...options,
    dataDir: newFolder(t),
    server: path.join(readRun().built, 'server.js'),
    say: (line) => {
      lines.push(line)
    }
  })
  return { ...result, lines }
}

t.test('under random writes, service, PostgreSQL and mongod are killed: every promise is kept', async (t) => {
  const victims: Victim[] = ['service', 'postgres', 'mongod']
  const { tallies, lines } = await play(t, { victims, writing: 1000 })
  for (const victim of victims) {
    const tally = tallies[victim]
    t.ok(tally !== undefined && tally.acked > 0, `${victim}: something was written`)
    t.match(tally, { lost: 0, half: 0, ghost: 0, double: 0, wrong: 0 }, lines.join('\n'))
  }
})

t.test('both stores stay one where a process dies in another time, or in a commit as a role', async (t) => {
  const victims: Victim[] = ['role', 'clock']
  const { tallies, leftDecisions, lines } = await play(t, { victims, twoPhase: true, writing: 500 })
  for (const victim of victims) {
    const tally = tallies[victim]
    t.ok(tally !== undefined && tally.acked > 0, `${victim}: something was written`)
    t.equal(tally && brokenPromises(tally), 0, lines.join('\n'))
  }
  t.equal(leftDecisions, 0)
})

t.test('one store alone is restored to an earlier moment: the other one loses nothing, no token lies', async (t) => {
  const lines: string[] = []
  const broken = await runRestores({
    dataDir: newFolder(t),
    server: path.join(readRun().built, 'server.js'),
    writing: 700,
    say: (line) => {
      lines.push(line)
    }
  })
  t.equal(broken, 0, lines.join('\n'))
  t.match(lines, [/^postgres: /, /^mongodb: /])
})
