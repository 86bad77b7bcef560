import { execFile } from 'node:child_process'

/** A command of a tool. */
export interface Command {
  program: string
  args: string[]
}

/** Where a tool works, and on what. */
export interface Place {
  /** A folder of the tool's own. */
  folder: string
  /** The OpenAPI document. */
  document: string
  /** Origin of the live service. */
  origin: string
}

const LIMIT_MS = 10 * 60_000
const SHOWN = 4000

/**
 * Runs a command in a place.
 * @throws Error with what the command has written, when it fails or takes longer than ten minutes
 */
export async function runCommand ({ program, args }: Command, { folder, origin }: Place): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const own = { REDOCLY_TELEMETRY: 'off', NO_COLOR: '1', SCHEMATHESIS_HOOKS: 'schemathesis_hooks' }
    const env = { ...process.env, ...own, ORIGIN: origin }
    const options = { cwd: folder, env, timeout: LIMIT_MS, maxBuffer: 64 * 1_048_576 }
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) return resolve()
      const said = `${stdout}\n${stderr}`.trim()
      reject(new Error(`${path(program)} ${args.join(' ')}:\n${said.slice(0, SHOWN)}\n…\n${said.slice(-SHOWN)}`))
    })
  })
}

function path (program: string): string {
  return program.split('/').at(-1) ?? program
}
