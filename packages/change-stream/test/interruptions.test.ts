// Restarts, kills, failures and lost positions: nothing is lost, nothing is carried out twice.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MongoServerError } from 'mongodb'
import t from 'tap'
import type { StreamStore } from '../src/index.ts'
import { until } from '../../../test/until.ts'
import { appWith, carry, follows, onPostgres, getState, type Given } from './app.ts'

t.test('PostgreSQL', async (t) => {
  const { pool, url, db, mongoUrl, things, store, rows, seen, saved, equals } = await onPostgres(t)

  t.test('a restart goes on where it stopped: nothing lost, nothing twice', async (t) => {
    for (let round = 0; round < 3; round++) {
      const { app } = await appWith(t, store, things)
      await follows(app)
      await things.insertOne({ _id: round * 2, n: 0 })
      await until('carried over', async () => (await seen()).includes(`insert ${round * 2}`))
      await app.close()
      await things.insertOne({ _id: round * 2 + 1, n: 0 })
    }
    const { app } = await appWith(t, store, things)
    await until('caught up', async () => (await rows()).length === 6)
    t.same(await seen(), [0, 1, 2, 3, 4, 5].map((id) => `insert ${id}`))
    t.equal((await saved()).resyncs, 1)
    await app.close()
  })

  t.test('effect and position are one transaction: a batch that fails halfway leaves neither', async (t) => {
    let isBroken = true
    const { app, lines } = await appWith(t, store, things, {
      saveInterval: 60_000,
      apply: async (tx, changes) => {
        await carry(tx, changes)
        if (isBroken) throw new TypeError('halfway through {secret}')
      }
    })
    await follows(app)
    const { token } = await saved()
    await things.insertOne({ _id: 1, n: 1 })
    await until('it backs off', () => getState(app) === 'backing off')
    t.match(app.changeStream.stats(), [{ stream: 'things', error: 'TypeError', lagMs: Number }])
    t.same(await seen(), [])
    t.same((await saved()).token, token)
    isBroken = false
    await equals([{ id: 1, n: 1 }])
    t.same(await seen(), ['insert 1'])
    await follows(app)
    t.same(lines.filter(({ level, msg }) => level >= 30 && /interrupted|goes on/.test(msg)).map(({ msg }) => msg), [
      'a change stream is interrupted and will go on by itself',
      'a change stream goes on'
    ])
    t.notMatch(JSON.stringify(lines), 'secret')
    await app.close()
  })

  t.test('a process killed between effect and COMMIT: the next one carries the change out once', async (t) => {
    const first = await appWith(t, store, things)
    await follows(first.app)
    await first.app.close()
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    const child = spawn(process.execPath, [
      '--import',
      'tsx',
      path.join(import.meta.dirname, 'killed-app.ts'),
      url,
      mongoUrl,
      db.databaseName
    ], { stdio: ['ignore', 'ignore', 'inherit'] })
    t.same(await once(child, 'exit'), [null, 'SIGKILL'])
    const { app } = await appWith(t, store, things)
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    t.same(await seen(), ['insert 1', 'insert 2'])
    await app.close()
  })

  t.test('of two processes one follows; when its lease is taken away the other goes on, nothing twice', async (t) => {
    const one = await appWith(t, store, things)
    await follows(one.app)
    const two = await appWith(t, store, things)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    t.equal(getState(two.app), 'waiting to lead')
    const { rowCount } = await pool.query(
      "UPDATE change_streams SET leader = 'another', leader_until = now() - interval '1 second'"
    )
    t.equal(rowCount, 1)
    await things.insertOne({ _id: 2, n: 2 })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await until(
      'somebody follows again',
      () => [one, two].filter(({ app }) => getState(app) === 'following').length === 1
    )
    const leader = [one, two].find(({ app }) => getState(app) === 'following')
    await leader?.app.close()
    await things.insertOne({ _id: 3, n: 3 })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 }])
    t.same(await seen(), ['insert 1', 'insert 2', 'insert 3'])
    await Promise.all([one.app.close(), two.app.close()])
  })

  t.test('an old leader that does not know that it is one is fenced off', async (t) => {
    const unlocked: StreamStore = {
      ...store,
      lead: async () => ({ lost: new AbortController().signal, resign: async () => {} })
    }
    const apps = await Promise.all([appWith(t, unlocked, things), appWith(t, unlocked, things)])
    await Promise.all(apps.map(({ app }) => follows(app)))
    for (let id = 0; id < 30; id++) await things.insertOne({ _id: id, n: id })
    await until('all carried over', async () => (await rows()).length === 30)
    const list = await seen()
    t.equal(new Set(list).size, list.length, 'both followed, yet nothing was carried out twice')
    t.equal(list.length, 30)
    await Promise.all(apps.map(({ app }) => app.close()))
  })

  t.test('a position older than the history: one full copy, one line in the log, no crash', async (t) => {
    const first = await appWith(t, store, things)
    await follows(first.app)
    await first.app.close()
    await things.insertOne({ _id: 7, n: 7 })
    await pool.query('INSERT INTO things VALUES (99, 99)')
    // The oplog of a new replica set counts as complete for ever, so the server is made to say it.
    let refusals = 1
    const forgetful = new Proxy(things, {
      get: (target, name) =>
        name === 'watch' && refusals-- > 0
          ? () => ({
            tryNext: async () => {
              throw Object.assign(new MongoServerError({ message: 'the resume point may no longer be in the oplog' }), {
                code: 286
              })
            },
            close: async () => {}
          })
          : Reflect.get(target, name)
    })
    const { app, lines } = await appWith(t, store, forgetful)
    await equals([{ id: 7, n: 7 }])
    await things.insertOne({ _id: 8, n: 8 })
    await equals([{ id: 7, n: 7 }, { id: 8, n: 8 }])
    t.match(lines.filter(({ level }) => level > 30), [{
      msg: /copied anew/,
      changeStream: { reason: 'MongoServerError 286', copied: 1 }
    }])
    t.equal((await saved()).resyncs, 2)
    await app.close()
  })

  t.test('a change nobody can carry out holds the stream there; those before it get through; curing or resync frees it', async (t) => {
    let isCured = false
    const apply: Given['apply'] = async (tx, changes) => {
      if (!isCured && changes.some((change) => 'documentKey' in change && change.documentKey._id === 3)) {
        throw new RangeError('three')
      }
      await carry(tx, changes)
    }
    const before = await appWith(t, store, things)
    await follows(before.app)
    await before.app.close()
    await things.insertMany([1, 2, 3, 4].map((n) => ({ _id: n, n })))
    const { app } = await appWith(t, store, things, { apply })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await until('it backs off', () => getState(app) === 'backing off')
    t.same(await app.changeStream.resync('things'), { copied: 4 })
    await things.insertOne({ _id: 5, n: 5 })
    await equals([1, 2, 3, 4, 5].map((n) => ({ id: n, n })))
    await things.updateOne({ _id: 3 }, { $inc: { n: 1 } })
    await until('it backs off again', () => getState(app) === 'backing off')
    isCured = true
    await equals([1, 2, 4, 4, 5].map((n, at) => ({ id: at + 1, n })))
    await app.close()
  })

  t.test('a database session killed during a batch: carried out once, the process lives', async (t) => {
    let kills = 1
    const { app } = await appWith(t, store, things, {
      apply: async (tx, changes) => {
        await carry(tx, changes)
        if (kills-- > 0) {
          await pool.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
          )
        }
      }
    })
    await follows(app)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    t.same(await seen(), ['insert 1'])
    await app.close()
  })

  t.test('resync repairs what was edited by hand, beside a running consumer that loses nothing', async (t) => {
    const { app } = await appWith(t, store, things)
    await follows(app)
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await pool.query(
      'UPDATE things SET n = 100 WHERE id = 1; DELETE FROM things WHERE id = 2; INSERT INTO things VALUES (3, 3)'
    )
    const writing = (async () => {
      for (let _id = 10; _id < 40; _id++) await things.insertOne({ _id, n: _id })
    })()
    await app.changeStream.resync('things')
    await writing
    await equals([
      { id: 1, n: 1 },
      { id: 2, n: 2 },
      ...Array.from({ length: 30 }, (_, n) => ({ id: 10 + n, n: 10 + n }))
    ])
    await follows(app)
    await app.close()
  })

  t.test('close finishes the running batch, and does not wait for one that hangs', async (t) => {
    let begun = 0
    const slow = await appWith(t, store, things, {
      apply: async (tx, changes) => {
        begun++
        await sleep(150)
        await carry(tx, changes)
      }
    })
    await follows(slow.app)
    await things.insertOne({ _id: 1, n: 1 })
    await until('it runs', () => begun === 1)
    await slow.app.close()
    t.same(await rows(), [{ id: 1, n: 1 }])
    const release = new AbortController()
    const hang = () =>
      new Promise<void>((_resolve, reject) => {
        begun++
        release.signal.addEventListener('abort', () => {
          reject(new Error('released'))
        })
      })
    const hanging = await appWith(t, store, things, { stopTimeout: 100, apply: hang })
    await follows(hanging.app)
    await things.insertOne({ _id: 2, n: 2 })
    await until('it hangs', () => begun === 2)
    await hanging.app.close()
    t.same(await rows(), [{ id: 1, n: 1 }])
    release.abort()
  })
})
