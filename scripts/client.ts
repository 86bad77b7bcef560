// `npm run client [-- <folder>]`: a typed client of the API, from docs/openapi.json; examples/client has a program that
// uses it.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import openapiTS, { astToString } from 'openapi-typescript'

const root = path.join(import.meta.dirname, '..')
const example = path.join(root, 'examples', 'client')
const NOTE = '// Made of the OpenAPI document by npm run client: run it again instead of changing this file.\n'

/**
 * Writes the types of the API, and the client over them.
 * @param folder is made where it is not there
 * @returns the files, by their paths
 */
export async function writeClient (folder: string): Promise<string[]> {
  const document = JSON.parse(readFileSync(path.join(root, 'docs', 'openapi.json'), 'utf8')) as object
  const types = astToString(await openapiTS(document as Parameters<typeof openapiTS>[0]))
  const [schema, api] = [path.join(folder, 'schema.d.ts'), path.join(folder, 'api.ts')]
  mkdirSync(folder, { recursive: true })
  writeFileSync(schema, NOTE + types)
  if (path.relative(example, folder) === '') return [schema]
  copyFileSync(path.join(example, 'api.ts'), api)
  return [schema, api]
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const file of await writeClient(path.resolve(process.argv[2] ?? example))) {
    console.log(`written  ${path.relative(process.cwd(), file)}`)
  }
}
