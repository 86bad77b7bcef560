import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import path from 'node:path'
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import type { Test } from 'tap'
import transaction from '../../src/index.ts'
import { logLines, comesTrue } from '../harness.ts'
import { connected, mongod, onMongo, type Item, type Server } from './fixture.ts'

const tsx = path.join(import.meta.dirname, '../../../../node_modules/tsx/dist/loader.mjs')

async function openCount ({ admin }: Server, appName: string): Promise<number> {
  const found = await admin.db('admin').aggregate([
    { $currentOp: { allUsers: true, idleSessions: true } },
    { $match: { appName, 'transaction.parameters.autocommit': false } }
  ]).toArray()
  return found.length
}

/** Another process with a transaction open under this name; killed when the test ends. */
async function otherProcess (t: Test, url: string, appName: string): Promise<{ kill: () => Promise<void> }> {
  const child = fork(path.join(import.meta.dirname, 'killed-app.ts'), [url, appName], {
    execArgv: ['--import', tsx],
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  async function kill (): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  t.teardown(kill)
  await once(child, 'message')
  return { kill }
}

/** Transactions of a process that was killed. */
export async function orphans (t: Test, server: Server): Promise<void> {
  async function boot (t: Test, appName: string, url = server.url, serverSelectionTimeoutMS = 5000) {
    const { lines, logger } = logLines()
    const client = new MongoClient(url, {
      appName,
      w: 'majority',
      readConcernLevel: 'majority',
      monitorCommands: true,
      serverSelectionTimeoutMS
    })
    const app = Fastify({ logger })
    await app.register(transaction, { mongo: { client, db: client.db(appName), instance: appName } })
    app.post('/:id', onMongo, async function insert (request) {
      return await request.mongo.collection<Item>('item').insertOne({
        _id: Number((request.params as { id: string }).id)
      })
    })
    t.teardown(async () => {
      await app.close()
      await client.close()
    })
    const send = async (id: number) => (await app.inject({ method: 'POST', url: `/${id}` })).statusCode
    return {
      app,
      client,
      send,
      said: () => lines.map(({ msg, count }) => count === undefined ? String(msg) : `${String(count)}: ${String(msg)}`)
    }
  }

  await t.test('what a killed process left open is ended at the next boot, and its documents are free', async (t) => {
    const name = `orphan_${randomBytes(4).toString('hex')}`
    await server.admin.db(name).createCollection('item')
    const other = await otherProcess(t, server.url, name)
    await other.kill()
    t.equal(await openCount(server, name), 1, 'the server keeps it')
    const { app, client, send, said } = await boot(t, name)
    await client.connect()
    await app.ready()
    t.equal(await openCount(server, name), 0)
    t.equal(await send(1), 200, 'the document it had written can be written')
    t.same(said().filter((line) => line.startsWith('1: ended the transactions')).length, 1)
  })

  await t.test('a process that still runs keeps its transactions, under its own name and under the same', async (t) => {
    const name = `alive_${randomBytes(4).toString('hex')}`
    await Promise.all([otherProcess(t, server.url, `${name}_other`), otherProcess(t, server.url, name)])
    const { app, client } = await boot(t, name)
    await client.connect()
    await app.ready()
    t.equal(await openCount(server, name), 1)
    t.equal(await openCount(server, `${name}_other`), 1)
  })

  await t.test('while MongoDB is away boot goes on; the first transaction after that ends them', async (t) => {
    const own = await mongod(t)
    const name = `away_${randomBytes(4).toString('hex')}`
    await own.admin.db(name).createCollection('item')
    const other = await otherProcess(t, own.url, name)
    await other.kill()
    process.kill(own.pid, 'SIGSTOP')
    const { app, client, send, said } = await boot(t, name, own.url, 500)
    const connecting = client.connect().catch(() => {})
    await app.ready()
    t.ok(said().some((line) => line.startsWith('MongoDB is away')))
    process.kill(own.pid, 'SIGCONT')
    await connecting
    await connected(client)
    t.ok(await comesTrue(async () => await openCount(own, name) === 1))
    t.equal(await send(1), 200)
    t.equal(await openCount(own, name), 0)
  })

  await t.test('a search that is refused is given up once and harms no request', async (t) => {
    const name = `refused_${randomBytes(4).toString('hex')}`
    const { app, client, send, said } = await boot(t, name)
    await client.connect()
    await server.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['aggregate'], appName: name, errorCode: 13 }
    })
    await app.ready()
    t.equal(await send(1), 200)
    t.equal(said().filter((line) => line.startsWith('could not look for transactions')).length, 1)
  })

  await t.test('a search that takes too long ends nothing any more: by then the process may have transactions of its own', async (t) => {
    const name = `late_${randomBytes(4).toString('hex')}`
    await server.admin.db(name).createCollection('item')
    const other = await otherProcess(t, server.url, name)
    await other.kill()
    const { app, client, send, said } = await boot(t, name)
    await client.connect()
    const answered = { aggregate: 0, killSessions: 0 }
    client.on('commandSucceeded', ({ commandName }) => {
      if (commandName === 'aggregate' || commandName === 'killSessions') answered[commandName]++
    })
    await server.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 2 },
      data: { failCommands: ['aggregate'], appName: name, blockConnection: true, blockTimeMS: 2500 }
    })
    await app.ready()
    t.ok(said().some((line) => line.startsWith('MongoDB is away')), 'boot has not waited longer')
    t.equal(await send(2), 200, 'nor does the first transaction')
    t.equal(
      said().filter((line) => line.startsWith('could not look for transactions')).length,
      1,
      'the second time it is given up'
    )
    t.ok(await comesTrue(() => answered.aggregate === 2))
    t.same(answered, { aggregate: 2, killSessions: 0 })
    t.equal(await openCount(server, name), 1)
  })

  await t.test('a transaction before boot has ended waits for the search: it must not be taken for an orphan', async (t) => {
    const name = `waits_${randomBytes(4).toString('hex')}`
    const { app, client } = await boot(t, name)
    await client.connect()
    const events: string[] = []
    client.on('commandSucceeded', ({ commandName }) => {
      events.push(`${commandName} answered`)
    })
    client.on('commandStarted', ({ commandName }) => {
      events.push(commandName)
    })
    await server.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['aggregate'], appName: name, blockConnection: true, blockTimeMS: 200 }
    })
    await app.transaction(async ({ mongo }) => {
      await mongo.collection<Item>('item').insertOne({ _id: 1 })
    }, { store: 'mongo' })
    await app.ready()
    t.same(events, [
      'aggregate',
      'aggregate answered',
      'insert',
      'insert answered',
      'commitTransaction',
      'commitTransaction answered'
    ])
  })
}
