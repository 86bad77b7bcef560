// Plays scenarios with one subject; started by worker-process.ts, so that what crashes or hangs is this process.
import pg from 'pg'
import { scenarios } from './list/index.ts'
import { play } from './play.ts'
import { loadSubject, type Subject } from './system.ts'
import type { Question, Reply } from './worker-process.ts'

const [file = '', databaseUrl = ''] = process.argv.slice(2)

function answer (reply: Reply): void {
  process.send?.(reply)
}

function messageOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

async function work (subject: Subject, admin: pg.Pool, { at }: Question): Promise<void> {
  const scenario = scenarios[at]
  if (scenario === undefined) throw new RangeError(`there is no scenario ${at}`)
  answer({ verdict: await play(subject, scenario, admin, databaseUrl) })
}

const subject = await loadSubject(file).catch((error: unknown) => {
  answer({ refused: messageOf(error) })
})
if (subject === undefined) process.disconnect()
else {
  const admin = new pg.Pool({ connectionString: databaseUrl, application_name: 'scenarios', max: 3 })
  process.on('disconnect', () => {
    process.exit()
  })
  process.on('message', (question: Question) => {
    // What the scenarios' own code throws is no crash of the subject.
    work(subject, admin, question).catch((error: unknown) => {
      answer({ refused: `${subject.name}, ${scenarios[question.at]?.name}: ${messageOf(error)}` })
    })
  })
  answer({ name: subject.name })
}
