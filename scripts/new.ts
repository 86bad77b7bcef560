// `npm run new -- products name:text:unique 'price:decimal(10,2)' stock:integer`: a resource with table or collection,
// repository, routes and tests, as docs/add-a-resource.md makes it by hand.
import path from 'node:path'
import { UsageError } from './new/fields.ts'
import { withArticle } from './new/names.ts'
import { OPTIONS, parseResource, type Resource } from './new/resource.ts'
import { remember } from './new/undo.ts'
import { planFiles, writeFiles, type Files } from './new/write.ts'
import { runTool } from './run-tool.ts'

const USAGE = [
  'npm run new -- <resources> <field> … [--store sql|mongo] [--singular <word>], as in',
  "npm run new -- products name:text:unique 'price:decimal(10,2)' stock:integer",
  'Fields: name:type or name:type:unique. Types: text, text(500), integer, integer(1,5), decimal(10,2), boolean.'
]
const root = path.join(import.meta.dirname, '..')

function make (resource: Resource): void {
  const { added, changed } = planFiles(root, resource)
  const putBack = remember(root, added, [...changed.keys(), 'docs/openapi.json', 'drizzle/migrations'])
  try {
    writeFiles(root, added)
    writeFiles(root, changed)
    runTool(root, 'dprint', ['fmt', ...added.keys(), ...changed.keys()])
    // First: it builds the app, which refuses what does not fit together.
    runTool(root, 'tsx', ['--conditions=tandem-source', 'scripts/openapi.ts'])
    if (resource.store === 'sql') runTool(root, 'tsx', ['scripts/db-generate.ts', '--name', resource.table])
  } catch (error) {
    putBack()
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`Nothing was made of ${resource.file}: ${reason}`, { cause: error })
  }
  tell(resource, added, changed)
}

function tell (resource: Resource, added: Files, changed: Files): void {
  const { file, store, words, pluralWords } = resource
  for (const name of added.keys()) console.log(`added    ${name}`)
  for (const name of changed.keys()) console.log(`changed  ${name}`)
  console.log(`written  docs/openapi.json${store === 'sql' ? `, the migrations ${resource.table}` : ''}`)
  console.log(`One of the ${pluralWords} is ${withArticle(words)}; --singular <word> says it otherwise`)
  console.log(`Then: npm run check, and npx tap test/routes.test.ts for the tests of ${file}`)
}

// npm takes options for its own where no -- stands before them, and hands over the rest.
function refuseSwallowed (): void {
  const swallowed = OPTIONS.filter((name) => process.env[`npm_config_${name}`] !== undefined)
  if (swallowed.length === 0) return
  throw new UsageError(`npm took --${swallowed.join(' and --')} for its own: write npm run new -- before the words`)
}

try {
  refuseSwallowed()
  make(parseResource(process.argv.slice(2)))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  if (error instanceof UsageError) { for (const line of USAGE) console.error(line) }
  process.exitCode = error instanceof UsageError ? 2 : 1
}
