import assert from 'node:assert/strict'
import path from 'node:path'
import type { FastifyReply } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Trial } from '../trial.ts'

interface SendsFiles extends FastifyReply {
  sendFile: (name: string) => FastifyReply
}
interface Views extends FastifyReply {
  view: (page: string, data: object) => FastifyReply
}

const text = { type: 'object', required: ['text'], properties: { text: { type: 'string' } } }

/** Plugins that change what a reply is made of, mostly by an onSend hook. */
export const trials: Trial[] = [
  {
    package: '@fastify/compress',
    register: async (app) => app.register(await loadPlugin('@fastify/compress'), { threshold: 0 }),
    headers: { 'accept-encoding': 'gzip' },
    checks: [{
      name: 'gzip',
      path: '/common/write',
      status: 201,
      stored: [1],
      also: ({ headers }) => {
        assert.equal(headers['content-encoding'], 'gzip')
      }
    }]
  },
  {
    package: '@fastify/etag',
    register: async (app) => app.register(await loadPlugin('@fastify/etag')),
    routes: (app) => {
      app.get('/tagged', { config: { transaction: true } }, async (request) => {
        await insert(request, 11)
        return { same: true }
      })
    },
    checks: [{
      name: '304',
      async play (app) {
        const { headers: { etag = '' } } = await app.send({ method: 'GET', path: '/tagged' })
        await app.clean()
        const { status } = await app.send({ method: 'GET', path: '/tagged', headers: { 'if-none-match': etag } })
        assert.deepEqual({ status, stored: await app.stored() }, { status: 304, stored: [11] })
      }
    }],
    note: 'A 304 commits as a 200 does: the handler has run.'
  },
  {
    package: '@fastify/caching',
    async register (app) {
      const { default: caching } = await load<{ default: { privacy: Record<string, unknown> } }>('@fastify/caching')
      await app.register(caching as unknown as Awaited<ReturnType<typeof loadPlugin>>, {
        privacy: caching.privacy['NOCACHE']
      })
    },
    checks: [{
      name: 'cache-control',
      path: '/common/write',
      status: 201,
      stored: [1],
      also: ({ headers }) => {
        assert.equal(headers['cache-control'], 'no-cache')
      }
    }]
  },
  {
    package: '@fastify/accepts-serializer',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/accepts-serializer'), {
        default: 'application/json',
        serializers: [
          { regex: /^application\/json$/, serializer: (body: unknown) => JSON.stringify(body) },
          {
            regex: /^text\/broken$/,
            serializer () {
              throw new Error('cannot write this')
            }
          }
        ]
      }),
    checks: [{ name: 'a serializer throws', path: '/common/write', headers: { accept: 'text/broken' }, status: 500 }]
  },
  {
    package: '@fastify/response-validation',
    register: async (app) => app.register(await loadPlugin('@fastify/response-validation')),
    routes: (app) => {
      app.post('/invalid', { schema: { response: { 200: text } } }, async (request) => {
        await insert(request, 12)
        return { other: 1 }
      })
    },
    checks: [{ name: 'a reply that is not valid', path: '/invalid', status: 500 }]
  },
  {
    package: '@fastify/static',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/static'), {
        root: path.join(import.meta.dirname),
        serve: false
      }),
    routes: (app) => {
      for (const [url, file] of [['/file', 'replies.ts'], ['/no-file', 'nothing.txt']] as const) {
        app.post(url, async (request, reply) => {
          await insert(request, 13)
          return (reply as SendsFiles).sendFile(file)
        })
      }
    },
    checks: [
      {
        name: 'sendFile',
        path: '/file',
        status: 200,
        stored: [13],
        also: ({ text }) => {
          assert.match(text, /sendFile/)
        }
      },
      { name: 'a file that is not there', path: '/no-file', status: 404 }
    ]
  },
  {
    package: '@fastify/view',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/view'), {
        engine: { ejs: await load<{ default: object }>('ejs').then((ejs) => ejs.default) },
        root: path.join(import.meta.dirname, '..', 'packages')
      }),
    routes: (app) => {
      for (const [url, page] of [['/page', 'page.ejs'], ['/no-page', 'nothing.ejs']] as const) {
        app.post(url, async (request, reply) => {
          await insert(request, 14)
          return (reply as Views).view(page, { name: 'Ada' })
        })
      }
    },
    checks: [
      {
        name: 'view',
        path: '/page',
        status: 200,
        stored: [14],
        also: ({ text }) => {
          assert.match(text, /Ada/)
        }
      },
      { name: 'a template that is not there', path: '/no-page', status: 500 }
    ]
  },
  {
    package: '@fastify/throttle',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/throttle'), {
        bytesPerSecond: 1_000_000,
        stringPayloads: true
      }),
    note: 'What is throttled has committed; the connection is back before the first byte.'
  }
]
