import type { FastifySchema } from 'fastify'
import t from 'tap'
import { buildApp, type App } from '../../app.ts'
import type * as WhenAsked from '../../plugins/validation/when-asked.ts'

const WRONG: Record<string, FastifySchema> = {
  'a type that JSON Schema does not know, in a query': { querystring: withField({ type: 'strin' }) },
  'a keyword that it does not know, in a body': { body: withField({ type: 'string', minLenght: 1 }) },
  'a value that only the schema of schemas refuses, in a body': { body: withField({ type: 'string', minLength: -1 }) },
  'a type that it does not know, in an answer': { response: { 200: withField({ type: 'strin' }) } },
  'a reference to nothing, in an answer': { response: { 200: withField({ $ref: 'nowhere#' }) } }
}

function withField (field: object): object {
  return { type: 'object', properties: { field } }
}

t.test('a wrong schema stops the boot of whoever wrote it', async (t) => {
  for (const [what, schema] of Object.entries(WRONG)) {
    const plugins = async (app: App) => {
      app.post('/wrong', { schema }, () => ({}))
    }
    await t.rejects(buildApp({ offline: true, logger: false, plugins }), /wrong|schema|type|keyword/i, what)
  }
})

t.test('in production what a schema is compiled to is made once, when it is needed', async (t) => {
  const { NODE_ENV } = process.env
  t.teardown(() => {
    if (NODE_ENV === undefined) delete process.env['NODE_ENV']
    else process.env['NODE_ENV'] = NODE_ENV
  })
  for (const [environment, atOnce] of [['production', 0], ['test', 1]] as const) {
    process.env['NODE_ENV'] = environment
    const copy = new URL(`../../plugins/validation/when-asked.ts?${environment}`, import.meta.url).href
    const { whenAsked } = await import(copy) as typeof WhenAsked
    let made = 0
    const ask = whenAsked(() => ({ number: ++made }))
    t.equal(made, atOnce, environment)
    t.same([ask(), ask()], [{ number: 1 }, { number: 1 }], environment)
  }
})
