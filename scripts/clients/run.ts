// `npm run clients`: tools that read the OpenAPI document make clients of it, which then use the live service.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startEmbedded } from 'dev-databases'
import { buildApp } from '../../app.ts'
import { installNpmTools, installPythonTools, isThere } from './install.ts'
import { tools, type Tool } from './tools.ts'
import { skip, tryTool, type Row } from './try-tool.ts'
import { failCommand } from '../fail-command.ts'

const USAGE = `npm run clients -- [--only <text of a tool's name>]
  Makes clients with tools of others, compiles them, uses a service that is started for the run, and prints a table.
  Tools are installed into scripts/clients/packages on first use; those of Python need python3, openapi-generator also java.`

async function main (): Promise<void> {
  const { only } = parseArgs({ options: { only: { type: 'string', default: '' } } }).values
  const chosen = tools.filter(({ name }) => name.includes(only))
  if (chosen.length === 0) throw new RangeError(`no tool's name contains ${only}`)
  const missing = await install(chosen)
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-clients-'))
  const databases = await startEmbedded({ dataDir: path.join(folder, 'data'), postgres: true, mongodb: true })
  try {
    const rows = await tryAll(chosen, { folder, missing, databases })
    console.table(rows.map(({ tool, version, compiles, works }) => ({ tool, version, compiles, works })))
    for (const { tool, fault } of rows) if (fault !== undefined) console.error(`\n${tool}: ${fault}`)
    process.exitCode = rows.some(({ fault }) => fault !== undefined) ? 1 : 0
  } finally {
    await databases.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Installs what the tools need. Gives, for each need, why it cannot be had. */
async function install (chosen: Tool[]): Promise<Partial<Record<Tool['needs'], string>>> {
  await installNpmTools()
  if (chosen.every(({ needs }) => needs === 'npm')) return {}
  const python = await isThere('python3', '--version')
    ? await installPythonTools()
    : 'there is no python3 on PATH'
  const java = await isThere('java', '-version') ? undefined : 'there is no java on PATH'
  return {
    ...(python !== undefined && { python }),
    ...((python ?? java) !== undefined && { 'python and java': python ?? java ?? '' })
  }
}

interface Run {
  folder: string
  missing: Partial<Record<Tool['needs'], string>>
  databases: Awaited<ReturnType<typeof startEmbedded>>
}

async function tryAll (chosen: Tool[], { folder, missing, databases: { postgres, mongodb } }: Run): Promise<Row[]> {
  if (mongodb?.how === 'missing') throw new Error('no mongod can be had: put one on PATH')
  const settings = { DATABASE_URL: postgres?.url ?? '', MONGODB_URL: mongodb?.url ?? '', SEED: false }
  const app = await buildApp({ logger: false, settings })
  try {
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const document = path.join(folder, 'openapi.json')
    writeFileSync(document, JSON.stringify(app.swagger()))
    const rows: Row[] = []
    for (const tool of chosen) {
      const reason = missing[tool.needs]
      const own = path.join(folder, String(rows.length))
      mkdirSync(own)
      console.error(`${tool.name} …`)
      const row = reason === undefined ? await tryTool(tool, { folder: own, document, origin }) : skip(tool, reason)
      rows.push(row)
    }
    return rows
  } finally {
    await app.close()
  }
}

main().catch((error: unknown) => {
  failCommand(error, USAGE)
})
