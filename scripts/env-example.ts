// Writes .env.example from the schema of the settings; with --check only compares.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { SettingsSchema } from '../schemas/settings.ts'

const file = path.join(import.meta.dirname, '..', '.env.example')
const settings = Object.entries(
  SettingsSchema.properties as Record<string, { default?: string | number | boolean; description?: string }>
)
const text = [
  '# Copy to .env what you want otherwise; npm start and the other commands read it. The environment wins.',
  ...settings.map(([name, { default: value, description = '' }]) =>
    `\n# ${description}\n#${name}=${value === undefined ? '' : String(value)}`
  )
].join('\n').concat('\n')

if (!process.argv.includes('--check')) writeFileSync(file, text)
else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
  console.error('.env.example is not what schemas/settings.ts says: run npm run env:example and commit the file')
  process.exitCode = 1
}
