import type { Told } from './client.ts'
import { CODES, type Code } from './scenario.ts'
import type { Witness } from './fixture.ts'

/** What one scenario did with one subject. */
export interface Verdict {
  /** What was wrong, in the order of the table; empty: nothing. */
  codes: Code[]
  /** What the clients were told and what is stored, in words. */
  detail: string
  /** The app did not start, and says why, where that is right. Default false. */
  isRefused?: boolean
}

/** All that was seen. */
export interface Evidence {
  told: Told[]
  /** Ids that are stored in the end. */
  stored: number[]
  witness: Witness
  /** Found while the scenario ran and while it settled. */
  noted: Set<Code>
}

/** Compares what clients were told with what is stored. */
export function judge ({ told, stored, witness, noted }: Evidence): Verdict {
  const codes = new Set(noted)
  for (const answer of told) for (const code of judgeAnswer(answer, new Set(stored))) codes.add(code)
  if (!codes.has('LIE') && isBeforeCommit(told, witness)) codes.add('O')
  // A crash, a lie or a leak says more than the status that came with it.
  if (codes.size > 1) codes.delete('E')
  const words = told.map(({ status, milliseconds }) => `${status} after ${Math.round(milliseconds)} ms`)
  return {
    codes: (Object.keys(CODES) as Code[]).filter((code) => codes.has(code)),
    detail: `told ${words.join(', ') || 'nothing'}; stored ${stored.join() || 'nothing'}`
  }
}

function* judgeAnswer (
  { status, text, headers = {}, milliseconds, expected }: Told,
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

/** The n-th success must not leave before the n-th COMMIT is answered, if that one ever is: a subject may commit without saying COMMIT. */
function isBeforeCommit (told: Told[], { firstBytes, commits: all }: Witness): boolean {
  if (told.some(({ status, expected }) => status !== 'none' && status < 400 && (expected.writes ?? []).length === 0)) {
    return false
  }
  const successes = firstBytes.filter(({ head }) => Number(head) < 400)
  return successes.some(({ commits }, at) => commits <= at && all > at) &&
    told.some(({ expected }) => (expected.writes ?? []).length > 0)
}
