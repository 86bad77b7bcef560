import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import swagger, { type FastifyDynamicSwaggerOptions, type SwaggerTransform } from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifySchema, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { problems, type ProblemStatus } from '../schemas/problem.ts'
import { describeConsistency } from './read-your-writes/document.ts'
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

/**
 * Makes the OpenAPI document from the schemas of the routes (`app.swagger()`); serves it as /openapi.json and /docs
 * where `DOCS` is on.
 */
export default fp(async function openapi (app) {
  const tags: Tag[] = []
  app.decorate('describeTag', (name, description) => {
    tags.push({ name, description })
  })
  await app.register(swagger, documentOptions(tags))
  checkTags(app, tags)
  if (!app.config.DOCS) return
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // Null keeps the page from asking a public validator about this document.
    uiConfig: { validatorUrl: null, displayOperationId: true }
  })
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger())
  app.get(
    '/docs/problems',
    { schema: { hide: true } },
    (_request, reply) => reply.type('text/html; charset=utf-8').send(problemsPage())
  )
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

function documentOptions (tags: Tag[]): FastifyDynamicSwaggerOptions {
  const { version, description } = JSON.parse(
    readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')
  ) as { version: string; description: string }
  return {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Tandem', version, description, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) => typeof json.$id === 'string' ? json.$id : `def-${index}`
    },
    transform: describe
  }
}

const describe: SwaggerTransform = ({ schema, url, route }) => {
  const plain = url.length > 1 ? url.replace(/\/$/, '') : url
  if (schema === undefined || schema.hide === true || schema.tags?.includes(HEALTH) === true) {
    return { schema, url: plain }
  }
  const response = { ...problems(...commonProblems(schema)), ...schema.response as object }
  const transaction = getTransaction(route)
  const described = { ...schema, response, ...(transaction === undefined ? {} : { 'x-transaction': transaction }) }
  return {
    schema: isWrite(route) && transaction === undefined
      ? described
      : describeConsistency(described, isWrite(route) ? 'write' : 'read'),
    url: plain
  }
}

// What a route can answer because of what it takes; the rest (404, 409, 422) each route says itself.
function commonProblems ({ params, querystring, body }: FastifySchema): ProblemStatus[] {
  return [
    ...(params === undefined && querystring === undefined && body === undefined ? [] : [400] as const),
    ...(body === undefined ? [] : [413, 415] as const),
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
