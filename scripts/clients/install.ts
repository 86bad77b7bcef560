import { execFile } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { installLocked } from '../install-locked.ts'

const run = promisify(execFile)
const folder = path.join(import.meta.dirname, 'packages')
const venv = path.join(folder, '.venv')
const requirements = path.join(import.meta.dirname, 'requirements.txt')

/** Where the tools are installed: nothing of the service sees them. */
export const modules = path.join(folder, 'node_modules')

/** The program of a tool of npm. */
export function getNpmProgram (name: string): string {
  return path.join(modules, '.bin', name)
}

/** The program of a tool of Python. */
export function getPythonProgram (name: string): string {
  return path.join(venv, 'bin', name)
}

/** The version of a tool, from what is installed or asked for. */
export function getVersion (name: string): string {
  const manifest = path.join(modules, name, 'package.json')
  if (existsSync(manifest)) return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version
  const line = readFileSync(requirements, 'utf8').split('\n').find((text) => text.startsWith(`${name}==`))
  if (line === undefined) throw new Error(`${name} is in neither packages/package.json nor requirements.txt: add it`)
  return line.slice(name.length + 2)
}

/** Installs the tools of npm, as the lock says, unless they are there. */
export async function installNpmTools (): Promise<void> {
  await installLocked(folder, 'the tools of npm')
}

/**
 * Installs the tools of Python into an environment of their own, unless they are there.
 * @returns why they cannot be had; undefined when they are there
 */
export async function installPythonTools (): Promise<string | undefined> {
  const mark = path.join(venv, 'requirements.txt')
  const wanted = readFileSync(requirements, 'utf8')
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return undefined
  console.error('Installing the tools of Python …')
  rmSync(venv, { recursive: true, force: true })
  try {
    await run('python3', ['-m', 'venv', venv])
    await run(getPythonProgram('pip'), ['install', '--quiet', '--requirement', requirements])
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split('\n').slice(-1)
    return `the tools of Python cannot be installed: ${line}`
  }
  writeFileSync(mark, wanted)
  return undefined
}

/** Whether a program is on PATH and runs. */
export async function isThere (program: string, ...args: string[]): Promise<boolean> {
  return await run(program, args).then(() => true, () => false)
}
