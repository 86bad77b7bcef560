import { withArticle } from '../names.ts'
import type { Field } from '../fields.ts'
import type { Resource } from '../resource.ts'
import { getFiltered } from './list.ts'

/** The types that a repository tells its callers about. */
export function newAndChanges ({ type, fields }: Resource): string {
  return `export interface New${type} {
${fields.map((field) => `  ${field.name}: ${toType(field)}`).join('\n')}
}
export type ${type}Changes = Partial<New${type}>`
}

/** First lines of a verb that a repository has whatever its store. */
export function missing ({ words }: Resource): string {
  return `null when there is no such ${words}, or not as it is expected`
}

/** `a taken name violates products_name_key`, or nothing. */
export function violations ({ table, words, fields }: Resource): string {
  const unique = fields.filter(({ isUnique }) => isUnique).map(({ name }) =>
    `${withArticle('taken')} ${name.replaceAll('_', ' ')} violates \`${table}_${name}_key\``
  )
  return `Stores ${withArticle(words)}${unique.length === 0 ? '' : `; ${unique.join(', ')}`}.`
}

/** What `list` takes beside a page: `Pick<NewProduct, 'name'>`, partial; nothing without filters. */
export function filterType (resource: Resource): string {
  const names = getFiltered(resource).map(({ name }) => `'${name}'`)
  return names.length === 0 ? '' : ` & Partial<Pick<New${resource.type}, ${names.join(' | ')}>>`
}

function toType ({ type }: Field): string {
  return { text: 'string', decimal: 'string', integer: 'number', boolean: 'boolean' }[type]
}
