/** A JSON Schema of the document, as far as it is compared. */
export interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
}
interface Parameter {
  name: string
  in: string
  required?: boolean
  schema?: Schema
}
interface Body {
  required?: boolean
  content?: Record<string, { schema?: Schema }>
}
interface Operation {
  parameters?: Parameter[]
  requestBody?: Body
  responses?: Record<string, Body>
}

/** An OpenAPI document, as far as it is compared. */
export interface Document {
  paths?: Record<string, Record<string, Operation>>
  components?: { schemas?: Record<string, Schema> }
}

/** Something that a client of before cannot cope with. */
export interface Change {
  path: string
  /** `GET /users: the query parameter sort is gone`. */
  what: string
}

/** Deeper schemas are those of recursive components. */
const DEEPEST = 12
const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const

/**
 * What of a document breaks clients that were made for an earlier one: what they send is refused, or what they rely on
 * does not come. Unknown fields and parameters are refused by this service, so taking one away breaks too.
 */
export function findBreakingChanges (before: Document, after: Document): Change[] {
  return Object.entries(before.paths ?? {}).flatMap(([path, methods]) =>
    METHODS.flatMap((method) => {
      const [old, now] = [methods[method], after.paths?.[path]?.[method]]
      if (old === undefined) return []
      const found = now === undefined ? ['the operation is gone'] : compareOperations(old, now, before, after)
      return found.map((what) => ({ path, what: `${method.toUpperCase()} ${path}: ${what}` }))
    })
  )
}

function compareOperations (old: Operation, now: Operation, before: Document, after: Document): string[] {
  const taken = { before, after, isRequest: true, isText: false }
  const given = { before, after, isRequest: false, isText: false }
  return [
    ...compareParameters(old.parameters ?? [], now.parameters ?? [], { ...taken, isText: true }),
    ...(now.requestBody?.required === true && old.requestBody?.required !== true ? ['a body is required'] : []),
    ...compareContent('the body', old.requestBody, now.requestBody, taken),
    ...Object.entries(old.responses ?? {}).filter(([status]) => status.startsWith('2')).flatMap(
      ([status, response]) => {
        const answer = now.responses?.[status]
        return answer === undefined
          ? [`the answer ${status} is gone`]
          : compareContent(`the answer ${status}`, response, answer, given)
      }
    )
  ]
}

interface Sides {
  before: Document
  after: Document
  /** Clients send it; otherwise they read it. */
  isRequest: boolean
  /** It stands in a path, a query or a header. */
  isText: boolean
}

function compareParameters (old: Parameter[], now: Parameter[], sides: Sides): string[] {
  const find = (all: Parameter[], { name, in: place }: Parameter) =>
    all.find((one) => one.name === name && one.in === place)
  const words = (one: Parameter) => `the ${one.in} parameter ${one.name}`
  return [
    ...old.flatMap((one) => {
      const same = find(now, one)
      return same === undefined ? [`${words(one)} is gone`] : compare(words(one), one.schema, same.schema, sides)
    }),
    ...now.filter((one) => one.required === true && find(old, one)?.required !== true).map((one) =>
      `${words(one)} is required`
    )
  ]
}

function compareContent (where: string, old: Body | undefined, now: Body | undefined, sides: Sides): string[] {
  return Object.entries(old?.content ?? {}).flatMap(([type, { schema }]) => {
    const content = now?.content?.[type]
    return content === undefined ? [`${where} is no longer ${type}`] : compare(where, schema, content.schema, sides)
  })
}

function compare (
  where: string,
  one: Schema | undefined,
  other: Schema | undefined,
  sides: Sides,
  depth = 0
): string[] {
  const [old, now] = [resolve(one, sides.before), resolve(other, sides.after)]
  if (old === undefined || now === undefined || depth > DEEPEST) return []
  const { isRequest } = sides
  // What clients have sent must stay right; what they read must be what they have read.
  const [from, to] = isRequest ? [old, now] : [now, old]
  const found: string[] = []
  if (!isTypeAdmitted(from.type, to.type, sides)) found.push(`${where} has another type`)
  const lost = isRequest && now.enum !== undefined && (old.enum?.some((value) => !now.enum?.includes(value)) ?? true)
  if (lost) found.push(`${where} takes fewer values`)
  if (!isRequest && now.enum?.some((value) => old.enum?.includes(value) === false)) {
    found.push(`${where} has more values`)
  }
  if (isRequest && isTighter(old, now)) found.push(`${where} has tighter bounds`)
  const required = isRequest ? now.required ?? [] : old.required ?? []
  const known = (isRequest ? old.required : now.required) ?? []
  for (const name of required.filter((each) => !known.includes(each))) {
    found.push(isRequest ? `${where} needs ${name}` : `${where} may lack ${name}`)
  }
  for (const [name, property] of Object.entries(old.properties ?? {})) {
    const same = now.properties?.[name]
    if (same === undefined) found.push(`${where} has no ${name}`)
    else found.push(...compare(`${name} of ${where}`, property, same, sides, depth + 1))
  }
  return [...found, ...compare(where, old.items, now.items, sides, depth + 1)]
}

function resolve (schema: Schema | undefined, document: Document): Schema | undefined {
  const name = schema?.$ref?.split('/').at(-1)
  return name === undefined ? schema : document.components?.schemas?.[name]
}

// Text in a path or query takes whatever a number there has been.
function isTypeAdmitted (from: Schema['type'], to: Schema['type'], { isText }: Sides): boolean {
  if (from === undefined || to === undefined) return true
  const admitted = [to].flat()
  return [from].flat().every((type) =>
    admitted.includes(type) || (type === 'integer' && admitted.includes('number')) ||
    (isText && type !== 'array' && admitted.includes('string'))
  )
}

function isTighter (old: Schema, now: Schema): boolean {
  const below = (one = -Infinity, other = -Infinity) => other > one
  const above = (one = Infinity, other = Infinity) => other < one
  return below(old.minLength, now.minLength) || above(old.maxLength, now.maxLength) ||
    below(old.minimum, now.minimum) || above(old.maximum, now.maximum)
}
