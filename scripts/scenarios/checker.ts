import type { Reported } from './client.ts'
import { CODES, type Code } from './scenario.ts'
import type { Recorder } from './fixture.ts'

/** What one scenario did with one system. */
export interface Verdict {
  /** What was wrong, in the order of the table; empty: nothing. */
  codes: Code[]
  /** What the clients were told and what is stored, in words. */
  detail: string
  /** The app did not start, and says why, where that is right. Default false. */
  isRefused?: boolean
  /** The scenario was not played: the system does not say how it writes in both stores, or there is no MongoDB. Default false. */
  isLeftOut?: boolean
}

/** All that was seen. */
export interface Evidence {
  reported: Reported[]
  /** Ids of rows and documents that are stored in the end. */
  stored: number[]
  recorder: Recorder
  /** Found while the scenario ran and while it settled. */
  noted: Set<Code>
}

/** Compares what clients were told with what is stored. */
export function check ({ reported, stored, recorder, noted }: Evidence): Verdict {
  const codes = new Set(noted)
  for (const answer of reported) for (const code of checkAnswer(answer, new Set(stored))) codes.add(code)
  if (!codes.has('LIE') && isBeforeCommit(reported, recorder)) codes.add('O')
  // A crash, a lie or a leak says more than the status that came with it.
  if (codes.size > 1) codes.delete('E')
  const words = reported.map(({ status, milliseconds }) => `${status} after ${Math.round(milliseconds)} ms`)
  return {
    codes: (Object.keys(CODES) as Code[]).filter((code) => codes.has(code)),
    detail: `reported ${words.join(', ') || 'nothing'}; stored ${stored.join() || 'nothing'}`
  }
}

function* checkAnswer (
  { status, text, headers = {}, milliseconds, expected }: Reported,
  stored: Set<number>
): Generator<Code> {
  const { writes = [], late = [], answers, mayStore = false, without = [], within = 5000 } = expected
  const isSuccess = status !== 'none' && status < 400
  if (isSuccess && !writes.every((id) => stored.has(id))) yield 'LIE'
  if (!isSuccess && !(mayStore && status === 'none') && writes.some((id) => stored.has(id))) yield 'P'
  if (late.some((id) => stored.has(id))) yield 'LATE'
  if (milliseconds > within) yield 'S'
  if (answers !== undefined && !answers.includes(status)) yield 'E'
  if (expected.text !== undefined && isSuccess && !text.includes(expected.text)) yield 'E'
  if (!isSuccess && without.some((name) => headers[name] !== undefined)) yield 'E'
}

/**
 * The n-th success must not leave before the n-th COMMIT is answered, if that one ever is: a system may commit without
 * saying COMMIT.
 */
function isBeforeCommit (reported: Reported[], { firstBytes, commits: all }: Recorder): boolean {
  if (
    reported.some(({ status, expected }) => status !== 'none' && status < 400 && (expected.writes ?? []).length === 0)
  ) {
    return false
  }
  const successes = firstBytes.filter(({ head }) => Number(head) < 400)
  return successes.some(({ commits }, at) => commits <= at && all > at) &&
    reported.some(({ expected }) => (expected.writes ?? []).length > 0)
}
