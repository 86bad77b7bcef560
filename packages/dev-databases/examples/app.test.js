// `node --test`: real databases in a folder that goes with the test.
import { deepEqual, equal } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { startEmbedded } from 'dev-databases'
import { buildApp } from './app.js'

let [app, databases, dataDir] = []

before(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'visits-'))
  databases = await startEmbedded({ dataDir, postgres: true, mongodb: true })
  if (databases.mongodb.how === 'missing') throw new Error(databases.mongodb.reason.join('\n'))
  app = await buildApp({ postgres: databases.postgres.url, mongodb: databases.mongodb.url })
})

after(async () => {
  await app?.close()
  await databases?.stop()
  await rm(dataDir, { recursive: true, force: true, maxRetries: 10 })
})

test('visits are counted', async () => {
  for (const [name, expected] of [
    ['Ada', { count: 1, names: ['Ada'] }],
    ['Grace', { count: 2, names: ['Ada', 'Grace'] }]
  ]) {
    const answer = await app.inject({ method: 'POST', url: '/visits/home', payload: { name } })
    equal(answer.statusCode, 200, answer.body)
    deepEqual(answer.json(), expected)
  }
})
