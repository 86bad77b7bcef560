import { setTimeout as sleep } from 'node:timers/promises'
import { mongoPosts, mongoUsers, sameShelves, sqlPosts, sqlUsers, type Stores } from './audit.ts'
import type { Fact, Tally } from './history.ts'
import type { Running } from './services.ts'
import { Writer } from './writer.ts'

const WRITERS = 4
const PATIENCE_MS = 60_000

/**
 * Lets clients write until they are told to end.
 * @param prefix begins the markers of what they make
 * @param stores `both`: only what one request makes in both stores
 * @returns `end` resolves to their history
 */
export function begin (
  { urls }: Running,
  prefix: string,
  tally: Tally,
  stores: 'each' | 'both' = 'each'
): { end: () => Promise<Fact[]> } {
  const stop = new AbortController()
  const writers = Array.from({ length: WRITERS }, (_, at) => new Writer(urls, `${prefix}${at}`, tally, stores))
  const written = Promise.all(writers.map((writer) => writer.run(stop.signal)))
  return {
    async end () {
      stop.abort()
      await written
      return writers.flatMap(({ facts }) => facts)
    }
  }
}

/** Posts that were acknowledged, were not deleted, and whose author was not: their home has forgotten nothing. */
export async function findLostPosts (stores: Stores, prefix: string, facts: Fact[]): Promise<Fact[]> {
  const there = await mongoPosts(stores, prefix)
  const dead = new Set(
    facts.filter(({ kind, deleted }) => kind === 'user' && deleted !== undefined).map(({ marker }) => marker)
  )
  return facts.filter(({ kind, made, deleted, owner = '', marker }) =>
    kind === 'post' && made === 'acked' && deleted === undefined && !dead.has(owner) && !there.has(marker)
  )
}

/** The same of users, where MongoDB went back. */
export async function findLostUsers (stores: Stores, prefix: string, facts: Fact[]): Promise<Fact[]> {
  const there = await sqlUsers(stores, prefix)
  return facts.filter(({ kind, made, deleted, marker }) =>
    kind === 'user' && made === 'acked' && deleted === undefined && !there.has(marker)
  )
}

/** Waits until each copy is as its original; false where that takes too long. */
export async function becomeEqual (stores: Stores, prefix: string): Promise<boolean> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100)) {
    const isEqual = sameShelves(await sqlUsers(stores, prefix), await mongoUsers(stores, prefix)) &&
      sameShelves(await sqlPosts(stores, prefix), await mongoPosts(stores, prefix))
    if (isEqual) return true
  }
  return false
}

/** Tokens of writes that come after the backup. @throws where no write got one: nothing would be tried */
export async function askTokens ({ urls: [url = ''] }: Running, prefix: string): Promise<string[]> {
  const tokens: string[] = []
  for (let n = 0; n < 10; n++) {
    const response = await fetch(`${url}/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=5' },
      body: JSON.stringify({ name: 'token', email: `token${n}@${prefix}.example.com` })
    })
    const token = response.headers.get('consistency-token')
    await response.body?.cancel()
    if (token !== null) tokens.push(token)
  }
  if (tokens.length === 0) throw new Error('No write got a Consistency-Token: is the service ready?')
  return tokens
}

/** How many of these tokens a read is told to show. */
export async function countConfirmed ({ urls: [url = ''] }: Running, tokens: string[]): Promise<number> {
  let confirmed = 0
  for (const token of tokens) {
    const response = await fetch(`${url}/users/summary?limit=1`, {
      headers: { 'consistency-token': token, prefer: 'wait=0' }
    })
    await response.body?.cancel()
    if (response.headers.has('consistency-token')) confirmed++
  }
  return confirmed
}
