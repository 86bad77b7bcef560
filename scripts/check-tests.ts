// Fails when a test file is run by no entry file of test/, which would be forgotten in silence, and when docs/faults.md names
// a file that is not there.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const test = path.join(root, 'test')
const isTest = (file: string): boolean => file.endsWith('.test.ts')
const entries = readdirSync(test).filter(isTest).map((file) => readFileSync(path.join(test, file), 'utf8'))

for (const folder of ['test', 'packages']) {
  const files = readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
    path.join(root, folder, file)
  )
  for (
    const file of files.filter((file) => isTest(file) && path.dirname(file) !== test && !file.includes('node_modules'))
  ) {
    const name = path.relative(test, file).replaceAll('\\', '/')
    // As a file, or with its folder.
    if (
      entries.some((text) =>
        text.includes(`'./${name}'`) || text.includes(`importTests('${path.posix.dirname(name)}')`)
      )
    ) continue
    console.error(
      `test/${name} is run by no entry file: add importTests('${path.posix.dirname(name)}') to one of test/*.test.ts`
    )
    process.exitCode = 1
  }
}

// A service without the example has no such page.
const page = path.join(root, 'docs', 'faults.md')
const faults = existsSync(page) ? readFileSync(page, 'utf8') : ''
for (const [, file = ''] of faults.matchAll(/`((?:test|packages)\/[^`]+\.ts)`/g)) {
  if (existsSync(path.join(root, file))) continue
  console.error(`docs/faults.md names ${file}, which does not exist: name the file that the test is in`)
  process.exitCode = 1
}
