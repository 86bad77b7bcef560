import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import type { Expected, Reported } from '../../scripts/scenarios/client.ts'
import { startServer, type Server } from '../../scripts/scenarios/database.ts'
import { check, type Verdict } from '../../scripts/scenarios/checker.ts'
import { scenarios } from '../../scripts/scenarios/list/index.ts'
import { loadSystem, systemFiles } from '../../scripts/scenarios/system.ts'
import { markdown, writeBetweenMarkers } from '../../scripts/scenarios/table.ts'
import { Worker } from '../../scripts/scenarios/worker-process.ts'
import { readRun } from '../databases/run.ts'

const folder = mkdtempSync(path.join(import.meta.dirname, '../../.tap/scenarios-'))
t.teardown(() => {
  rmSync(folder, { recursive: true })
})
let server: Server
t.before(async () => {
  server = await startServer(readRun().postgres)
})
t.teardown(() => server.stop())

async function worker (t: Test, file: string): Promise<Worker> {
  const made = new Worker(file, await server.create())
  t.teardown(() => made.stop())
  return made
}

async function codes (of: Worker, name: string): Promise<string> {
  return (await of.play(scenarios.findIndex((scenario) => scenario.name === name))).codes.join(' ')
}

t.test('each scenario has a name of its own', async (t) => {
  t.equal(new Set(scenarios.map(({ name }) => name)).size, scenarios.length)
})

t.test('what clients were told is compared with what is stored', async (t) => {
  const recorder = { commits: 1, checkouts: 1, closed: 1, disconnected: 0, firstBytes: [{ head: '200', commits: 1 }] }
  const verdict = (status: Reported['status'], stored: number[], expected: Expected, milliseconds = 1) =>
    check({ reported: [{ status, text: 'body', milliseconds, expected }], stored, recorder, noted: new Set() }).codes
      .join(
        ' '
      )
  t.equal(verdict(200, [1], { writes: [1], answers: [200], text: 'body' }), '')
  t.equal(verdict(404, [], { writes: [1] }), '')
  t.equal(verdict(200, [1], { writes: [1, 2] }), 'LIE', 'a half is not everything')
  t.equal(verdict(404, [1], { writes: [1] }), 'P')
  t.equal(verdict('none', [1], { writes: [1] }), 'P')
  t.equal(verdict('none', [1], { writes: [1], mayStore: true }), '')
  t.equal(verdict(500, [1], { writes: [1], mayStore: true }), 'P', 'an error was reported')
  t.equal(verdict(200, [1, 2], { writes: [1], late: [2] }), 'LATE')
  t.equal(verdict(200, [1], { writes: [1], within: 100 }, 200), 'S')
  t.equal(verdict(500, [], { writes: [1], answers: [503] }), 'E')
  t.equal(verdict(200, [1], { writes: [1], text: 'another' }), 'E')
  const lost: Reported = {
    status: 500,
    text: '',
    headers: { location: '/items/1' },
    milliseconds: 1,
    expected: { writes: [1], without: ['location'] }
  }
  t.same(
    check({ reported: [lost], stored: [], recorder, noted: new Set() }).codes,
    ['E'],
    'the error carries a header of the reply that was taken back'
  )
  recorder.firstBytes = [{ head: '200', commits: 0 }]
  t.equal(verdict(200, [1], { writes: [1] }), 'O')
})

t.test('systems are told apart', async (t) => {
  const [ours = '', transact = ''] = systemFiles([])
  for (const [file, expected] of [[ours, ['', '', '']], [transact, ['P', 'LIE', 'LATE']]] as const) {
    const played = await worker(t, file)
    const found = []
    for (
      const name of [
        '404 by reply.code(404).send()',
        'a failed statement whose error is swallowed',
        'the handler writes after its reply'
      ]
    ) found.push(await codes(played, name))
    t.same(found, expected, played.name)
  }
})

t.test('a module of your own, whose crash is a verdict and not the end', async (t) => {
  const file = path.join(folder, 'own.mjs')
  writeFileSync(
    file,
    `export const system = {
    name: 'own',
    register (app, pool) { app.decorate('pool', pool) },
    query (request, text, values) {
      if (text.includes('child')) process.exit(7)
      return request.server.pool.query(text, values)
    }
  }`
  )
  const own = await worker(t, file)
  t.equal(await codes(own, 'COMMIT fails (deferred foreign key)'), 'X')
  t.equal(await codes(own, '503 by hand'), 'P')
  t.equal(await codes(own, '200 by a value'), '')
})

t.test('an app that does not start is a verdict where refusing is right', async (t) => {
  const file = path.join(folder, 'refusing.mjs')
  writeFileSync(
    file,
    "export const system = { name: 'refusing', register () { throw new Error('no route') }, query () {} }"
  )
  const at = scenarios.findIndex(({ mayRefuse }) => mayRefuse === true)
  t.same(await (await worker(t, file)).play(at), {
    codes: [],
    detail: 'the app does not start: no route',
    isRefused: true
  })
})

t.test('a scenario over HTTP/2 is told apart as well', async (t) => {
  const [ours = '', transact = ''] = systemFiles([])
  const name = 'HTTP/2: the request is reset after its first statement'
  t.equal(await codes(await worker(t, ours), name), '')
  t.equal(await codes(await worker(t, transact), name), 'P')
})

t.test('a module that is no system is refused in one line', async (t) => {
  const file = path.join(folder, 'half.mjs')
  writeFileSync(file, 'export const system = { name: 1 }')
  await t.rejects(loadSystem(file), { message: /half\.mjs must export system: .*$/ })
  await t.rejects(loadSystem(path.join(folder, 'none.mjs')), { message: /none\.mjs cannot be loaded: [^\n]*$/ })
  writeFileSync(
    file,
    "export const system = { name: 'half', register () { throw new Error('wrong option') }, query () {} }"
  )
  await t.rejects(codes(await worker(t, file), '204'), { message: 'half, 204: the app does not start: wrong option' })
})

t.test('the table goes between its markers', async (t) => {
  const file = path.join(folder, 'readme.md')
  const verdicts = new Map<string, Verdict>([['one', { codes: ['LIE', 'K'], detail: '' }], ['two', {
    codes: [],
    detail: ''
  }], ['three', { codes: [], detail: '', isRefused: true }]])
  const table = markdown(['one', 'two', 'three'], [{ name: 'x', verdicts }], 'PostgreSQL')
  t.match(table, '| one | LIE K |\n| two | ok |\n| three | refused |\n| **not ok, of 3** | **1** |')
  writeFileSync(file, 'before\n<!-- scenarios:start -->\nold\n<!-- scenarios:end -->\nafter\n')
  writeBetweenMarkers(file, table)
  t.equal(readFileSync(file, 'utf8'), `before\n<!-- scenarios:start -->\n${table}\n<!-- scenarios:end -->\nafter\n`)
  writeFileSync(file, 'no markers')
  t.throws(() => {
    writeBetweenMarkers(file, table)
  }, { message: /has no line <!-- scenarios:start -->/ })
})
