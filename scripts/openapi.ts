// Writes docs/openapi.json from the schemas of the routes, without a database; with --check only compares, with --release
// also keeps it as the document that later ones are compared with.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { buildApp } from '../app.ts'

const file = path.join(import.meta.dirname, '..', 'docs', 'openapi.json')
const released = path.join(path.dirname(file), 'openapi-released.json')
const app = await buildApp({ offline: true, logger: false })
const text = `${JSON.stringify(app.swagger(), null, 2)}\n`
await app.close()

if (!process.argv.includes('--check')) {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  if (process.argv.includes('--release')) writeFileSync(released, text)
} else if (read() !== text) {
  console.error('docs/openapi.json is not what the routes say: run npm run openapi and commit the file')
  process.exitCode = 1
}

function read (): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
