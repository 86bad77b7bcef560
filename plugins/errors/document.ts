import type { Problem } from '../../schemas/problem.ts'
import { CATALOG, typeOfStatus, type ProblemType } from './catalog.ts'

const MEDIA_TYPE = 'application/problem+json'
const INSTANCE = 'b9a7d3c0-51f2-4c0e-9a35-0f6c5a1d2e77'
const TYPES: Record<number, ProblemType> = { 400: 'invalid-request' }
const PARTS: Record<number, Partial<Problem>> = {
  400: {
    detail: 'The query of the request has 1 error',
    errors: [{ pointer: '/limt', detail: 'is not a known parameter', in: 'query' }]
  }
}

/**
 * Gives each problem answer an example of its own status, which tools would otherwise put together from the examples of
 * the fields.
 * @param response schemas of an operation's answers, by status; is not changed
 */
export function addExamples (response: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(response).map((
      [status, answer]
    ) => [status, isProblem(answer) ? withExample(answer, status) : answer])
  )
}

interface ProblemAnswer {
  content: { [MEDIA_TYPE]: object }
}

function isProblem (answer: unknown): answer is ProblemAnswer {
  const { content } = (answer ?? {}) as { content?: object }
  return content !== undefined && MEDIA_TYPE in content
}

function withExample (answer: ProblemAnswer, key: string): object {
  const status = Number(key)
  const type = TYPES[status] ?? typeOfStatus(status)
  const { title, detail } = CATALOG[type]
  const example = { type: `/docs/problems#${type}`, title, status, detail, instance: INSTANCE, ...PARTS[status] }
  return { ...answer, content: { [MEDIA_TYPE]: { ...answer.content[MEDIA_TYPE], example } } }
}
