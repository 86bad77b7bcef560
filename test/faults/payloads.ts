import { readFileSync } from 'node:fs'
import path from 'node:path'

interface Schema {
  $ref?: string
  type?: string
  properties?: Record<string, Schema>
  items?: Schema
  anyOf?: Schema[]
  examples?: unknown[]
}
interface Parameter {
  name: string
  in: string
  schema: Schema
  example?: unknown
}
interface Operation {
  operationId: string
  parameters?: Parameter[]
  requestBody?: { content: { 'application/json': { schema: Schema } } }
  responses: Record<string, unknown>
}
interface Document {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** A request nobody should have to send. */
export interface Payload {
  operation: string
  /** What is wrong with it. */
  what: string
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  url: string
  /** Raw text, because some of it is no value of JavaScript. */
  body?: string
  contentType?: string
  headers?: Record<string, string>
  /** Statuses the document promises for the operation. */
  documented: number[]
}

const file = path.join(import.meta.dirname, '..', '..', 'docs', 'openapi.json')
const document = JSON.parse(readFileSync(file, 'utf8')) as Document

/** JSON as text: numbers no parser keeps exact, halves of surrogate pairs, operators of databases. */
const VALUES = [
  'null',
  'true',
  '0',
  '-0',
  '-1',
  '1.5',
  '2147483647',
  '2147483648',
  '9007199254740991',
  '9007199254740993',
  '9223372036854775808',
  '1e308',
  '1e999',
  '""',
  '" "',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\udc00x"',
  '"\\u202e\\u0007"',
  '"🦊"',
  '"NaN"',
  '"42"',
  '"2025-02-30T25:61:00Z"',
  '"infinity"',
  '"\'; drop table users; --"',
  '"%_%\\\\"',
  '"(a+)+$"',
  '"$where"',
  '"a@b"',
  '"a@b.c\\r\\nBcc: x@y.z"',
  '"10000000000000.00"',
  '"-1.00"',
  '"1.999"',
  '{"$gt":""}',
  '{"$where":"sleep(1000)"}',
  '{"a.b":1}',
  '{"__proto__":{"x":1}}',
  '{}',
  '[]',
  '["a"]',
  '[[[[[]]]]]'
]
const LONG = JSON.stringify('x'.repeat(100_001))
const EXTRA = ['id', 'role', 'created_at', 'version', '_id', '$set', 'a.b', '__proto__', 'constructor', '']
const IN_URL = [
  '',
  '%20',
  '0',
  '-1',
  '1.5',
  '1e3',
  '0x10',
  'NaN',
  'Infinity',
  'null',
  'undefined',
  '2147483648',
  '9007199254740993',
  '9223372036854775808',
  '1e308',
  '%00',
  '%ED%A0%80',
  '%E0%A4%A',
  '%F0%9F%A6%8A',
  '%27%20or%201=1--',
  '..%2F..%2Fetc',
  '%25',
  '_',
  '$where',
  'zz',
  'abcdefabcdef',
  'ZZZZZZZZZZZZZZZZZZZZZZZZ',
  '66F1C0A5E4B0A1B2C3D4E5F6',
  '1738324800000_42',
  '99999999999999_1',
  '0_000000000000000000000000',
  '9999999999999_ffffffffffffffffffffffff',
  '(a%2B)%2B$',
  'x'.repeat(600)
]
const IN_HEADER = [
  '',
  ',',
  'sql-0',
  'sql--1',
  'sql-99999999999999999999',
  'sql-1e3',
  'mongo-',
  'mongo-zz',
  'sql-1,'.repeat(9),
  'sql-1; drop table users',
  'wait=-1',
  'wait=1e9',
  'wait=0; wait=9999999999',
  '"\\"',
  '{"$gt":""}',
  '__proto__',
  'caf\u00e9',
  'x'.repeat(5000)
]
const QUERIES = [
  'limit=1&limit=2',
  'limit[$gt]=1',
  'email[$ne]=x',
  'email=a&email=b',
  'sort=id;drop',
  'limit=1&__proto__[x]=1',
  'skip=10000&limit=100',
  'after=1&skip=1',
  'user_id=1&user_id=2',
  '&&&===',
  '%00=%00'
]

// Deep enough to overflow a recursive reader, small enough for the limit of bodies.
const DEPTH = 100_000
const BODIES: Array<[string, string, string?]> = [
  ['nothing', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['text', '"x"'],
  ['a number', '1'],
  ['half', '{"name":'],
  ['two', '{}{}'],
  ['empty', '{}'],
  ['twice the same key', '{"name":"a","name":1}'],
  ['not JSON', '<a/>'],
  ['a byte order mark', '\ufeff{}'],
  ['NUL', '\0'],
  ['deep lists', '['.repeat(DEPTH) + ']'.repeat(DEPTH)],
  ['deep objects', '{"name":'.repeat(50_000) + '1' + '}'.repeat(50_000)],
  ['too large', JSON.stringify({ name: 'x'.repeat(1_048_577) })],
  ['text/plain', '{}', 'text/plain'],
  ['a form', 'name=x', 'application/x-www-form-urlencoded'],
  ['no type', '{}', ''],
  ['odd charset', '{}', 'application/json; charset=utf-7'],
  ['parts', '--x--', 'multipart/form-data; boundary=x'],
  ['broken type', '{}', ';;;']
]

/**
 * Every operation of the API with hostile values in its parameters, fields and body, one at a time. The operations take
 * turns: a third of the values each, so that every kind of field meets all of them somewhere.
 */
export function hostilePayloads (): Payload[] {
  let turn = 0
  return Object.entries(document.paths).flatMap(([route, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      turn++
      const some = <T>(all: T[]): T[] => all.filter((_, index) => (index + turn) % 3 === 0)
      const base = {
        operation: operation.operationId,
        method: method.toUpperCase() as Payload['method'],
        documented: Object.keys(operation.responses).map(Number)
      }
      const url = toUrl(route, operation)
      const valid = getBody(operation)
      const withBody = valid === undefined ? {} : { body: text(valid) }
      return [
        ...(operation.parameters ?? []).flatMap((parameter) =>
          some(urlsWith(route, operation, parameter)).map((bad) => ({ ...base, what: bad, url: bad, ...withBody }))
        ),
        ...(operation.parameters ?? []).filter((parameter) => parameter.in === 'header').flatMap(({ name }) =>
          some(IN_HEADER).map((value) => (
            { ...base, what: `${name}: ${value}`, url, headers: { [name]: value }, ...withBody }
          ))
        ),
        ...(base.method === 'GET'
          ? some(QUERIES).map((query) => ({ ...base, what: query, url: `${url}?${query}` }))
          : []),
        ...(valid === undefined ? [] : some(toBodies(valid)).map((bad) => ({ ...base, url, ...bad })))
      ]
    })
  )
}

/** A valid request of each operation that has a body, to show that the hostile ones differ from it in one thing. */
export function validPayloads (): Payload[] {
  return Object.entries(document.paths).flatMap(([route, operations]) =>
    Object.entries(operations).flatMap(([method, operation]) => {
      const valid = getBody(operation)
      if (valid === undefined) return []
      return [{
        operation: operation.operationId,
        what: 'valid',
        method: method.toUpperCase() as Payload['method'],
        url: toUrl(route, operation),
        body: text(valid),
        documented: []
      }]
    })
  )
}

/** A body as a tree whose leaves are JSON text. */
type Tree = string | Tree[] | { [field: string]: Tree }

function getBody ({ requestBody }: Operation): Tree | undefined {
  const schema = requestBody?.content['application/json'].schema
  return schema === undefined ? undefined : toTree(schema)
}

function toTree (schema: Schema): Tree {
  if (schema.$ref !== undefined) return toTree(document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
  if (schema.properties !== undefined) {
    return Object.fromEntries(Object.entries(schema.properties).map(([name, property]) => [name, toTree(property)]))
  }
  if (schema.items !== undefined) return [toTree(schema.items)]
  return JSON.stringify(schema.examples?.[0] ?? schema.anyOf?.[0]?.examples?.[0] ?? null)
}

function text (tree: Tree): string {
  if (typeof tree === 'string') return tree
  if (Array.isArray(tree)) return `[${tree.map(text).join()}]`
  return `{${Object.entries(tree).map(([name, value]) => `${JSON.stringify(name)}:${text(value)}`).join()}}`
}

function toBodies (valid: Tree): Array<Pick<Payload, 'what' | 'body' | 'contentType'>> {
  const changed = variants(valid, [...VALUES, LONG]).map(([what, tree]) => ({ what, body: text(tree) }))
  const extra = EXTRA.map((name) => ({
    what: `more: ${name}`,
    body: text(valid).replace(/}$/, `,${JSON.stringify(name)}:{"$gt":""}}`)
  }))
  const whole = BODIES.map(([what, body, contentType]) => ({
    what,
    body,
    ...(contentType !== undefined && { contentType })
  }))
  return [...changed, ...extra, ...whole]
}

/** The tree with each of its leaves, lists and objects replaced by each value, one at a time. */
function variants (tree: Tree, values: string[], at = ''): Array<[string, Tree]> {
  const here: Array<[string, Tree]> = at === '' ? [] : values.map((value) => [`${at} = ${value.slice(0, 40)}`, value])
  if (typeof tree === 'string') return here
  const entries = Object.entries(tree)
  const inside = entries.flatMap(([name, value]) =>
    variants(value, values, `${at}/${name}`).map(([what, replaced]): [string, Tree] => [
      what,
      Array.isArray(tree)
        ? tree.map((item, index) => String(index) === name ? replaced : item)
        : { ...tree, [name]: replaced }
    ])
  )
  return [...here, ...inside]
}

function toUrl (route: string, { parameters = [] }: Operation): string {
  return route.replace(
    /\{(\w+)\}/g,
    (_, name) => String(parameters.find((parameter) => parameter.name === name)?.example)
  )
}

function urlsWith (route: string, operation: Operation, { name, in: place }: Parameter): string[] {
  if (place === 'query') return IN_URL.map((value) => `${toUrl(route, operation)}?${name}=${value}`)
  if (place === 'path') return IN_URL.map((value) => toUrl(route.replace(`{${name}}`, value), operation))
  return []
}
