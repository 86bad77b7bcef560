import { TransactionUsageError } from '../errors.ts'
import { getWords } from './sql-words.ts'

/**
 * First words that may end, begin or hand over a transaction; a text with one statement and another first word cannot.
 */
const suspects = new Set(['begin', 'start', 'commit', 'end', 'abort', 'rollback', 'prepare', 'set'])
const firstWord = /^\s*([a-z]+)/i
/** Texts that were found to hold no transaction control: programs send the same ones again and again. */
const harmless = new Set<string>()
const longestHarmless = 4096
const mostHarmless = 1000
const writes = new Set(['insert', 'update', 'delete', 'select', 'replace', 'with'])

/** The SQL of a statement in any of the forms drivers take. */
export function statementText (statement: string | { text?: unknown }): string {
  return typeof statement === 'string' ? statement : String(statement.text)
}

/** The SQL of a cursor or query stream; empty where it shows none. */
export function readerText (reader: object): string {
  const { text, cursor = {} } = reader as { text?: unknown; cursor?: { text?: unknown } }
  return [text, cursor.text].find((given): given is string => typeof given === 'string') ?? ''
}

/**
 * Refuses texts that would end the transaction behind the transaction's back, also as one of several statements, before
 * any of them is sent. Savepoints are fine, and so is SET TRANSACTION, which ends with the transaction.
 */
export function refuseTransactionControl (text: string): void {
  const refusal = transactionControlIn(text)
  if (refusal !== undefined) throw refusal
}

/** Why a text may not be sent; undefined when it may. */
export function transactionControlIn (text: string): TransactionUsageError | undefined {
  if (harmless.has(text)) return undefined
  const refusal = findTransactionControl(text)
  if (refusal === undefined && text.length <= longestHarmless) {
    if (harmless.size >= mostHarmless) harmless.clear()
    harmless.add(text)
  }
  return refusal
}

function findTransactionControl (text: string): TransactionUsageError | undefined {
  const [, first] = firstWord.exec(text) ?? []
  if (first !== undefined && !suspects.has(first.toLowerCase()) && !text.includes(';')) return undefined
  let isInBody = false
  for (const words of getStatements(text)) {
    const control = findControl(words)
    // The END of a body that began with BEGIN ATOMIC, or of an SQLite trigger.
    if (isInBody && control === 'END') isInBody = false
    else if (control !== undefined) return refusal(control)
    else isInBody ||= opensBody(words)
  }
  return undefined
}

/** The statements of a text as lists of words, empty ones left out. */
function* getStatements (text: string): Generator<string[]> {
  let words: string[] = []
  for (const word of getWords(text)) {
    if (word !== ';') {
      if (words.length < 3 || words[0] === 'create') words.push(word)
    } else if (words.length > 0) {
      yield words
      words = []
    }
  }
  if (words.length > 0) yield words
}

function findControl ([first = '', second, third]: string[]): string | undefined {
  if (first === 'rollback') {
    const next = second === 'work' || second === 'transaction' ? third : second
    return next === 'to' ? undefined : 'ROLLBACK'
  }
  if (first === 'start' || first === 'prepare') {
    return second === 'transaction'
      ? `${first} transaction`.toUpperCase()
      : undefined
  }
  if (first === 'set') {
    return second === 'session' && third === 'characteristics'
      ? 'SET SESSION CHARACTERISTICS'
      : undefined
  }
  return suspects.has(first) ? first.toUpperCase() : undefined
}

/**
 * True for a function or procedure whose body begins with BEGIN ATOMIC, and for an SQLite trigger: its END follows as
 * if it were a statement. What follows `begin` tells it from a name, which it may be in PostgreSQL.
 */
function opensBody (words: string[]): boolean {
  if (words[0] !== 'create') return false
  const isRoutine = words.slice(1, 4).some((word) => word === 'function' || word === 'procedure')
  const isTrigger = words.slice(1, 4).includes('trigger')
  let depth = 0
  for (const [index, word] of words.entries()) {
    if (word === '(') depth++
    if (word === ')') depth--
    if (word !== 'begin' || depth > 0) continue
    const next = words[index + 1] ?? ''
    if (isRoutine && next === 'atomic') return words[index + 2] !== 'end'
    if (isTrigger && writes.has(next)) return true
  }
  return false
}

function refusal (control: string): TransactionUsageError {
  const instead = control === 'SET SESSION CHARACTERISTICS'
    ? 'it would change the transactions of other requests; use isolationLevel and accessMode of the route'
    : 'the reply decides; use commit(), rollback() or setRollbackOnly() of the transaction'
  return new TransactionUsageError(`${control} cannot be sent as a statement: ${instead}`)
}
