import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { readEnvFile } from '../../scripts/env-file.ts'
import { SettingsSchema } from '../../schemas/settings.ts'
import { newFolder } from '../folder.ts'

const [GIVEN, MISSING] = ['TEST_ENV_FILE_GIVEN', 'TEST_ENV_FILE_MISSING']

t.test('.env fills in what the environment does not say', async (t) => {
  const folder = newFolder(t)
  t.teardown(() => {
    delete process.env[GIVEN]
    delete process.env[MISSING]
  })
  t.doesNotThrow(() => {
    readEnvFile(folder)
  }, 'there need not be one')
  process.env[GIVEN] = 'environment'
  writeFileSync(path.join(folder, '.env'), `# a comment\n${GIVEN}=file\n${MISSING}="from the file"\n`)
  readEnvFile(folder)
  t.equal(process.env[GIVEN], 'environment')
  t.equal(process.env[MISSING], 'from the file')
})

t.test('.env.example names every setting, and sets none', async (t) => {
  const lines = readFileSync(path.join(import.meta.dirname, '..', '..', '.env.example'), 'utf8').split('\n')
  const names = lines.flatMap((line) => /^#([A-Z_]+)=/.exec(line)?.[1] ?? [])
  t.strictSame(names.toSorted(), Object.keys(SettingsSchema.properties).toSorted())
  t.strictSame(lines.filter((line) => line !== '' && !line.startsWith('#')), [])
})
