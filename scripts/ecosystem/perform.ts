import { commonChecks } from './common.ts'
import type { Check, Expectation, Result, TestApp, Trial } from './trial.ts'

/**
 * Performs all checks of a trial, one after the other.
 * @param complaints errors that nobody in the process has caught
 */
export async function perform (trial: Trial, app: TestApp, complaints: string[]): Promise<Result[]> {
  const results: Result[] = []
  for (const check of [...commonChecks(trial), ...trial.checks ?? []]) results.push(await one(check, app, complaints))
  const detail = await app.close()
  results.push({ name: 'close', isRight: detail === '', detail })
  return results
}

async function one (check: Check, app: TestApp, complaints: string[]): Promise<Result> {
  await app.clean()
  const wrong: string[] = []
  try {
    if ('play' in check) await check.play(app)
    else wrong.push(...await expected(check, app))
  } catch (error) {
    wrong.push(oneLine(error))
  }
  const held = await app.held()
  if (held !== '') wrong.push(held)
  wrong.push(...complaints.splice(0))
  return { name: check.name, isRight: wrong.length === 0, detail: wrong.join('; ') }
}

async function expected (expectation: Expectation, app: TestApp): Promise<string[]> {
  const { status, stored = [], also } = expectation
  const answer = await app.send(expectation)
  // What a reply has not stored when it arrives, it must not store later either.
  await app.held()
  const found = await app.stored()
  const wrong: string[] = []
  if (answer.status !== status) wrong.push(`${answer.status} instead of ${status}: ${answer.text.slice(0, 160)}`)
  if (found.join() !== stored.join()) wrong.push(`${answer.status}, stored ${list(found)} instead of ${list(stored)}`)
  if (wrong.length === 0) await also?.(answer, app)
  return wrong
}

function list (ids: number[]): string {
  return ids.join() || 'nothing'
}

/** What was thrown, in one line. */
export function oneLine (error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ').slice(0, 240)
}
