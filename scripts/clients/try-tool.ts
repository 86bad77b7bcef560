import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { runCommand, type Command, type Place } from './command.ts'
import { getVersion, modules } from './install.ts'
import { TSCONFIG, type Tool } from './tools.ts'

/** A row of the table. */
export interface Row {
  tool: string
  version: string
  compiles: string
  works: string
  /** What a command said that failed. */
  fault?: string
}

const programs = path.join(import.meta.dirname, 'programs')

/**
 * Tries one tool: makes what it makes, compiles that, uses the service by it.
 * @param place a folder of its own, the document and the live service
 */
export async function tryTool (tool: Tool, place: Place): Promise<Row> {
  prepare(tool, place)
  const row = { tool: tool.name, version: getVersion(tool.package) }
  const use = tool.use(place)
  const rest = use.length === 0 ? '–' : 'no'
  const made = await runAll([...tool.make(place), ...tool.compile(place)], place)
  if (made !== undefined) return { ...row, compiles: 'no', works: rest, fault: made }
  const used = await runAll(use, place)
  if (used !== undefined) return { ...row, compiles: 'yes', works: 'no', fault: used }
  return { ...row, compiles: 'yes', works: use.length === 0 ? '–' : 'yes' }
}

/** A row of a tool that cannot be tried here. */
export function skip (tool: Tool, reason: string): Row {
  return { tool: tool.name, version: getVersion(tool.package), compiles: 'skipped', works: reason }
}

function prepare ({ program }: Tool, { folder }: Place): void {
  mkdirSync(path.join(folder, 'generated'), { recursive: true })
  symlinkSync(modules, path.join(folder, 'node_modules'))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify(TSCONFIG))
  for (const file of ['api.ts', 'schemathesis.toml', program ?? 'api.ts']) {
    copyFileSync(path.join(programs, file), path.join(folder, file))
  }
}

/** Runs commands one after the other; gives what the first one said that failed. */
async function runAll (commands: Command[], place: Place): Promise<string | undefined> {
  for (const command of commands) {
    try {
      await runCommand(command, place)
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }
  return undefined
}
