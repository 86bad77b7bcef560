import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import type { Answer } from './client.ts'
import { insert } from './test-app.ts'
import type { Expectation, Trial } from './trial.ts'

const CONFLICT = "do $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$"
const LONG = 'a'.repeat(2000)

/** Routes of the checks that every plugin has to pass. */
export function addCommonRoutes (app: FastifyInstance): void {
  app.post('/common/write', async (request, reply) => {
    await insert(request, 1)
    reply.code(201).header('location', '/items/1')
    return { text: LONG }
  })
  app.post('/common/refuse', async (request, reply) => {
    await insert(request, 2)
    reply.code(409)
    return { text: LONG }
  })
  app.post('/common/throw', async (request) => {
    await insert(request, 3)
    throw new Error('no')
  })
  app.post('/common/commit-fails', async (request, reply) => {
    await insert(request, 4)
    await request.transaction.query('insert into child values (1, 99)')
    reply.code(201).header('location', '/items/4')
    return { text: LONG }
  })
  app.post('/common/stream', async (request, reply) => {
    await insert(request, 5)
    reply.type('text/plain')
    return Readable.from(['one ', 'two'])
  })
  app.post('/common/conflict', { config: { transaction: { retries: 2 } } }, async (request) => {
    await insert(request, 6)
    if (request.transaction.attempt === 1) await request.transaction.query(CONFLICT)
    return { attempt: request.transaction.attempt }
  })
}

/** The checks that every plugin has to pass, with the body that its trial asks for. */
export function commonChecks ({ body, headers }: Trial): Expectation[] {
  const own = { ...(body !== undefined && { body }), ...(headers && { headers }) }
  return [
    { ...own, name: 'write', path: '/common/write', status: 201, stored: [1], also: textMatches(/aaa/) },
    { ...own, name: '409', path: '/common/refuse', status: 409 },
    { ...own, name: 'throw', path: '/common/throw', status: 500 },
    { ...own, name: 'COMMIT fails', path: '/common/commit-fails', status: 500, also: hasNoLocation },
    { ...own, name: 'stream', path: '/common/stream', status: 200, stored: [5], also: textMatches(/^one two$/) },
    // Answered by the second run.
    { ...own, name: 'conflict', path: '/common/conflict', status: 200, stored: [6], also: textMatches(/2/) }
  ]
}

/** Checks that the body, once decoded, has a text. */
function textMatches (pattern: RegExp): NonNullable<Expectation['also']> {
  return ({ text }) => {
    assert.match(text, pattern)
  }
}

/** An error must not say where the row is that was taken back. */
function hasNoLocation ({ headers }: Answer): void {
  if (headers.location !== undefined) throw new Error('the 500 carries the location of the reply that was taken back')
}
