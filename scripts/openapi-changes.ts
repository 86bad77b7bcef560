// Fails when the OpenAPI document breaks clients of the last release (docs/openapi-released.json), and the pending part
// of CHANGELOG.md does not say so. `npm run openapi -- --release` makes today's document the released one.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { findBreakingChanges, type Document } from './openapi/changes.ts'
import { findUnnamed } from './openapi/named.ts'

const root = path.join(import.meta.dirname, '..')
const released = path.join(root, 'docs', 'openapi-released.json')
const read = (file: string): string => readFileSync(file, 'utf8')

if (existsSync(released)) {
  const now = JSON.parse(read(path.join(root, 'docs', 'openapi.json'))) as Document
  const changes = findBreakingChanges(JSON.parse(read(released)) as Document, now)
  const unnamed = findUnnamed(changes, read(path.join(root, 'CHANGELOG.md')))
  for (const { what } of unnamed) console.error(what)
  if (unnamed.length > 0) {
    console.error(
      'This breaks clients: take it back, or add a line "Breaking:" with the path to the pending part of CHANGELOG.md'
    )
    process.exitCode = 1
  }
}
