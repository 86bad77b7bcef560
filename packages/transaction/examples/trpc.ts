// A tRPC batch is one request and one transaction. Its answer to half a success is 207, which would commit.
import { initTRPC, TRPCError } from '@trpc/server'
import {
  fastifyTRPCPlugin,
  type CreateFastifyContextOptions,
  type FastifyTRPCPluginOptions
} from '@trpc/server/adapters/fastify'
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'

const trpc = initTRPC.context<CreateFastifyContextOptions>().create()
const router = trpc.router({
  addNote: trpc.procedure.input((value: unknown) => String(value)).mutation(async ({ ctx, input }) => {
    await ctx.req.transaction.query('insert into note (text) values ($1)', [input])
    if (input === '') throw new TRPCError({ code: 'BAD_REQUEST', message: 'A note must say something' })
    return true
  })
})

const app = Fastify({ routerOptions: { maxParamLength: 5000 } })
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool, methods: ['POST'] }) // before tRPC, whose route gets a transaction so

await app.register(fastifyTRPCPlugin, {
  prefix: '/trpc',
  trpcOptions: {
    router,
    createContext: (options) => options,
    responseMeta ({ errors, ctx }) {
      if (errors.length > 0) ctx?.req.transaction.setRollbackOnly()
      return {}
    }
  } satisfies FastifyTRPCPluginOptions<typeof router>['trpcOptions']
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
