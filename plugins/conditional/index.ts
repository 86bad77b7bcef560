import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { toJsonText } from '../common/json-text.ts'
import { runFirst } from '../common/route-hooks.ts'
import { TextItem } from '../mongo/json/item-reader.ts'
import { describeConditions } from './document.ts'
import type { Precondition } from '../repositories/expected-version.ts'
import { getHash, getVersion, parseTags, toTag, type EntityTag } from './etag.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Whether the route takes conditional requests (RFC 9110, 13): `If-None-Match` on GET, `If-Match` and
     * `If-None-Match` on PUT, PATCH and DELETE, whose handler must hand `request.precondition` to its repository;
     * `'required'` answers 428 to a write without `If-Match`. Default: false.
     * @example { method: 'PUT', url: '/:id', config: { conditional: true }, … }
     */
    conditional?: boolean | 'required'
  }
  interface FastifyRequest {
    /**
     * What the request expects of the resource that it changes; undefined on routes that take no conditions, and on
     * reads.
     */
    precondition: Precondition | undefined
  }
  interface FastifyInstance {
    /**
     * Why a conditional write has changed nothing, as an error that becomes the answer: 404, or 412 where the resource
     * is there.
     * @param found the resource as it is now, or null
     * @param name of the resource, the first word of the sentence
     */
    createMissProblem: (found: unknown, name: string) => Error
  }
  interface FastifyReply {
    /**
     * Sets the strong `ETag` of the resource that is answered, and goes on with it.
     * @param resource what the handler returns, or its text; its `version` changes whenever it does, and is not sent
     * @example return reply.withTag(await users.getById(id))
     */
    withTag: <Resource extends { version: number }>(resource: Resource | TextItem<Resource>) => Resource
  }
}

const NONE: Precondition = Object.freeze({})
const READS: HTTPMethods[] = ['GET', 'HEAD']

/**
 * Conditional requests. Tags are strong, and made of the version of a row or document and of the schemas that answers
 * are written by, so that a deploy that changes an answer changes its tag. Dates (`If-Modified-Since`) and ranges are
 * not looked at: seconds are too coarse to tell two writes apart.
 */
export default fp(async function conditional (app) {
  let format = ''
  app.addHook('onReady', async function hashSchemas () {
    format = getHash(JSON.stringify(app.getSchemas())).slice(0, 8)
  })
  app.decorateRequest('precondition')
  app.decorate('createMissProblem', (found, name) =>
    found === null
      ? app.createProblem(404, `${name} not found`)
      : app.createProblem(412, `${name} is not as the request expects; read it again`))
  app.decorateReply('withTag', function withTag (resource) {
    this.header('etag', toTag(resource.version, format))
    return resource instanceof TextItem ? toJsonText(this, resource.json) : resource
  })
  app.addHook('onRoute', function takeConditions (route) {
    const mode = route.config?.conditional ?? false
    if (mode === false) return
    const isRequired = mode === 'required' || app.config.REQUIRE_IF_MATCH
    route.schema = describeConditions(route, isRequired)
    if (isRead(route)) route.onSend = [...[route.onSend ?? []].flat(), answerNotModified]
    else runFirst(route, createReader(app, isRequired))
  })
}, { name: 'conditional', dependencies: ['config', 'errors', 'validation'], fastify: '5.x' })

function isRead ({ method }: RouteOptions): boolean {
  return [method].flat().every((name) => READS.includes(name as HTTPMethods))
}

/** Reads the conditions of a write. Whether they hold is decided by the statement that writes. */
function createReader (app: FastifyInstance, isRequired: boolean) {
  return function readPrecondition (
    request: FastifyRequest,
    _reply: FastifyReply,
    done: (error?: Error) => void
  ): void {
    const { 'if-match': some, 'if-none-match': none } = request.headers
    if (some === undefined && none === undefined && !isRequired) {
      request.precondition = NONE
      return done()
    }
    const match = readHeader(request, 'if-match')
    const noneMatch = readHeader(request, 'if-none-match')
    if (match === 'invalid' || noneMatch === 'invalid') {
      return done(app.createProblem(400, 'If-Match and If-None-Match must be *, or entity tags in quotes'))
    }
    if (isRequired && match === undefined && request.method !== 'POST') {
      return done(app.createProblem(428, 'This operation needs an If-Match header with the ETag of the resource'))
    }
    request.precondition = {
      // Of a weak tag nothing strong is known (RFC 9110, 13.1.1).
      ...(match === undefined || match === '*'
        ? {}
        : { match: match.map((tag) => tag.isWeak ? '-1' : getVersion(tag)) }),
      ...(noneMatch === undefined ? {} : { noneMatch: noneMatch === '*' ? noneMatch : noneMatch.map(getVersion) })
    }
    done()
  }
}

function readHeader (
  { headers }: FastifyRequest,
  name: 'if-match' | 'if-none-match'
): EntityTag[] | '*' | 'invalid' | undefined {
  const header = headers[name]
  return header === undefined ? undefined : parseTags(header) ?? 'invalid'
}

type Done = (error: Error | null, payload?: unknown) => void

/** Answers 304 where the client has what would be sent. A resource without a version is known by its bytes. */
function answerNotModified (request: FastifyRequest, reply: FastifyReply, payload: unknown, done: Done): void {
  if (reply.statusCode !== 200) return done(null, payload)
  if (!reply.hasHeader('etag') && typeof payload === 'string') reply.header('etag', `"${getHash(payload)}"`)
  const header = request.headers['if-none-match']
  const wanted = header === undefined ? undefined : parseTags(header)
  if (wanted === undefined || !isAmong(String(reply.getHeader('etag')), wanted)) return done(null, payload)
  reply.code(304).removeHeader('content-type').removeHeader('content-length')
  done(null, null)
}

/** The weak comparison of RFC 9110, 8.8.3.2: proxies that compress make tags weak. */
function isAmong (tag: string, wanted: EntityTag[] | '*'): boolean {
  return wanted === '*' || wanted.some(({ value }) => `"${value}"` === tag)
}
