import pluralize from 'pluralize'
import { UsageError } from './fields.ts'

/** The words of a resource, as each layer writes them. */
export interface Names {
  /** File and path: `order-lines`. */
  file: string
  /** Table and collection: `order_lines`. */
  table: string
  /** Variable of many: `orderLines`. */
  many: string
  /** Variable of one: `orderLine`. */
  one: string
  /** Type of one: `OrderLine`. */
  type: string
  /** Type of many: `OrderLines`. */
  types: string
  /** For people: `order line` and `order lines`. */
  words: string
  pluralWords: string
}

/** Paths at which the service answers for itself. */
const PATHS = new Set(['docs', 'healthz', 'livez', 'readyz'])
const NAME = /^[a-z][a-z0-9]*([-_][a-z][a-z0-9]*)*$/
// What the generated files import or declare under names of their own.
const TAKEN = new Set(
  'Array Boolean Database Date Dialect Documents Error Map Number Object ObjectId Page PageRequest Params Placeholder Precondition Promise Record SQL Set Static String Symbol Tables Type VersionLists'
    .split(' ')
)
// Words of the language, and variables of the generated files that one of the resource must not hide.
const RESERVED = new Set(
  'break case catch class const continue default delete do else enum export extends false finally for function if import in interface let new null package private protected public return static super switch this throw true try typeof var void while with yield '
    .concat(
      'after all and asc changed changes collection count created db dialect document eq given gt headers id invalid limit match method now '
    )
    .concat('param ref reply request response run skip sql t url version')
    .split(' ')
)

// Words that the library takes for one of y, ch or se: it would make a cooky of cookies.
pluralize.addSingularRule(
  /^(brownie|cache|calorie|canvas|cookie|genie|hoodie|lie|niche|pie|rookie|selfie|smoothie|tie|zombie)e?s$/,
  '$1'
)
pluralize.addSingularRule(/^(ech|vet)oes$/, '$1o')

/**
 * The words of a resource.
 * @param plural lower case, words joined by `-` or `_`
 * @param singular where the rule of English does not find it
 * @throws UsageError when a word cannot be used
 */
export function toNames (plural: string, singular?: string): Names {
  for (const name of [plural, singular ?? plural]) {
    if (!NAME.test(name)) {
      throw new UsageError(
        `"${name}" is no name: use lower case letters and digits, a letter first in each word, and - between words`
      )
    }
  }
  const file = plural.replaceAll('_', '-')
  const single = (singular ?? toSingular(file)).replaceAll('_', '-')
  const type = capitalize(toCamel(single))
  const names = {
    file,
    table: file.replaceAll('-', '_'),
    many: toCamel(file),
    one: toCamel(single),
    type,
    types: capitalize(toCamel(file)),
    words: single.replaceAll('-', ' '),
    pluralWords: file.replaceAll('-', ' ')
  }
  if (single === file) {
    throw new UsageError(`One of "${file}" has no name of its own: give the plural, or add --singular <word>`)
  }
  if (PATHS.has(file)) throw new UsageError(`/${file} is a path of the service itself: take another name than ${file}`)
  if (TAKEN.has(type) || RESERVED.has(names.one) || RESERVED.has(names.many)) {
    throw new UsageError(`"${file}" is a word of TypeScript or of this service: take a longer one, such as my-${file}`)
  }
  return names
}

function toSingular (plural: string): string {
  return plural.replace(/[a-z0-9]+$/, (last) => pluralize.singular(last))
}

function toCamel (name: string): string {
  return name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())
}

/** `product` → `Product`. */
export function capitalize (text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `order` → `an order`. */
export function withArticle (words: string): string {
  return `${/^[aeiou]/.test(words) ? 'an' : 'a'} ${words}`
}
