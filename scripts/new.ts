// `npm run new -- products name:text:unique 'price:decimal(10,2)' stock:integer`: a resource with table or collection,
// repository, routes and tests, as docs/add-a-resource.md makes it by hand.
import path from 'node:path'
import { UsageError } from './new/fields.ts'
import { parseResource, type Resource } from './new/resource.ts'
import { planFiles, writeFiles } from './new/write.ts'
import { runTool } from './run-tool.ts'

const USAGE = [
  'npm run new -- <resources> <field> … [--store sql|mongo] [--singular <word>], as in',
  "npm run new -- products name:text:unique 'price:decimal(10,2)' stock:integer",
  'Fields: name:type or name:type:unique. Types: text, text(500), integer, integer(1,5), decimal(10,2), boolean.'
]
const root = path.join(import.meta.dirname, '..')

function make (resource: Resource): void {
  const { added, changed } = planFiles(root, resource)
  writeFiles(root, added)
  writeFiles(root, changed)
  runTool(root, 'dprint', ['fmt', ...added.keys(), ...changed.keys()])
  if (resource.store === 'sql') runTool(root, 'tsx', ['scripts/db-generate.ts', '--name', resource.table])
  runTool(root, 'tsx', ['--conditions=tandem-source', 'scripts/openapi.ts'])
  for (const file of added.keys()) console.log(`added    ${file}`)
  for (const file of changed.keys()) console.log(`changed  ${file}`)
  const migrations = resource.store === 'sql' ? `, the migrations ${resource.table}` : ''
  console.log(`written  docs/openapi.json${migrations}`)
  console.log(`Then: npm run check, and npx tap test/routes.test.ts for the tests of ${resource.file}`)
}

try {
  make(parseResource(process.argv.slice(2)))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof UsageError) { for (const line of USAGE) console.error(line) }
  process.exitCode = error instanceof UsageError ? 2 : 1
}
