import createError from '@fastify/error'
import type { FastifyError, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { constraintProblems } from '../../drizzle/constraints.ts'
import { describeRepair } from '../../drizzle/generated-keys.ts'
import { indexProblems } from '../mongo/collections/index.ts'
import { toLeftOut } from '../mongo/json/page-reader.ts'
import { StrangeDocumentError } from '../mongo/json/strange.ts'
import { noteDatabaseError } from 'fastify-transaction'
import { getCauses } from '../common/causes.ts'
import { CATALOG } from './catalog.ts'
import { findKeyFault } from './fields.ts'
import { answerExpectation } from './client-error.ts'
import { answerLateBody } from './late-body.ts'
import { assert, HttpProblem, type ProblemExtras } from './http-problem.ts'
import { toProblem, type ProblemReply } from './problem.ts'
import { REQUEST_ID_HEADER } from './request-id.ts'
import { collectRoutes, type Routes } from './routes.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Throws a problem unless a value is there.
     * @example app.assert(user, 404, 'User not found')
     */
    assert: typeof assert
    /**
     * Makes an error that becomes the answer when it is thrown.
     * @param status status of the answer
     * @param detail sentence for the client; shown below 500 only
     * @param extras type of the problem, and the fields it is about
     */
    createProblem: (status: number, detail: string, extras?: ProblemExtras) => Error
  }
}

const HostError = createError('HOST_HEADER', 'A request of HTTP/1.1 carries one Host header.', 400)

const constraints = { ...constraintProblems, ...indexProblems }

/**
 * Answers everything that is refused or fails with a problem body; sends the id of each request back. Brings
 * `app.assert` and `app.createProblem`, whose sentences clients may see.
 */
export default fp(async function errors (app) {
  app.decorate('assert', assert)
  app.decorate('createProblem', (status, detail, extras) => new HttpProblem(status, detail, extras))
  app.removeContentTypeParser('text/plain') // a text is never what an operation takes, so it is 415 and not 400
  const routes = collectRoutes(app)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header(REQUEST_ID_HEADER, request.id)
    if (hasOneHost(request)) return done()
    // What sends this is no client of HTTP/1.1: nothing that follows on its connection is believed (RFC 9112, 3.2).
    reply.header('connection', 'close')
    done(new HostError())
  })
  app.server.on('checkExpectation', answerExpectation.bind(app))
  app.addHook('onRoute', function refuseTakenPaths (route) {
    if (!/[:*]/.test(route.url)) return
    const isTaken = routes.createCheck(route.url)
    const refuse: onRequestHookHandler = (request, reply, done) => {
      if (!isTaken(request.method, request.url)) return done()
      answerUnrouted(routes, request, reply)
    }
    route.onRequest = [refuse, ...[route.onRequest ?? []].flat()]
  })
  // Before the body is read: what is wrong with it does not matter where nothing takes it.
  app.addHook('preParsing', function refuseUnrouted (request, reply, _payload, done) {
    if (!request.is404) return done()
    answerUnrouted(routes, request, reply)
  })
  app.setErrorHandler(answerError)
  app.setNotFoundHandler((request, reply) => answerUnrouted(routes, request, reply))
}, { name: 'errors', dependencies: ['config', 'schemas'], fastify: '5.x' })

/**
 * Answers an error with its problem body and logs it: faults of ours as errors, refusals of a database as warnings.
 * Also given to Fastify as `frameworkErrors`, for requests that never reach a route.
 */
export function answerError (refusal: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  // What is refused before the hooks run is counted here: a URL that cannot be read, a parameter that is too long.
  const error = request.server.rateLimit?.countRequest(request, reply) ?? refusal
  noteErrorOfDouble(error, request)
  const mapped = toProblem(error, request, constraints)
  const problem = mapped.body.status >= 500 && hasCommitted(request) ? afterCommit(mapped) : mapped
  const { status } = problem.body
  if (error instanceof StrangeDocumentError) {
    request.server.reportLeftOut([toLeftOut(error.collection, error)], request.log)
    return sendProblem(reply.header(REQUEST_ID_HEADER, request.id), problem)
  }
  const key = status === 500 ? findKeyFault(error) : undefined
  if (key !== undefined) request.log.error({ err: error, ...key }, describeRepair(key, key.isSpent))
  else if (status === 500) request.log.error({ err: error }, 'request failed')
  else if (status > 500) request.log.warn({ err: error }, 'request not answered')
  else request.log.debug({ err: error }, 'request refused')
  reply.header(REQUEST_ID_HEADER, request.id)
  return sendProblem(reply, problem)
}

/** Answers what no route is for: 405 where the path has other methods, otherwise 404. */
function answerUnrouted (routes: Routes, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const allowed = routes.getMethods(request.url)
  // A route that found nothing itself (a file, for example) is on the list with this very method.
  const isWrongMethod = allowed.length > 0 && !allowed.includes(request.method)
  const type = isWrongMethod ? 'method-not-allowed' : 'not-found'
  const status = isWrongMethod ? 405 : 404
  if (isWrongMethod) reply.header('allow', allowed.join(', '))
  const { title, detail } = CATALOG[type]
  const body = { type: `/docs/problems#${type}`, title, status, detail, instance: request.id }
  return sendProblem(reply, { body })
}

/** A test's double has no connection at which its errors could be noted: there each error may be a database's. */
function noteErrorOfDouble (error: unknown, { server }: FastifyRequest): void {
  if (server.hasDecorator('doubles') && Object.values(server.doubles).some(Boolean)) {
    getCauses(error).forEach(noteDatabaseError)
  }
}

/** True where a handler has called commit(): what fails behind it cannot take the work back. */
function hasCommitted (request: FastifyRequest): boolean {
  try {
    return request.transaction.hasCommitted
  } catch {
    return false // a route without a transaction
  }
}

/** The details of 5xx types say that nothing was stored, or ask to try again; neither is true here. */
function afterCommit ({ body }: ProblemReply): ProblemReply {
  if (body.type.endsWith('#outcome-unknown')) return { body }
  return {
    body: { ...body, ...CATALOG['failed-after-commit'], type: '/docs/problems#failed-after-commit', status: 500 }
  }
}

// Node keeps the first of several, and a proxy in front may have gone by another. HTTP/1.0 knows none.
function hasOneHost ({ headers, raw: { rawHeaders, httpVersion } }: FastifyRequest): boolean {
  if (headers.host === undefined) return httpVersion !== '1.1'
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]
    if (name?.length === 4 && name.toLowerCase() === 'host') count++
  }
  return count === 1
}

function sendProblem (reply: FastifyReply, { body, retryAfter }: ProblemReply): FastifyReply {
  if (retryAfter !== undefined) reply.header('retry-after', retryAfter)
  reply.code(body.status).type('application/problem+json').header('cache-control', 'no-store')
  if (body.status === 413 && !reply.request.raw.complete) {
    const text = JSON.stringify(body)
    return reply.header('content-length', Buffer.byteLength(text)).send(answerLateBody(reply.request.raw, text))
  }
  return reply.serializer(JSON.stringify).send(body)
}
