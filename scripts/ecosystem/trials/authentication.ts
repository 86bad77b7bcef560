import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyRequest, preHandlerHookHandler, RouteShorthandOptions } from 'fastify'
import { loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Check, Trial } from '../trial.ts'

interface WithAuth extends FastifyInstance {
  auth: (functions: Array<(request: FastifyRequest) => Promise<void>>, options?: object) => preHandlerHookHandler
  basicAuth: never
  verifyBearerAuth: never
}
interface WithJwt extends FastifyRequest {
  jwtVerify: () => Promise<void>
}

const BASIC = `Basic ${Buffer.from('ada:secret').toString('base64')}`
const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url')

function addPrivate (app: FastifyInstance, options: RouteShorthandOptions): void {
  app.post('/private', options, async (request) => {
    await insert(request, 41)
    return {}
  })
}

const denied: Check = { name: '401', path: '/private', headers: { authorization: '' }, status: 401 }

function allowed (headers: Record<string, string>): Check {
  return { name: 'allowed', path: '/private', headers, status: 200, stored: [41] }
}

/** Plugins that turn strangers away. */
export const trials: Trial[] = [
  {
    package: '@fastify/auth',
    register: async (app) => app.register(await loadPlugin('@fastify/auth')),
    routes: (app) => {
      async function byPassword (request: FastifyRequest): Promise<void> {
        // What a refused attempt has stored must go with its 401.
        await request.transaction.query('insert into item values (42)')
        if (request.headers['x-password'] !== 'secret') throw Object.assign(new Error('no'), { statusCode: 401 })
      }
      addPrivate(app, { preHandler: (app as WithAuth).auth([byPassword]) })
    },
    checks: [denied, {
      name: 'allowed, the hook has written too',
      path: '/private',
      headers: { 'x-password': 'secret' },
      status: 200,
      stored: [41, 42]
    }],
    note: 'Look-ups of an authentication hook belong on the pool: in the transaction they open it before the body ' +
      'is read.'
  },
  {
    package: '@fastify/basic-auth',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/basic-auth'), {
        async validate (name: string, password: string) {
          if (name !== 'ada' || password !== 'secret') throw Object.assign(new Error('no'), { statusCode: 401 })
        }
      }),
    routes: (app) => {
      addPrivate(app, { onRequest: (app as WithAuth).basicAuth })
    },
    checks: [denied, allowed({ authorization: BASIC })]
  },
  {
    package: '@fastify/bearer-auth',
    register: async (app) => app.register(await loadPlugin('@fastify/bearer-auth'), { keys: new Set(['key']) }),
    headers: { authorization: 'Bearer key' },
    routes: (app) => {
      addPrivate(app, {})
    },
    checks: [denied, allowed({ authorization: 'Bearer key' })]
  },
  {
    package: '@fastify/jwt',
    register: async (app) => app.register(await loadPlugin('@fastify/jwt'), { secret: 'secret' }),
    routes: (app) => {
      addPrivate(app, {
        async onRequest (request) {
          await (request as WithJwt).jwtVerify()
        }
      })
    },
    checks: [
      denied,
      {
        name: 'a token that is not signed',
        path: '/private',
        headers: { authorization: `Bearer ${HEADER}.e30.x` },
        status: 401
      },
      {
        name: 'allowed',
        async play (app) {
          const token = (app.app as FastifyInstance & {
            jwt: { sign: (payload: object) => string }
          }).jwt.sign({ id: 1 })
          const { status } = await app.send({ path: '/private', headers: { authorization: `Bearer ${token}` } })
          assert.deepEqual({ status, stored: await app.stored() }, { status: 200, stored: [41] })
        }
      }
    ]
  }
]
