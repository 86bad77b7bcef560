import type { ConstraintProblem } from '../../drizzle/constraints.ts'
import { generatedKeys, type GeneratedKey } from '../../drizzle/generated-keys.ts'
import type { ProblemError } from '../../schemas/problem.ts'
import { getDriverError } from 'fastify-transaction'

type Constraints = Readonly<Record<string, ConstraintProblem>>
type Fault = Error & Record<string, unknown>
interface Rule {
  operatorName?: string
  propertiesNotSatisfied?: Array<{ propertyName: string }>
  missingProperties?: string[]
  additionalProperties?: string[]
}

const UNSATISFIED = 'does not satisfy the rules of its collection'

/** Which fields of the request a database error is about. */
export interface Fields {
  errors: ProblemError[]
  /** One sentence for the whole, where the constraint has one. */
  detail?: string
}

/**
 * The fields a database error is about, found by the name of the constraint or index, never by values.
 * @param error what was thrown
 * @param constraints name of constraint or index → pointer and detail
 * @returns entries for `errors`; none when the fields cannot be told, or when it is about the resource as a whole
 */
export function findFields (error: unknown, constraints: Constraints): Fields {
  const fault = getDriverError(error)
  if (fault === undefined) return { errors: [] }
  const known = getNames(fault).map((name) => constraints[name]).find((problem) => problem !== undefined)
  if (known === undefined) return { errors: ruleErrors(fault) }
  const { pointer, detail } = known
  return { detail, errors: pointer === '' ? [] : [{ pointer, detail }] }
}

/** A key of the database's own making that it could not use. */
export interface KeyFault extends GeneratedKey {
  /** True: none is left. False: the one it made is taken. */
  isSpent: boolean
}

/** A sequence that is at its end, in PostgreSQL's words of any language or those of our trigger in SQLite. */
const SPENT = /"(\w+_seq)"|no id is left for (\w+\.\w+)/

/**
 * The key that the database has made and found taken, or could not make, which is no fault of the request; undefined
 * for any other error.
 */
export function findKeyFault (error: unknown): KeyFault | undefined {
  const fault = getDriverError(error)
  if (fault === undefined) return undefined
  const spent = fault.code === '2200H' || String(fault.code).startsWith('SQLITE_CONSTRAINT')
    ? SPENT.exec(fault.message)
    : null
  const names = spent === null ? getNames(fault) : [spent[1] ?? spent[2] ?? '']
  const key = names.map((name) => generatedKeys[name]).find(Boolean)
  return key === undefined ? undefined : { ...key, isSpent: spent !== null }
}

// PostgreSQL names the constraint, MongoDB the index, SQLite only table and columns.
function getNames (fault: Fault): string[] {
  if (typeof fault.constraint === 'string') {
    return [stillReferenced(fault) ? `${fault.constraint} on delete` : fault.constraint]
  }
  const index = /index: (\S+) dup key/.exec(fault.message)?.[1]
  if (index !== undefined) return [index]
  const indexOfExpression = /UNIQUE constraint failed: index '([\w]+)'/.exec(fault.message)?.[1]
  if (indexOfExpression !== undefined) return [indexOfExpression]
  const columns = /^(?:SQLITE_\w+: )*UNIQUE constraint failed: ([\w., ]+)$/.exec(fault.message)?.[1]
  if (columns === undefined) return []
  const parts = columns.split(', ')
  const table = parts[0]?.split('.')[0] ?? ''
  const joined = `${table}_${parts.map((part) => part.split('.')[1]).join('_')}`
  return [columns, `${joined}_unique`, `${joined}_key`]
}

function stillReferenced (fault: Fault): boolean {
  // A repository's query knows its verb, and has said so already.
  if (String(fault.constraint).endsWith(' on delete')) return false
  return fault.code === '23001' || (fault.code === '23503' && fault.message.startsWith('update or delete on'))
}

/** What a validator says: of `$jsonSchema` its rules, of a comparison what was declared, of several the parts. */
interface Verdict {
  schemaRulesNotSatisfied?: Rule[]
  specifiedAs?: Record<string, unknown>
  clausesNotSatisfied?: Array<{ details?: Verdict }>
}

// A verdict repeats the refused value (consideredValue): only names of fields and rules are taken.
function ruleErrors (fault: Fault): ProblemError[] {
  const { details } = (fault.errInfo ?? {}) as { details?: Verdict }
  return details === undefined ? [] : verdictErrors(details)
}

function verdictErrors ({ schemaRulesNotSatisfied, specifiedAs = {}, clausesNotSatisfied }: Verdict): ProblemError[] {
  if (clausesNotSatisfied !== undefined) {
    return clausesNotSatisfied.flatMap(({ details }) => details === undefined ? [] : verdictErrors(details))
  }
  if (schemaRulesNotSatisfied !== undefined) return schemaRulesNotSatisfied.flatMap(toErrors)
  return Object.keys(specifiedAs).filter((name) => !name.startsWith('$')).map((name) => entry(name, UNSATISFIED))
}

function toErrors ({ propertiesNotSatisfied = [], missingProperties = [], additionalProperties = [] }: Rule) {
  return [
    ...propertiesNotSatisfied.map(({ propertyName }) => entry(propertyName, UNSATISFIED)),
    ...missingProperties.map((name) => entry(name, 'is required')),
    ...additionalProperties.map((name) => entry(name, 'is not a known field'))
  ]
}

function entry (name: string, detail: string): ProblemError {
  return { pointer: `/${name}`, detail }
}
