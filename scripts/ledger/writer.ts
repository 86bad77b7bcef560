import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fact, Outcome, Tally } from './history.ts'

interface Answer {
  outcome: Outcome
  isUnserved: boolean
  body: { id?: number | string }
  isReplay: boolean
}
interface Send {
  method: 'POST' | 'PATCH' | 'DELETE'
  path: string
  payload?: object
  key?: string
}

const TIMEOUT_MS = 30_000
const SETTLE_TRIES = 20

/** One client: writes at random about things of its own, one after the other, and keeps a history. */
export class Writer {
  readonly facts: Fact[] = []
  readonly #urls: string[]
  readonly #name: string
  readonly #tally: Tally
  readonly #stores: 'each' | 'both'

  /** @param stores `both`: only what one request makes in both stores. Default: what has its home in one */
  constructor (urls: string[], name: string, tally: Tally, stores: 'each' | 'both' = 'each') {
    this.#stores = stores
    this.#urls = urls
    this.#name = name
    this.#tally = tally
  }

  /** Writes until told to stop. */
  async run (signal: AbortSignal): Promise<void> {
    for (let step = 0; !signal.aborted; step++) {
      await this.#act(step)
      await sleep(Math.random() * 5)
    }
  }

  async #act (step: number): Promise<void> {
    if (this.#stores === 'both') {
      return await this.#create({ kind: 'both', marker: `${this.#name}-${step}@example.com`, values: ['new'] })
    }
    const user = this.#pick('user')
    const post = this.#pick('post')
    const dice = Math.random()
    if (user === undefined || dice < 0.25) {
      return await this.#create({ kind: 'user', marker: `${this.#name}-${step}@example.com`, values: ['new'] })
    }
    if (dice < 0.5) {
      return await this.#create(
        { kind: 'post', marker: `${this.#name}-${step}`, owner: user.marker, values: ['new'] },
        user.id
      )
    }
    if (dice < 0.6) {
      return await this.#create(
        { kind: 'order', marker: `${this.#name}-${step}`, owner: user.marker, values: [] },
        user.id
      )
    }
    if (dice < 0.75) return await this.#change(user, `/users/${user.id}`, 'name', `name ${step}`)
    if (post === undefined) return
    if (dice < 0.88) return await this.#change(post, `/posts/${post.id}`, 'category', `c${step}`)
    if (dice < 0.95) return await this.#delete(post, `/posts/${post.id}`)
    return await this.#delete(user, `/users/${user.id}`)
  }

  /** One of the things that are known to exist. */
  #pick (kind: Fact['kind']): Fact | undefined {
    const known = this.facts.filter((fact) => fact.kind === kind && fact.made === 'acked' && fact.deleted === undefined)
    return known[Math.floor(Math.random() * known.length)]
  }

  async #create (fact: Omit<Fact, 'made'>, owner?: Fact['id']): Promise<void> {
    const { kind, marker } = fact
    const payload = {
      user: { email: marker, name: 'new' },
      post: { title: marker, content: 'Zwölf 🦊', category: 'new', author_id: owner },
      both: { email: marker, name: 'new', post: { title: marker, content: 'Zwölf 🦊', category: 'new' } },
      order: { user_id: owner, items: [{ product: marker, quantity: 2, unit_price: '1.50' }] }
    }[kind]
    const path = kind === 'both' ? '/users/with-post' : `/${kind}s`
    const request: Send = { method: 'POST', path, payload, key: randomUUID() }
    let answer = await this.#send(request)
    // Half of the unanswered ones are asked for again: the key makes that safe.
    if (answer.outcome === 'unknown' && Math.random() < 0.5) answer = await this.#settle(request)
    this.facts.push({ ...fact, made: answer.outcome, ...(answer.body.id !== undefined && { id: answer.body.id }) })
  }

  async #settle (request: Send): Promise<Answer> {
    for (let attempt = 0;; attempt++) {
      await sleep(300)
      const answer = await this.#send(request)
      // Refused now says nothing about the first try, unless it is a refusal of the thing itself.
      if (answer.outcome === 'acked' || attempt === SETTLE_TRIES) {
        this.#tally.settled += answer.outcome === 'acked' ? 1 : 0
        this.#tally.replayed += answer.isReplay ? 1 : 0
        return answer.outcome === 'acked' ? answer : { ...answer, outcome: 'unknown' }
      }
    }
  }

  async #change (fact: Fact, path: string, field: string, value: string): Promise<void> {
    const { outcome } = await this.#send({ method: 'PATCH', path, payload: { [field]: value } })
    if (outcome === 'acked') fact.values = [value]
    if (outcome === 'unknown') fact.values.push(value)
  }

  async #delete (fact: Fact, path: string): Promise<void> {
    const { outcome } = await this.#send({ method: 'DELETE', path })
    if (outcome !== 'refused') fact.deleted = outcome
  }

  async #send ({ method, path, payload, key }: Send): Promise<Answer> {
    const url = `${this.#urls[Math.floor(Math.random() * this.#urls.length)] ?? ''}${path}`
    const headers = {
      ...(payload && { 'content-type': 'application/json' }),
      ...(key !== undefined && { 'idempotency-key': key })
    }
    this.#tally.requests++
    const answer = await fetch(url, {
      method,
      headers,
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...(payload && { body: JSON.stringify(payload) })
    })
      .then(
        read,
        (error: unknown): Answer => ({
          outcome: wasSent(error) ? 'unknown' : 'refused',
          isUnserved: true,
          body: {},
          isReplay: false
        })
      )
    this.#tally[answer.outcome]++
    if (answer.isUnserved) this.#tally.unserved++
    return answer
  }
}

async function read (response: Response): Promise<Answer> {
  const isReplay = response.headers.get('idempotency-replayed') === 'true'
  const text = await response.text().catch(() => undefined)
  // A proxy in front answers for itself in another language.
  const isJson = response.headers.get('content-type')?.includes('json') === true
  const body = (text === undefined || !isJson ? {} : JSON.parse(text)) as { id?: number | string; type?: string }
  const isUnknown = text === undefined || (response.status >= 500 && !isJson) ||
    (response.status === 500 && body.type?.endsWith('#outcome-unknown') === true)
  return {
    outcome: isUnknown ? 'unknown' : response.status < 400 ? 'acked' : 'refused',
    isUnserved: response.status >= 500,
    body,
    isReplay
  }
}

/** A request that met no server was not sent. */
function wasSent (error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return !(cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED')
}
