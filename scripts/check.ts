// `npm run check`: everything that can be checked without running the service. Prints what fails, in full.
import { spawn } from 'node:child_process'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const TOGETHER = 2

// Each line is run from node_modules/.bin.
const STEPS: Record<string, string> = {
  format: 'dprint check',
  types: 'tsc --noEmit',
  lint: 'oxlint --type-aware --deny-warnings',
  'dead code': 'knip --no-progress --treat-config-hints-as-errors',
  'import direction':
    'depcruise --output-type err app.ts server.ts plugins routes schemas drizzle packages scripts test bench examples',
  'OpenAPI document': 'tsx --conditions=tandem-source scripts/openapi.ts --check',
  'OpenAPI changes': 'tsx scripts/openapi-changes.ts',
  'OpenAPI lint': 'redocly lint docs/openapi.json --config .redocly.yaml --max-problems 20',
  migrations: 'tsx --conditions=tandem-source scripts/check-migrations.ts',
  '.env.example': 'tsx scripts/env-example.ts --check',
  'test entries': 'tsx scripts/check-tests.ts',
  'known weaknesses': 'tsx scripts/audit.ts'
}

const waiting = Object.entries(STEPS)
const failed: string[] = []
await Promise.all(Array.from({ length: TOGETHER }, work))
console.log(failed.length === 0 ? 'All checks pass.' : `Failed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 ? 0 : 1

async function work (): Promise<void> {
  for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
    const [name, line] = step
    const startedAt = performance.now()
    const { code, output } = await run(line)
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
    console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
    if (output.startsWith('Skipped: ')) console.log(output.trimEnd())
    if (code === 0) continue
    failed.push(name)
    console.log(`\n$ ${line}\n${output}`)
  }
}

async function run (line: string): Promise<{ code: number | null; output: string }> {
  const [program = '', ...args] = line.split(' ')
  const child = spawn(path.join(root, 'node_modules', '.bin', program), args, {
    cwd: root,
    env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' }
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const code = await new Promise<number | null>((resolve) => {
    child.once('close', resolve).once('error', () => {
      resolve(1)
    })
  })
  return { code, output }
}
