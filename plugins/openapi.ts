import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FastifyDynamicSwaggerOptions, SwaggerTransform } from '@fastify/swagger'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { problems, type ProblemStatus } from '../schemas/problem.ts'
import { addTagPatterns } from './conditional/document.ts'
import { toPortable } from './common/portable-schema.ts'
import { describeConsistency } from './read-your-writes/document.ts'
import { addExamples } from './errors/document.ts'
import { problemsPage } from './errors/page.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Describes a tag of the OpenAPI document; the plugin of the routes that carry it does so.
     * @param name as in `tags` of the routes
     * @param description a few words
     */
    describeTag: (name: string, description: string) => void
  }
}

interface Tag {
  name: string
  description: string
}

const WRITES = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])
const HEALTH = 'health'
// No operation has links, and on a telephone the column of them would be wider than the screen.
const SMALL_SCREEN = `.swagger-ui .response-col_links { display: none; }
@media (max-width: 640px) {
  .swagger-ui { overflow-x: hidden; }
  .swagger-ui .opblock .opblock-summary-operation-id { display: none; }
  .swagger-ui .wrapper, .swagger-ui .opblock-tag { padding: 0 8px; }
  .swagger-ui table.parameters, .swagger-ui table.responses-table { display: block; overflow-x: auto; padding: 0 10px; }
}`
const DESCRIPTION =
  `Every answer may also be one of these, whatever the operation: 404 for a path that does not exist, 405 with \`Allow\` for a
method that a path does not have, 400, 417 and 431 for requests that HTTP itself does not admit. Each is a problem (RFC 9457), as all answers
from 400 up but those of the probes.

\`skip\` together with \`after\` is 400, and so is a \`Consistency-Token\` that is not from this service.

The service asks nobody who they are: \`security\` is empty.

\`info.version\` follows Semantic Versioning for this contract. What is added (operations, optional parameters, fields of answers, problem types) is
a minor version, so do not refuse what your copy of the document does not name; what is changed or taken away is a major one, while it is
0.x a minor one, and stands in the changelog. An operation that will go is marked \`deprecated\` at least one version before.`

/**
 * Serves the page that the types of problems refer to and, where `DOCS` is on, the OpenAPI document made from the
 * schemas of the routes, as /openapi.json and /docs. There and offline it is `app.swagger()`; elsewhere nobody reads
 * it, and what makes it is not loaded.
 */
export default fp(async function openapi (app) {
  const tags: Tag[] = []
  app.decorate('describeTag', (name, description) => {
    tags.push({ name, description })
    tags.sort((one, other) => one.name < other.name ? -1 : 1)
  })
  if (app.config.DOCS || app.offline) await app.register(import('@fastify/swagger'), documentOptions(app, tags))
  checkTags(app, tags)
  app.get(
    '/docs/problems',
    { schema: { hide: true } },
    (_request, reply) => reply.type('text/html; charset=utf-8').send(problemsPage())
  )
  if (!app.config.DOCS) return
  await app.register(import('@fastify/swagger-ui'), {
    routePrefix: '/docs',
    staticCSP: true,
    theme: { css: [{ filename: 'small.css', content: SMALL_SCREEN }] },
    // Null keeps the page from asking a public validator about this document.
    uiConfig: { validatorUrl: null, displayOperationId: true }
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
}, { name: 'openapi', dependencies: ['config', 'errors'], fastify: '5.x' })

/** Refuses to boot with a route whose tag nobody describes. */
function checkTags (app: FastifyInstance, tags: Tag[]): void {
  const used = new Map<string, string>()
  app.addHook('onRoute', ({ schema, url }) => {
    for (const tag of schema?.tags ?? []) used.set(tag, url)
  })
  app.addHook('onReady', async () => {
    for (const { name } of tags) used.delete(name)
    for (const [tag, url] of used) {
      throw new Error(
        `The tag '${tag}' of ${url} has no description: call app.describeTag('${tag}', …) in the plugin of the route`
      )
    }
  })
}

function documentOptions ({ config }: FastifyInstance, tags: Tag[]): FastifyDynamicSwaggerOptions {
  const { version, description } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  ) as { version: string; description: string }
  return {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tandem',
        version,
        description: `${description}\n\n${DESCRIPTION}`,
        contact: getContact(config.CONTACT),
        license: { name: 'MIT', identifier: 'MIT' }
      },
      servers: [
        config.PUBLIC_URL === undefined
          ? { url: '/', description: 'The service that this document was read from' }
          : { url: config.PUBLIC_URL, description: 'The service' }
      ],
      security: [],
      tags
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => typeof json.$id === 'string' ? json.$id : `def-${index}`
    },
    transform: describe,
    transformObject: (document) =>
      toPortable('openapiObject' in document ? document.openapiObject : document.swaggerObject)
  }
}

function getContact (contact: string | undefined): { name: string; url?: string; email?: string } {
  const name = 'Those who run this service'
  if (contact === undefined) return { name }
  return contact.includes('://') ? { name, url: contact } : { name, email: contact }
}

const describe: SwaggerTransform = ({ schema, url, route }) => {
  const plain = url.length > 1 ? url.replace(/\/$/, '') : url
  if (schema === undefined || schema.hide === true) return { schema, url: plain }
  if (schema.tags?.includes(HEALTH) === true) {
    return {
      schema: { ...schema, response: addExamples({ ...schema.response as object, ...problems(408) }) },
      url: plain
    }
  }
  const response = addExamples({ ...problems(...commonProblems(schema)), ...schema.response as object })
  const transaction = getTransaction(route)
  const described = { ...schema, response, ...(transaction === undefined ? {} : { 'x-transaction': transaction }) }
  if (!isWrite(route)) return { schema: describeConsistency(described, 'read'), url: plain }
  const tagged = addTagPatterns(described)
  return { schema: transaction === undefined ? tagged : describeConsistency(tagged, 'write'), url: plain }
}

// What a route can answer because of what it takes; the rest (404, 409, 422) each route says itself.
function commonProblems ({ params, querystring, body }: FastifySchema): ProblemStatus[] {
  return [
    ...(params === undefined && querystring === undefined && body === undefined ? [] : [400] as const),
    408,
    ...(body === undefined ? [] : [413, 415] as const),
    ...(params === undefined ? [] : [414] as const),
    429,
    500,
    503,
    504
  ]
}

function isWrite ({ method }: RouteOptions): boolean {
  return [method].flat().some((name) => WRITES.has(name))
}

function getTransaction (route: RouteOptions): unknown {
  const transaction = (route.config as { transaction?: unknown } | undefined)?.transaction
  if (transaction === false) return undefined
  const asked = transaction ?? isWrite(route)
  if (asked === false) return undefined
  return { store: 'sql', ...(typeof asked === 'object' ? asked === null ? {} : declared(asked) : {}) }
}

// Functions (per-request settings) have no place in a document.
function declared (options: object): object {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => typeof value !== 'function'))
}
