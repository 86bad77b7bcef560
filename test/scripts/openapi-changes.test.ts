import t from 'tap'
import { findBreakingChanges, type Document, type Schema } from '../../scripts/openapi/changes.ts'
import { findUnnamed } from '../../scripts/openapi/named.ts'

const body = (schema: Schema) => ({ required: true, content: { 'application/json': { schema } } })
const Thing: Schema = {
  type: 'object',
  required: ['id', 'kind'],
  properties: { id: { type: 'integer' }, kind: { type: 'string', enum: ['a', 'b'] }, note: { type: 'string' } }
}
const before = {
  paths: {
    '/things': {
      get: {
        parameters: [
          { name: 'limit', in: 'query', schema: { type: 'integer', maximum: 100 } },
          { name: 'after', in: 'query', schema: { type: 'integer' } }
        ],
        responses: { 200: body({ type: 'array', items: { $ref: '#/components/schemas/Thing' } }), 400: body({}) }
      },
      post: {
        requestBody: body({
          type: 'object',
          required: ['kind'],
          properties: { kind: { type: 'string' }, size: { type: 'integer' } }
        }),
        responses: { 201: body({ $ref: '#/components/schemas/Thing' }) }
      }
    },
    '/things/{id}': { delete: { responses: { 204: {} } } }
  },
  components: { schemas: { Thing } }
} satisfies Document

type Edit = (document: typeof before & { paths: Record<string, unknown> }) => void

function breaks (edit: Edit): string[] {
  const after = structuredClone(before)
  edit(after)
  return findBreakingChanges(before, after).map(({ what }) => what)
}

t.test('what clients cannot cope with is found', async (t) => {
  const thing = (schemas: typeof before) => schemas.components.schemas.Thing as Required<Schema>
  for (
    const [edit, ...found] of [
      [
        (d) => delete (d.paths as Record<string, unknown>)['/things/{id}'],
        'DELETE /things/{id}: the operation is gone'
      ],
      [(d) => d.paths['/things'].get.parameters.pop(), 'GET /things: the query parameter after is gone'],
      [
        (d) =>
          d.paths['/things'].get.parameters.push({ name: 'kind', in: 'query', required: true, schema: {} } as never),
        'GET /things: the query parameter kind is required'
      ],
      [
        (d) => Object.assign(d.paths['/things'].get.parameters[0]?.schema ?? {}, { maximum: 50 }),
        'GET /things: the query parameter limit has tighter bounds'
      ],
      [
        (d) => delete thing(d).properties['note'],
        'GET /things: the answer 200 has no note',
        'POST /things: the answer 201 has no note'
      ],
      [
        (d) => thing(d).required.pop(),
        'GET /things: the answer 200 may lack kind',
        'POST /things: the answer 201 may lack kind'
      ],
      [
        (d) => Object.assign(thing(d).properties, { id: { type: 'string' } }),
        'GET /things: id of the answer 200 has another type',
        'POST /things: id of the answer 201 has another type'
      ],
      [
        (d) => d.paths['/things'].post.requestBody.content['application/json'].schema.required?.push('size'),
        'POST /things: the body needs size'
      ]
    ] as Array<[Edit, ...string[]]>
  ) t.strictSame(breaks(edit), found)
})

t.test('what is new, or wider, breaks nobody', async (t) => {
  t.strictSame(breaks(() => {}), [])
  t.strictSame(
    breaks((d) => {
      Object.assign(d.paths, { '/more': { get: {} } })
      d.paths['/things'].get.parameters.push({ name: 'sort', in: 'query', schema: { type: 'string' } } as never)
      Object.assign(d.paths['/things'].get.parameters[1] ?? {}, { schema: { type: 'string' } })
      Object.assign(d.components.schemas.Thing.properties ?? {}, { more: { type: 'string' } })
    }),
    []
  )
})

t.test('a changelog names a change by its path', async (t) => {
  const changes = [{ path: '/things', what: 'x' }, { path: '/things/{id}', what: 'y' }]
  const named = (text: string) => findUnnamed(changes, `# Changelog\n\n## Pending\n${text}`).map(({ what }) => what)
  t.strictSame(named('- Breaking: `/things` has another\n  order.\n'), ['y'])
  t.strictSame(named('- Breaking: `/things/{id}`, and /things.\n'), [])
  t.strictSame(named('- `/things` is nicer.\n- Breaking: nothing of yours.\n'), ['x', 'y'])
  t.strictSame(named('- None.\n\n## 1.0.0\n\n- Breaking: /things, /things/{id}\n'), ['x', 'y'])
})
