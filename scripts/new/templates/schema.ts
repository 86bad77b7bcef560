import type { Field } from '../fields.ts'
import { withArticle } from '../names.ts'
import type { Resource } from '../resource.ts'
import { listDeclaration } from './list.ts'

/** `schemas/<resource>.ts`. */
export function schemaFile (resource: Resource): string {
  const { store, type, words, fields } = resource
  const id = store === 'sql' ? 'IdSchema' : 'DocumentIdSchema'
  const helpers = [id, 'TimestampSchema', ...fields.flatMap(getHelper)]
  const names = [...new Set(helpers)].toSorted((one, other) => one.localeCompare(other, 'en'))
  return `import { Type, type Static } from '@sinclair/typebox'
import { ${names.join(', ')} } from './common.ts'
import { defineList } from './list.ts'

const fields = {
${fields.map((field) => `  ${field.name}: ${toSchema(field)}`).join(',\n')}
}

export const ${type}Schema = Type.Object({
  id: ${id},
  ...fields,
  created_at: TimestampSchema,
  updated_at: TimestampSchema
}, { $id: '${type}', additionalProperties: false, description: '${withArticle(words).replace(/^a/, 'A')}' })

export const ${type}CreateSchema = Type.Object(fields, { $id: '${type}Create', additionalProperties: false })

export const ${type}UpdateSchema = Type.Partial(Type.Object(fields), {
  $id: '${type}Update',
  additionalProperties: false,
  minProperties: 1,
  description: 'The fields to change'
})

export const ${type}ParamsSchema = Type.Object({ id: ${id} })

${listDeclaration(resource)}

export type ${type} = Static<typeof ${type}Schema>
export type ${type}Create = Static<typeof ${type}CreateSchema>
`
}

function getHelper ({ type }: Field): string[] {
  return type === 'text' ? ['line'] : type === 'decimal' ? ['decimal'] : []
}

function toSchema (field: Field): string {
  switch (field.type) {
    case 'text':
      return `line(1, ${withSeparators(field.maxLength)})`
    case 'integer':
      return `Type.Integer({ minimum: ${withSeparators(field.minimum)}, maximum: ${withSeparators(field.maximum)} })`
    case 'decimal':
      return `decimal(${field.precision}, ${field.scale})`
    default:
      return 'Type.Boolean()'
  }
}

/** 100000 → `100_000`. */
function withSeparators (number: number): string {
  return Math.abs(number) < 10_000 ? String(number) : number.toLocaleString('en-US').replaceAll(',', '_')
}
