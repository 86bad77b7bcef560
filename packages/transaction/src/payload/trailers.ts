import type { FastifyReply } from 'fastify'
import { validateHeader } from './header-values.ts'
import { isThenable } from '../core/is-thenable.ts'

type Done = (error: Error | null, value?: string) => void
type Trailer = (reply: FastifyReply, payload: unknown, done: Done) => unknown
type Trailers = Record<string, Trailer | undefined>

const guarded = new WeakSet<Trailer>()
let knownKey: symbol | undefined

/** Names of the trailers that a reply announces. */
export function trailerNames (reply: FastifyReply): string[] {
  const trailers = getTrailers(reply)
  return trailers === undefined ? [] : Object.keys(trailers).filter((name) => typeof trailers[name] === 'function')
}

/** The trailers of a reply as they are now, for `restoreTrailers`. */
export function copyTrailers (reply: FastifyReply): object | undefined {
  const trailers = getTrailers(reply)
  return trailers === undefined ? undefined : { ...trailers }
}

/** Puts the trailers of a reply back to a copy; undefined takes all of them off. */
export function restoreTrailers (reply: FastifyReply, copy?: object): void {
  const trailers = getTrailers(reply)
  if (trailers === undefined) return
  for (const name of Object.keys(trailers)) reply.removeTrailer(name)
  Object.assign(trailers, copy)
}

/**
 * Makes the functions given to `reply.trailer()` safe: the reply is on its way when Fastify calls them, and one that
 * throws, rejects or gives what Node refuses would end the process. Such a trailer is logged and left out.
 */
export function guardTrailers (reply: FastifyReply): void {
  const trailers = getTrailers(reply)
  if (trailers === undefined) return
  for (const name of trailerNames(reply)) {
    const trailer = trailers[name]
    if (trailer === undefined || guarded.has(trailer)) continue
    trailers[name] = guard(name, trailer)
  }
}

function guard (name: string, trailer: Trailer): Trailer {
  function guardedTrailer (reply: FastifyReply, payload: unknown, done: Done): void {
    const fail = (error: unknown) => {
      reply.log.error({ err: error, trailer: name }, 'a trailer failed and was left out')
      done(new Error('left out', { cause: error }))
    }
    const finish = (value: unknown) => {
      try {
        done(null, validateHeader(name, value, reply.request.raw.httpVersionMajor))
      } catch (error) {
        fail(error)
      }
    }
    try {
      const result = trailer(reply, payload, (error, value) => {
        if (error) fail(error)
        else finish(value)
      })
      if (isThenable(result)) result.then(finish, fail)
    } catch (error) {
      fail(error)
    }
  }
  guarded.add(guardedTrailer)
  return guardedTrailer
}

/** Fastify keeps the functions on the reply, under a symbol of its own; there is no public way to read them. */
function getTrailers (reply: FastifyReply): Trailers | undefined {
  if (knownKey === undefined || !(knownKey in reply)) {
    knownKey = Object.getOwnPropertySymbols(reply).find(({ description }) => description === 'fastify.reply.trailers')
  }
  const trailers: unknown = knownKey === undefined ? undefined : Reflect.get(reply, knownKey)
  return typeof trailers === 'object' && trailers !== null ? trailers as Trailers : undefined
}
