// `npm run routes`: every operation of the API, with what it is for; needs no database.
import { buildApp } from '../app.ts'

const app = await buildApp({ offline: true, logger: false })
const { paths = {} } = app.swagger()
await app.close()

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const
const operations = Object.entries(paths).flatMap(([url, methods]) =>
  METHODS.flatMap((method) => {
    const operation = methods?.[method]
    return operation === undefined ? [] : [{ method: method.toUpperCase(), url, summary: operation.summary ?? '' }]
  })
)
const width = Math.max(...operations.map(({ url }) => url.length))
console.log(
  operations.map(({ method, url, summary }) => `${method.padEnd(7)} ${url.padEnd(width)}  ${summary}`).join('\n')
)
