import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Check, Trial } from '../trial.ts'

interface Session {
  set: (name: string, value: unknown) => void
  get: (name: string) => unknown
}
interface WithSession extends FastifyRequest {
  session: Session
}
interface WithFlash extends WithSession {
  flash: (type: string, message: string) => void
}
interface WithCookies extends FastifyReply {
  setCookie: (name: string, value: string) => FastifyReply
}
interface WithCsrf extends FastifyReply {
  generateCsrf: () => string
}

const SECRET = 'a secret of more than thirty-two letters'

async function cookies (app: FastifyInstance): Promise<void> {
  await app.register(await loadPlugin('@fastify/cookie'), { secret: SECRET })
}

async function secureSession (app: FastifyInstance): Promise<void> {
  await app.register(await loadPlugin('@fastify/secure-session'), { key: Buffer.alloc(32, 'k'), cookie: { path: '/' } })
}

/** A handler that writes to the session and the database, then answers. */
function addLogins (app: FastifyInstance, write: (request: FastifyRequest, reply: FastifyReply) => void): void {
  for (const code of [200, 409]) {
    app.post(`/login-${code}`, async (request, reply) => {
      write(request, reply)
      await insert(request, 31)
      reply.code(code)
      return {}
    })
  }
}

const logins: Check[] = [
  {
    name: 'session write',
    path: '/login-200',
    status: 200,
    stored: [31],
    also: ({ headers }) => {
      assert.ok(headers['set-cookie'], 'no cookie')
    }
  },
  { name: 'session write and 409', path: '/login-409', status: 409 }
]
const note =
  'The session is not in the transaction: a reply of 4xx keeps what the handler has put into it. Where COMMIT ' +
  'fails, cookies that the handler set are taken back.'

/** Cookies and sessions. */
export const trials: Trial[] = [
  {
    package: '@fastify/cookie',
    register: cookies,
    routes: (app) => {
      addLogins(app, (_, reply) => {
        ;(reply as WithCookies).setCookie('user', '1')
      })
    },
    checks: logins
  },
  {
    package: '@fastify/session',
    async register (app) {
      await cookies(app)
      await app.register(await loadPlugin('@fastify/session'), { secret: SECRET, cookie: { secure: false } })
    },
    routes: (app) => {
      addLogins(app, (request) => {
        ;(request as WithSession).session.set('user', 1)
      })
    },
    checks: logins,
    note
  },
  {
    package: '@fastify/secure-session',
    register: secureSession,
    routes: (app) => {
      addLogins(app, (request) => {
        ;(request as WithSession).session.set('user', 1)
      })
    },
    checks: logins,
    note
  },
  {
    package: '@fastify/flash',
    async register (app) {
      await secureSession(app)
      await app.register(await loadPlugin('@fastify/flash'))
    },
    routes: (app) => {
      addLogins(app, (request) => {
        ;(request as WithFlash).flash('info', 'welcome')
      })
    },
    checks: logins
  },
  {
    package: '@fastify/csrf-protection',
    async register (app) {
      await cookies(app)
      await app.register(await loadPlugin('@fastify/csrf-protection'))
    },
    routes: (app) => {
      app.get('/token', async (_, reply) => ({ token: (reply as WithCsrf).generateCsrf() }))
      app.post('/guarded', {
        onRequest: (app as FastifyInstance & { csrfProtection: never }).csrfProtection
      }, async (request) => {
        await insert(request, 32)
        return {}
      })
    },
    checks: [
      { name: 'no token', path: '/guarded', status: 403 },
      {
        name: 'token',
        async play (app) {
          const { headers, text } = await app.send({ method: 'GET', path: '/token' })
          const { token } = JSON.parse(text) as { token: string }
          const { status } = await app.send({
            path: '/guarded',
            headers: { cookie: headers['set-cookie']?.[0]?.split(';')[0] ?? '', 'csrf-token': token }
          })
          assert.deepEqual({ status, stored: await app.stored() }, { status: 200, stored: [32] })
        }
      }
    ]
  },
  {
    package: '@fastify/passport',
    async register (app) {
      await secureSession(app)
      const { default: passport } = await load<{ default: Passport }>('@fastify/passport')
      const authenticator = new passport.Authenticator()
      class ByHeader extends passport.Strategy {
        authenticate (request: FastifyRequest): void {
          if (request.headers['x-user'] === undefined) this.fail('nobody', 401)
          else this.success({ id: 1 })
        }
      }
      authenticator.use('header', new ByHeader('header'))
      authenticator.registerUserSerializer(async (user: unknown) => user)
      authenticator.registerUserDeserializer(async (user: unknown) => user)
      await app.register(authenticator.initialize())
      await app.register(authenticator.secureSession())
      authenticate = authenticator.authenticate('header')
    },
    routes: (app) => {
      app.post('/passport', { preValidation: authenticate }, async (request) => {
        await insert(request, 33)
        return {}
      })
    },
    checks: [
      { name: '401', path: '/passport', status: 401 },
      { name: 'login', path: '/passport', headers: { 'x-user': 'ada' }, status: 200, stored: [33] }
    ]
  }
]

interface Passport {
  Strategy: new(name: string) => {
    fail: (challenge: string, status: number) => void
    success: (user: unknown) => void
  }
  Authenticator: new() => {
    use: (name: string, strategy: unknown) => void
    registerUserSerializer: (serialize: (user: unknown) => Promise<unknown>) => void
    registerUserDeserializer: (deserialize: (user: unknown) => Promise<unknown>) => void
    initialize: () => Awaited<ReturnType<typeof loadPlugin>>
    secureSession: () => Awaited<ReturnType<typeof loadPlugin>>
    authenticate: (name: string) => never
  }
}

let authenticate: never
