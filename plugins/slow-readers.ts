import type { ServerResponse } from 'node:http'
import createError from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { onSocketClose } from './common/on-socket-close.ts'
import { getQueryNames } from './common/query-names.ts'
import { runFirst } from './common/route-hooks.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Answers that their clients have not taken yet: how many, and their size. */
    answersInFlight: AnswersInFlight
  }
}

/** What a socket takes at once whatever its reader does; less is not looked at. */
const SMALL = 16_384
const LOOK_EVERY_MS = 1000
const WARN_AT_MOST_EVERY_MS = 10_000

const CrowdedError = createError('ANSWERS_IN_FLIGHT', 'Too many answers wait to be taken.', 503)

/**
 * Answers wait in memory until their clients take them. A client has SEND_TIMEOUT_MS for it, then its connection is
 * cut; and while more than ANSWERS_IN_FLIGHT_MB wait, lists are refused with 503.
 */
export default fp(async function slowReaders (app) {
  const { SEND_TIMEOUT_MS, ANSWERS_IN_FLIGHT_MB } = app.config
  const answers = new AnswersInFlight()
  app.decorate('answersInFlight', answers)
  app.addHook('onRoute', function boundLists (route) {
    if (!getQueryNames(route).includes('limit')) return
    runFirst(route, refuseWhileCrowded)
  })
  app.addHook('onSend', function watchAnswer (_request, reply, payload, done) {
    const length = typeof payload === 'string' || Buffer.isBuffer(payload) ? payload.length : 0
    if (length > SMALL) answers.add(reply.raw, length)
    done(null, payload)
  })
  if (SEND_TIMEOUT_MS === 0) return
  let warnedAt = -Infinity
  const timer = setInterval(function cutOff () {
    const now = performance.now()
    if (!answers.cutOff(now - SEND_TIMEOUT_MS) || now - warnedAt < WARN_AT_MOST_EVERY_MS) return
    warnedAt = now
    app.log.warn({ milliseconds: SEND_TIMEOUT_MS }, 'an answer was not taken in time; its connection is cut')
  }, LOOK_EVERY_MS).unref()
  app.addHook('onClose', async function stopLooking () {
    clearInterval(timer)
  })

  function refuseWhileCrowded (_request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
    done(answers.size > ANSWERS_IN_FLIGHT_MB * 1_048_576 ? new CrowdedError() : undefined)
  }
}, { name: 'slow-readers', dependencies: ['config', 'errors'], fastify: '5.x' })

class AnswersInFlight {
  /** In the order in which they began. */
  readonly #answers = new Map<ServerResponse, number>()
  /** Characters or bytes of all of them. */
  size = 0

  get count (): number {
    return this.#answers.size
  }

  add (raw: ServerResponse, length: number): void {
    const { socket } = raw.req
    if (this.#answers.has(raw) || socket.destroyed) return
    const end = (): void => {
      forget()
      if (this.#answers.delete(raw)) this.size -= length
    }
    const forget = onSocketClose(socket, end)
    raw.once('close', end)
    this.#answers.set(raw, performance.now())
    this.size += length
  }

  /**
   * Cuts the connections of answers that began before a moment.
   * @returns whether there were any
   */
  cutOff (before: number): boolean {
    let hasCut = false
    for (const [raw, since] of this.#answers) {
      if (since >= before) break
      raw.req.socket.destroy()
      hasCut = true
    }
    return hasCut
  }
}
