// A client of this API for any program in TypeScript: typed by the OpenAPI document, and with what its contract asks of
// clients. Copied as it is by `npm run client`; it needs the package openapi-fetch.
import createClient, { type Client } from 'openapi-fetch'
import type { components, paths } from './schema.d.ts'

export type Api = Client<paths>
export type Problem = components['schemas']['Problem']

/** How an operation answers: what openapi-fetch resolves to. */
interface Answer<Data> {
  data?: Data
  response: Response
}

/** A refusal of the service, as RFC 9457 tells it: `problem.type` for programs, `problem.errors` for forms. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError'
  readonly problem: Problem
  /** Seconds to wait before it makes sense to try again. */
  readonly retryAfter: number | undefined

  constructor (problem: Problem, retryAfter?: number) {
    super(`${problem.status} ${problem.title}: ${problem.detail ?? ''}`)
    this.problem = problem
    this.retryAfter = retryAfter
  }
}

/**
 * The operations of the API by method and path; an answer that is no success throws.
 * @param baseUrl such as http://127.0.0.1:3000
 * @throws ProblemError from each operation
 */
export function createApi (baseUrl: string): Api {
  const api = createClient<paths>({ baseUrl })
  api.use({
    async onResponse ({ response }) {
      if (response.ok || response.status === 304) return
      const type = response.headers.get('content-type') ?? ''
      const problem = /^application\/(problem\+)?json/.test(type)
        ? await response.json() as Problem
        // A gateway between client and service has words of its own.
        : { type: 'about:blank', title: response.statusText, status: response.status, detail: '', instance: '' }
      throw new ProblemError(problem, Number(response.headers.get('retry-after') ?? NaN) || undefined)
    }
  })
  return api
}

/**
 * The items of all pages of a list, read as they are asked for.
 * @param read asks for the page that begins at this cursor
 * @example
 * for await (const item of readAll((after) => api.GET('/items', { params: { query: { ...(after && { after }) } } }))) …
 */
export async function* readAll<Item> (
  read: (after: string | undefined) => Promise<Answer<Item[]>>
): AsyncGenerator<Item, void> {
  let after: string | undefined
  do {
    const { data = [], response } = await read(after)
    yield* data
    after = getNext(response)
  } while (after !== undefined)
}

/**
 * Sends a write that must happen once, again until it is answered: the service knows it by its key.
 * @param send the write, with this header
 * @param tries at most
 * @throws ProblemError where the service refuses it; TypeError where it cannot be reached
 */
export async function sendOnce<Data> (
  send: (header: { 'idempotency-key': string }) => Promise<Answer<Data>>,
  tries = 5
): Promise<Data> {
  const key = crypto.randomUUID()
  for (let left = tries - 1;; left--) {
    try {
      return getData(await send({ 'idempotency-key': key }))
    } catch (error) {
      const isPassing = error instanceof ProblemError ? error.problem.status === 503 : error instanceof TypeError
      if (left <= 0 || !isPassing) throw error
      const seconds = error instanceof ProblemError ? error.retryAfter ?? 1 : 1
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    }
  }
}

/**
 * Changes what was read, and only that: where another client was faster (412) it is read and changed again.
 * @param read the resource as it is
 * @param change sends the change of this version, with this header
 */
export async function changeRead<Data> (
  read: () => Promise<Answer<Data>>,
  change: (data: Data, header: { 'if-match': string }) => Promise<Answer<Data>>
): Promise<Data> {
  for (;;) {
    const answer = await read()
    try {
      return getData(await change(getData(answer), { 'if-match': answer.response.headers.get('etag') ?? '*' }))
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.status !== 412) throw error
    }
  }
}

function getData<Data> ({ data, response }: Answer<Data>): Data {
  if (data === undefined) throw new Error(`An answer with the status ${response.status} has no body`)
  return data
}

function getNext (response: Response): string | undefined {
  const [, url] = /<([^>]+)>; rel="next"/.exec(response.headers.get('link') ?? '') ?? []
  return url === undefined ? undefined : new URL(url, 'http://localhost').searchParams.get('after') ?? undefined
}
