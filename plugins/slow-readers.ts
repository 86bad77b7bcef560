import type { ServerResponse } from 'node:http'
import createError from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { onSocketClose } from './common/on-socket-close.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers that their clients have not taken yet: how many, and their bytes. */
    answersInFlight: () => { count: number; bytes: number }
  }
}

interface Answer {
  bytes: number
  since: number
}

/** What a socket takes at once whatever its reader does; less is not looked at. */
const SMALL = 16_384
const LOOK_EVERY_MS = 1000
const WARN_AT_MOST_EVERY_MS = 10_000

const CrowdedError = createError('ANSWERS_IN_FLIGHT', 'Too many answers wait to be taken.', 503)

/**
 * Answers wait in memory until their clients take them. A client has SEND_TIMEOUT_MS for it, then its connection is cut; and while
 * more than ANSWERS_IN_FLIGHT_MB wait, lists are refused with 503.
 */
export default fp(async function slowReaders (app) {
  const { SEND_TIMEOUT_MS, ANSWERS_IN_FLIGHT_MB } = app.config
  const answers = new Map<ServerResponse, Answer>()
  let bytes = 0
  let warnedAt = -Infinity
  app.decorate('answersInFlight', () => ({ count: answers.size, bytes }))
  app.addHook('onRoute', function boundLists (route) {
    const { properties = {} } = (route.schema?.querystring ?? {}) as { properties?: object }
    if ('limit' in properties) route.preHandler = [refuseWhileCrowded, ...[route.preHandler ?? []].flat()]
  })
  app.addHook('onSend', function watchAnswer (_request, reply, payload, done) {
    const length = typeof payload === 'string' ? payload.length : Buffer.isBuffer(payload) ? payload.length : 0
    if (length > SMALL) watch(reply.raw, length)
    done(null, payload)
  })
  const timer = setInterval(cutOff, LOOK_EVERY_MS).unref()
  app.addHook('onClose', async function stopLooking () {
    clearInterval(timer)
  })

  function watch (raw: ServerResponse, length: number): void {
    if (answers.has(raw) || raw.req.socket.destroyed) return
    answers.set(raw, { bytes: length, since: performance.now() })
    bytes += length
    const forget = onSocketClose(raw.req.socket, end)
    raw.once('close', end)
    function end (): void {
      forget()
      if (answers.delete(raw)) bytes -= length
    }
  }

  function cutOff (): void {
    if (SEND_TIMEOUT_MS === 0) return
    const now = performance.now()
    for (const [raw, { since }] of answers) {
      if (now - since < SEND_TIMEOUT_MS) return // they stand in the order in which they began
      raw.destroy()
      raw.req.socket.destroy()
      if (now - warnedAt < WARN_AT_MOST_EVERY_MS) continue
      warnedAt = now
      app.log.warn({ milliseconds: SEND_TIMEOUT_MS }, 'an answer was not taken in time; its connection is cut')
    }
  }

  function refuseWhileCrowded (_request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    done(bytes > ANSWERS_IN_FLIGHT_MB * 1_048_576 ? new CrowdedError() : undefined)
  }
}, { name: 'slow-readers', dependencies: ['config', 'errors'], fastify: '5.x' })
