import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { newFolder } from '../folder.ts'
import { build, databases, listen } from '../helper.ts'
import { startServer } from '../process.ts'
import { createThingsAt } from '../fixture/tables.ts'
import { thingRoutes } from '../fixture/things.ts'
import { until } from '../until.ts'
import { Browser, findChromium } from './browser.ts'

t.test('spans that wait to be sent together are sent when the service is told to end', async (t) => {
  const folder = newFolder(t)
  const spans = path.join(folder, 'spans')
  const telemetry = path.join(folder, 'telemetry.mjs')
  // As NodeSDK does it: spans are sent together, here once in an hour.
  writeFileSync(
    telemetry,
    `import { appendFileSync } from 'node:fs'
import { BatchSpanProcessor, NodeTracerProvider } from '${import.meta.resolve('@opentelemetry/sdk-trace-node')}'
const exporter = {
  export (spans, done) {
    for (const { name } of spans) appendFileSync(${JSON.stringify(spans)}, name + '\\n')
    done({ code: 0 })
  },
  async shutdown () {}
}
new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 3_600_000 })] }).register()
`
  )
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  await createThingsAt(databaseUrl)
  const env = {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase
  }
  const server = startServer(t, env, ['--import', telemetry])
  const origin = await server.origin
  const thing = {
    method: 'POST',
    body: '{"name":"A"}',
    headers: { 'content-type': 'application/json' }
  }
  t.equal((await fetch(`${origin}/things`, thing)).status, 201)
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0, server.errors())
  const names = readFileSync(spans, 'utf8').split('\n')
  for (const name of ['POST /things', 'transaction sql', 'INSERT things', 'COMMIT']) t.ok(names.includes(name), name)
})

const promtool = spawnSync('promtool', ['--version']).status === 0 ? false : 'promtool is not installed'
t.test('promtool has nothing to say of the metrics of the service', { skip: promtool }, async (t) => {
  const app = await build(t, { plugins: thingRoutes })
  await app.inject({ method: 'POST', url: '/things', payload: { name: 'A' } })
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: await app.metrics.text(),
    encoding: 'utf8'
  })
  // Those of the process are prom-client's.
  const ours = `${stdout}${stderr}`.split('\n').filter((line) => line !== '' && !/^(nodejs|process)_/.test(line))
  t.same(ours, [])
})

const chromium = findChromium()
/** Longer than a busy machine takes to draw the documentation. */
const PATIENCE_MS = 60_000
t.test('pages fit a telephone', { skip: chromium === undefined && 'Chromium is not installed' }, async (t) => {
  const app = await build(t, { settings: { ADMIN_PORT: 0 } })
  const origin = await listen(t, app)
  const pages = { [app.adminOrigin ?? '']: '.card', [`${origin}/docs`]: '.opblock', [`${origin}/docs/problems`]: 'h2' }
  for (const [url, part] of Object.entries(pages)) {
    const browser = await Browser.open(chromium ?? '', url, { width: 375, height: 800 })
    const page = async (expression: string): Promise<unknown> => await browser.evaluate(expression)
    await until(`${url} is drawn`, async () => await page(`document.querySelector('${part}') !== null`), PATIENCE_MS)
    if (part === '.opblock') {
      await page("document.querySelector('.opblock-summary-control').click()")
      const isOpen = "document.querySelector('.responses-table') !== null"
      await until('an operation is open', async () => await page(isOpen), PATIENCE_MS)
    }
    t.equal(await page('document.documentElement.scrollWidth'), 375, `${url} is not wider than the screen`)
    await browser.close()
  }
})
