import type { Field } from '../fields.ts'
import { capitalize } from '../names.ts'
import type { Resource } from '../resource.ts'
import { getSorted } from './list.ts'
import { uniqueDetail } from './table.ts'

/** `plugins/mongo/collections/<resource>.ts`. */
export function collectionFile (resource: Resource): string {
  const { table, fields, pluralWords } = resource
  const names = fields.map(({ name }) => name)
  const rules = fields.map((field) => `        ${field.name}: ${toRule(field)},`)
  return `${imports(resource, rules.some((rule) => rule.includes('properties.')))}
/** ${capitalize(pluralWords)}, whose home is here. */
export default {
  name: '${table}',
  indexes: [
${indexes(resource).join(',\n')}
  ],
  validator: {
    $jsonSchema: {
      bsonType: 'object',
      required: [${['_id', ...names, 'version', 'created_at', 'updated_at'].map((name) => `'${name}'`).join(', ')}],
      additionalProperties: false,
      properties: {
        _id: { bsonType: 'objectId' },
${rules.join('\n')}
        version: { ...COUNTER, minimum: 1 },
        created_at: { bsonType: 'date' },
        updated_at: { bsonType: 'date' }
      }
    },
    created_at: TIMESTAMP,
    updated_at: TIMESTAMP
  }
} satisfies Collection
`
}

function imports ({ file, type, fields }: Resource, needsSchema: boolean): string {
  const helpers = ['COUNTER', 'TIMESTAMP', ...fields.map(getHelper).filter((name) => name !== '')]
  const sorted = [...new Set(helpers)].toSorted((one, other) => one.localeCompare(other, 'en'))
  const collation = fields.some(({ type }) => type === 'decimal')
    ? "import { BY_NUMBER } from '../lists/collation.ts'\n"
    : ''
  const lines = `import { ${sorted.join(', ')}, type Collection } from '../collection.ts'\n${collation}`
  if (!needsSchema) return lines
  return `import { ${type}Schema } from '../../../schemas/${file}.ts'\n${lines}\nconst { properties } = ${type}Schema\n`
}

function indexes (resource: Resource): string[] {
  const { table, words, fields } = resource
  return [
    `    { name: '${table}_created_at_idx', key: { created_at: -1, _id: -1 } }`,
    ...getSorted(resource).map(({ name, type }) => {
      const collation = type === 'decimal' ? ', collation: BY_NUMBER' : ''
      return `    { name: '${table}_${name}_idx', key: { ${name}: 1, _id: 1 }${collation} }`
    }),
    ...fields.filter(({ isUnique }) => isUnique).map((field) =>
      `    {
      name: '${table}_${field.name}_key',
      key: { ${field.name}: 1 },
      unique: true,
      problem: { pointer: '/${field.name}', detail: '${uniqueDetail(words, field)}' }
    }`
    )
  ]
}

function getHelper ({ type }: Field): string {
  return { text: 'toTextRule', decimal: 'toTextRule', integer: 'toNumberRule', boolean: '' }[type]
}

function toRule (field: Field): string {
  return field.type === 'boolean' ? "{ bsonType: 'bool' }" : `${getHelper(field)}(properties.${field.name})`
}
