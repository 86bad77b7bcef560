// `npm run bench:doubles`: what `buildApp` costs a test that replaces both databases. The first build also loads the modules.
import { buildApp } from '../app.ts'
import { memoryDatabase } from '../plugins/sql/sqlite/open.ts'
import { mongoDouble } from '../test/examples/mongo-double.ts'

const builds = 10
const settings = { NODE_ENV: 'test' } as const
const times: number[] = []
for (let count = 0; count < builds; count++) {
  const startedAt = performance.now()
  const app = await buildApp({
    settings,
    logger: false,
    overrides: { db: await memoryDatabase(), mongo: mongoDouble({}) }
  })
  times.push(performance.now() - startedAt)
  await app.close()
}
const [first = 0, ...later] = times
const median = later.toSorted((a, b) => a - b)[Math.floor(later.length / 2)] ?? 0
console.log(
  `buildApp with doubles: first ${Math.round(first)} ms, then ${Math.round(median)} ms (median of ${later.length}); ${
    Math.round(process.memoryUsage.rss() / 2 ** 20)
  } MiB resident`
)
