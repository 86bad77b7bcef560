import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Expectation, Trial } from '../trial.ts'

interface GraphqlContext {
  request: FastifyRequest
}
interface WithGraphql extends FastifyInstance {
  graphql: {
    addHook: (name: string, hook: (execution: { errors?: unknown[] }, context: GraphqlContext) => Promise<void>) => void
  }
}
type Resolver = (parent: unknown, input: unknown, context: GraphqlContext) => Promise<number>

const REFUSED =
  'Registered before, its route would have no transaction, and the app refuses to start with a sentence that ' +
  'says so: register it after this one.'

/** Rolls back where the 200 of GraphQL carries an error. */
async function rollBackErrors ({ errors = [] }: { errors?: unknown[] }, { request }: GraphqlContext): Promise<void> {
  if (errors.length > 0) request.transaction.setRollbackOnly()
}

const mutations: Record<string, Resolver> = {
  async good (_, __, { request }) {
    await insert(request, 81)
    return 1
  },
  async bad (_, __, { request }) {
    await insert(request, 82)
    throw new Error('no')
  },
  async refused (_, __, { request }) {
    await request.transaction.query('insert into nothing values (1)')
    return 1
  }
}

function mutation (names: string, expected: Partial<Expectation>): Expectation {
  return {
    name: `mutation { ${names} }`,
    path: '/graphql',
    body: JSON.stringify({ query: `mutation { ${names} }` }),
    status: 200,
    ...expected
  }
}

interface TrpcContext {
  req: FastifyRequest
}

interface Trpc {
  initTRPC: {
    context: () => {
      create: () => {
        procedure: {
          mutation: (resolve: (options: { ctx: TrpcContext }) => Promise<string>) => unknown
        }
        router: (procedures: object) => unknown
      }
    }
  }
  TRPCError: new(options: { code: string }) => Error
}

/** Rolls back where the 207 of a batch carries an error. */
function responseMeta ({ errors, ctx }: { errors: unknown[]; ctx?: TrpcContext }): object {
  if (errors.length > 0) ctx?.req.transaction.setRollbackOnly()
  return {}
}

async function trpcRouter (): Promise<unknown> {
  const { initTRPC, TRPCError } = await load<Trpc>('@trpc/server')
  const { procedure, router } = initTRPC.context().create()
  return router({
    good: procedure.mutation(async ({ ctx }) => {
      await insert(ctx.req, 83)
      return 'ok'
    }),
    bad: procedure.mutation(async ({ ctx }) => {
      await insert(ctx.req, 84)
      throw new TRPCError({ code: 'CONFLICT' })
    }),
    refused: procedure.mutation(async ({ ctx }) => {
      await ctx.req.transaction.query('insert into nothing values (1)')
      return 'no'
    })
  })
}

/** One route for many procedures. */
export const trials: Trial[] = [
  {
    package: 'mercurius',
    async register (app) {
      await app.register(await loadPlugin('mercurius'), {
        schema: 'type Query { none: Int } type Mutation { good: Int bad: Int refused: Int }',
        context: (request: FastifyRequest): GraphqlContext => ({ request }),
        resolvers: { Mutation: mutations }
      })
      ;(app as WithGraphql).graphql.addHook('onResolution', rollBackErrors)
    },
    checks: [
      mutation('good', { stored: [81] }),
      mutation('bad', {
        also: ({ text }) => {
          assert.match(text, /errors/)
        }
      }),
      // A failed statement leaves nothing to commit, so this is no 2xx.
      mutation('refused', {
        also: ({ text }) => {
          assert.match(text, /errors/)
        }
      }),
      mutation('good bad', {
        also: ({ text }) => {
          assert.match(text, /errors/)
        }
      })
    ],
    explained: { boot: REFUSED },
    note: 'GraphQL answers errors with 200, which commits. An `onResolution` hook that calls ' +
      '`context.request.transaction.setRollbackOnly()` where `execution.errors` is not empty makes a request ' +
      'all or nothing.'
  },
  {
    package: '@trpc/server',
    async register (app) {
      const { fastifyTRPCPlugin } = await load<{
        fastifyTRPCPlugin: Awaited<ReturnType<typeof loadPlugin>>
      }>('@trpc/server/adapters/fastify')
      await app.register(fastifyTRPCPlugin, {
        prefix: '/trpc',
        trpcOptions: { router: await trpcRouter(), createContext: ({ req }: TrpcContext) => ({ req }), responseMeta }
      })
    },
    checks: [
      { name: 'a procedure', path: '/trpc/good', status: 200, stored: [83] },
      { name: 'CONFLICT', path: '/trpc/bad', status: 409 },
      { name: 'a failed statement', path: '/trpc/refused', status: 500 },
      {
        name: 'a batch, half of it fails',
        path: '/trpc/good,bad?batch=1',
        body: '{"0":null,"1":null}',
        status: 207,
        also: ({ text }) => {
          assert.match(text, /CONFLICT/)
        }
      }
    ],
    explained: { boot: REFUSED },
    note: 'A batch is one request and one transaction, and a half that fails is answered with 207, which commits. A ' +
      '`responseMeta` that calls `ctx.req.transaction.setRollbackOnly()` where `errors` is not empty makes it ' +
      'all or nothing.'
  }
]
