import { capitalize, withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'

/** `routes/<resource>/index.ts`. */
export function routeFile (resource: Resource): string {
  const { file, many, store, pluralWords } = resource
  const name = ['tags', 'config', 'problems', 'ref', 'routes'].includes(many) ? `register${resource.types}` : many
  const { type, types } = resource
  const home = store === 'sql' ? 'PostgreSQL' : 'MongoDB'
  return `${imports(resource)}

const tags = ['${file}']
${config(resource)}

${[list, create, get, change, remove].map((part) => part(resource)).join('\n')}
export default async function ${name} (app: FastifyInstance): Promise<void> {
  app.describeTag('${file}', '${capitalize(pluralWords)}; stored in ${home}')
  for (const route of [list${types}, create${type}, get${type}, put${type}, patch${type}, delete${type}]) app.route(route)
}
`
}

function imports ({ file, type, one }: Resource): string {
  return `import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { CREATED_HEADERS, LIST_HEADERS, NoContentSchema, ref } from '../../schemas/common.ts'
import { defineRoute } from '../../schemas/http.ts'
import {
  ${type}CreateSchema,
  ${one}List,
  ${type}ParamsSchema,
  ${type}Schema,
  ${type}UpdateSchema
} from '../../schemas/${file}.ts'
import { problems } from '../../schemas/problem.ts'`
}

function config ({ store, words }: Resource): string {
  if (store === 'sql') return 'const config = { conditional: true } as const'
  return `// A write sent straight to MongoDB would stay even if the answer could not be made.
// Writers of one ${words} come one after the other, each run again until the deadline ends it.
const config = { transaction: { store: 'mongo', retries: 20 }, conditional: true } as const`
}

// The repository on the handle of the request.
function on ({ many, store }: Resource): string {
  return `this.repositories.${many}(request.${store === 'sql' ? 'db' : 'mongo'})`
}

function list (resource: Resource): string {
  const { type, types, one, store, pluralWords } = resource
  return `const list${types} = defineRoute({
  method: 'GET',
  url: '',
  schema: {
    operationId: 'list${types}',
    summary: 'List ${pluralWords}',
    description: '${store === 'sql' ? 'By id.' : 'Newest first.'}',
    tags,
    querystring: ${one}List.query,
    response: { 200: Type.Array(ref(${type}Schema), { description: 'A page of ${pluralWords}', headers: LIST_HEADERS }) }
  },
  handler: async function list${types} (request, reply) {
    return reply.page(await ${on(resource)}.list(request.query))
  }
})
`
}

function create (resource: Resource): string {
  const { file, type, one, words, fields } = resource
  const unique = fields.filter(({ isUnique }) => isUnique).map(({ name }) => name.replaceAll('_', ' '))
  const taken = unique.length === 0 ? '' : ` The ${unique.join(' and the ')} must not be taken.`
  return `const create${type} = defineRoute({
  method: 'POST',
  url: '',
  config,
  schema: {
    operationId: 'create${type}',
    summary: 'Create ${withArticle(words)}',
    description: 'All fields are needed.${taken}',
    tags,
    body: ref(${type}CreateSchema),
    response: {
      201: ref(${type}Schema, { description: 'The new ${words}', headers: CREATED_HEADERS }),
      ...problems(409, 422)
    }
  },
  handler: async function create${type} (request, reply) {
    const ${one} = await ${on(resource)}.create(request.body)
    reply.code(201).header('location', \`/${file}/\${${one}.id}\`)
    return reply.withTag(${one})
  }
})
`
}

function get (resource: Resource): string {
  const { type, one, words, store } = resource
  return `const get${type} = defineRoute({
  method: 'GET',
  url: '/:id',
  ${store === 'sql' ? 'config' : 'config: { conditional: true }'},
  schema: {
    operationId: 'get${type}',
    summary: 'Read ${withArticle(words)}',
    description: 'One ${words}.',
    tags,
    params: ${type}ParamsSchema,
    response: { 200: ref(${type}Schema, { description: 'The ${words}' }), ...problems(404) }
  },
  handler: async function get${type} (request, reply) {
    const ${one} = await ${on(resource)}.getById(request.params.id)
    this.assert(${one}, 404, '${capitalize(words)} not found')
    return reply.withTag(${one})
  }
})
`
}

function change (resource: Resource): string {
  const { many, type, one, words } = resource
  return `// PUT and PATCH do the same: both change the fields that are given.
const [put${type}, patch${type}] = [
  change${type}('PUT', { operationId: 'put${type}', summary: 'Change ${withArticle(words)}' }),
  change${type}('PATCH', { operationId: 'patch${type}', summary: 'Change fields of ${withArticle(words)}' })
]

function change${type} (method: 'PUT' | 'PATCH', names: { operationId: string; summary: string }) {
  return defineRoute({
    method,
    url: '/:id',
    config,
    schema: {
      description: 'Only the fields that are given change.',
      tags,
      params: ${type}ParamsSchema,
      body: ref(${type}UpdateSchema),
      response: { 200: ref(${type}Schema, { description: 'The ${words} as it is now' }), ...problems(404, 409, 422) },
      ...names
    },
    handler: async function update${type} (request, reply) {
      const ${many} = ${on(resource)}
      const ${one} = await ${many}.update(request.params.id, request.body, request.precondition)
      if (${one} === null) throw this.createMissProblem(await ${many}.getById(request.params.id), '${
    capitalize(words)
  }')
      return reply.withTag(${one})
    }
  })
}
`
}

function remove (resource: Resource): string {
  const { many, type, words } = resource
  return `const delete${type} = defineRoute({
  method: 'DELETE',
  url: '/:id',
  config,
  schema: {
    operationId: 'delete${type}',
    summary: 'Delete ${withArticle(words)}',
    description: 'It is gone for good.',
    tags,
    params: ${type}ParamsSchema,
    response: { 204: NoContentSchema, ...problems(404) }
  },
  handler: async function delete${type} (request, reply) {
    const ${many} = ${on(resource)}
    const wasThere = await ${many}.delete(request.params.id, request.precondition)
    if (!wasThere) throw this.createMissProblem(await ${many}.getById(request.params.id), '${capitalize(words)}')
    reply.code(204)
    return null
  }
})
`
}
