import { parseField, UsageError, type Field } from './fields.ts'
import { toNames, type Names } from './names.ts'

/** A resource that is to be made. */
export interface Resource extends Names {
  store: 'sql' | 'mongo'
  fields: Field[]
}

/**
 * Reads the words of `npm run new --`.
 * @throws UsageError when they are not understood
 */
export function parseResource (words: string[]): Resource {
  const { plain, options } = splitOptions(words)
  const [name, ...fieldWords] = plain
  if (name === undefined || fieldWords.length === 0) throw new UsageError('A resource needs a name and a field')
  const store = options.get('store') ?? 'sql'
  if (store !== 'sql' && store !== 'mongo') throw new UsageError(`--store is sql or mongo, not "${store}"`)
  const fields = fieldWords.map(parseField)
  const twice = fields.find(({ name }, at) => fields.findIndex((field) => field.name === name) !== at)
  if (twice !== undefined) throw new UsageError(`The field ${twice.name} is given twice`)
  const names = toNames(name, options.get('singular'))
  const long = fields.map((field) => `${names.table}_${field.name}_check`).find(({ length }) => length > LONGEST_NAME)
  if (long !== undefined) {
    throw new UsageError(
      `${long} is longer than the ${LONGEST_NAME} characters of a name in PostgreSQL: take shorter ones`
    )
  }
  return { ...names, store, fields }
}

/** What a table, a constraint or an index may be called; PostgreSQL cuts off the rest. */
const LONGEST_NAME = 63

/** What may stand behind `--`. */
export const OPTIONS = ['store', 'singular']

function splitOptions (words: string[]): { plain: string[]; options: Map<string, string> } {
  const plain: string[] = []
  const options = new Map<string, string>()
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    if (!word.startsWith('--')) {
      plain.push(word)
      continue
    }
    const [name = '', joined] = word.slice(2).split('=')
    const value = joined ?? words[++at]
    if (!OPTIONS.includes(name)) throw new UsageError(`--${name} is not known: there are --store and --singular`)
    if (value === undefined || value === '') throw new UsageError(`--${name} needs a word behind it`)
    options.set(name, value)
  }
  return { plain, options }
}
