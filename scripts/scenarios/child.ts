// Plays scenarios with one design; a process of its own, because some designs end it.
import { play } from './ground.ts'
import { scenarios } from './scenarios.ts'
import type { Design, Finding } from './types.ts'

/** Told to the parent: a scenario begins, or what was found in it. */
export interface Report { index: number, findings?: Finding[], reason?: string }

const [module = '', url = '', ...indexes] = process.argv.slice(2)
const design = await import(module) as Design
const tell = async (report: Report) => { await new Promise((resolve) => { process.send?.(report, resolve) }) }

for (const index of indexes.map(Number)) {
  const scenario = scenarios[index]
  if (scenario === undefined) continue
  await tell({ index })
  try {
    const { findings, end } = await play(design, scenario, url)
    await tell({ index, findings })
    await end()
  } catch (error) {
    await tell({ index, findings: ['wrong'], reason: error instanceof Error ? error.message : String(error) })
  }
}
process.exit(0)
