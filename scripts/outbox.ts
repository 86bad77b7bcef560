// `npm run outbox`: what waits on its way to the other store, what was parked, and what to do about it.
import type { App } from '../app.ts'
import { runCommand } from './command.ts'

const USAGE = [
  'npm run outbox -- stats              how many events wait and are parked, by topic',
  'npm run outbox -- list               parked events with the error of their last try',
  'npm run outbox -- replay all|<id>…   have parked events tried again, by the running service',
  'npm run outbox -- discard <id>…      delete parked events for good'
]

await runCommand(async ({ outbox: { store } }: App, [verb = 'stats', ...ids]) => {
  if (verb === 'stats' && ids.length === 0) {
    const topics = await store.measure()
    if (topics.length === 0) console.log('The outbox is empty.')
    for (const { topic, waiting, parked, oldestMs } of topics) {
      console.log(`${topic}: ${waiting} waiting, the oldest for ${Math.round(oldestMs)} ms; ${parked} parked`)
    }
    return true
  }
  if (verb === 'list' && ids.length === 0) {
    const events = await store.parked()
    if (events.length === 0) console.log('No event is parked.')
    for (const { id, topic, key, attempts, parkedAt, lastError } of events) {
      console.log(`${id} ${topic}/${key}, parked ${parkedAt.toISOString()} after ${attempts} tries: ${lastError}`)
    }
    return true
  }
  const isAll = ids.length === 1 && ids[0] === 'all'
  if (verb === 'replay' && (isAll || areIds(ids))) {
    report('replayed', await store.replay(isAll ? 'all' : ids), isAll ? undefined : ids)
    return true
  }
  if (verb === 'discard' && areIds(ids)) {
    report('discarded', await store.discard(ids), ids)
    return true
  }
  return false
}, USAGE)

function areIds (ids: string[]): boolean {
  return ids.length > 0 && ids.every((id) => /^[1-9]\d{0,17}$/.test(id))
}

function report (what: string, done: string[], asked: string[] | undefined): void {
  console.log(done.length === 0 ? 'No such event is parked.' : `${what}: ${done.join(' ')}`)
  const missing = asked?.filter((id) => !done.includes(id)) ?? []
  if (missing.length > 0 && done.length > 0) console.log(`not parked: ${missing.join(' ')}`)
  if (missing.length > 0) process.exitCode = 1
}
