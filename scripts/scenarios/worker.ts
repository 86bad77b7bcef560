// Plays scenarios with one system; started by worker-process.ts, so that what crashes or hangs is this process.
import pg from 'pg'
import { scenarios } from './list/index.ts'
import { play } from './play.ts'
import { loadSystem, type System } from './system.ts'
import type { Question, Reply } from './worker-process.ts'

const [file = '', databaseUrl = '', mongodbUrl = ''] = process.argv.slice(2)

function answer (reply: Reply): void {
  process.send?.(reply)
}

function getMessage (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function work (system: System, admin: pg.Pool, { at }: Question): Promise<void> {
  const scenario = scenarios[at]
  if (scenario === undefined) throw new RangeError(`there is no scenario ${at}`)
  answer({ verdict: await play(system, scenario, { admin, databaseUrl, mongodbUrl }) })
}

const system = await loadSystem(file).catch((error: unknown) => {
  answer({ refused: getMessage(error) })
})
if (system === undefined) process.disconnect()
else {
  const admin = new pg.Pool({ connectionString: databaseUrl, application_name: 'scenarios', max: 3 })
  process.on('disconnect', () => {
    process.exit()
  })
  process.on('message', (question: Question) => {
    // What the scenarios' own code throws is no crash of the system.
    work(system, admin, question).catch((error: unknown) => {
      answer({ refused: `${system.name}, ${scenarios[question.at]?.name}: ${getMessage(error)}` })
    })
  })
  answer({ name: system.name })
}
