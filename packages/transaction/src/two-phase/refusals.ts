import { TransactionUsageError } from '../errors.ts'
import { getWords } from '../sql-text/sql-words.ts'

/** First words of statements that PREPARE TRANSACTION refuses, or that would change the session whatever is decided. */
const suspects = new Set([
  'listen',
  'unlisten',
  'notify',
  'create',
  'declare',
  'set',
  'reset',
  'discard',
  'select',
  'load'
])
/** Texts that were found harmless: programs send the same ones again and again. */
const harmless = new Set<string>()
const longestHarmless = 4096
const mostHarmless = 1000

/**
 * Why a statement cannot be part of a transaction of both stores; undefined where it can. What a function or a trigger
 * does is not seen here: PREPARE refuses it at the end.
 */
export function findTwoPhaseRefusal (text: string): TransactionUsageError | undefined {
  if (harmless.has(text)) return undefined
  let words: string[] = []
  for (const word of [...getWords(text), ';']) {
    if (word !== ';') {
      words.push(word)
      continue
    }
    const mistake = suspects.has(words[0] ?? '') ? findMistake(words) : undefined
    if (mistake !== undefined) {
      return new TransactionUsageError(`${mistake} in a transaction with crossStore: 'two-phase'`)
    }
    words = []
  }
  if (text.length <= longestHarmless) {
    if (harmless.size >= mostHarmless) harmless.clear()
    harmless.add(text)
  }
  return undefined
}

function findMistake (words: string[]): string | undefined {
  const [first = '', second = '', third = ''] = words
  if (['listen', 'unlisten', 'notify'].includes(first)) return `PostgreSQL takes no ${first.toUpperCase()}`
  if (first === 'create' && [second, third].some((word) => word === 'temp' || word === 'temporary')) {
    return 'PostgreSQL takes no temporary table'
  }
  if (first === 'select') {
    const into = words.indexOf('into')
    if (into > 0 && words[into + 1]?.startsWith('temp') === true) return 'PostgreSQL takes no temporary table'
    return findSessionFunction(words)
  }
  if (first === 'declare') {
    return words.some((word, at) => word === 'with' && words[at + 1] === 'hold')
      ? 'PostgreSQL takes no cursor WITH HOLD'
      : undefined
  }
  if (first === 'set') {
    return ['local', 'constraints', 'transaction'].includes(second)
      ? undefined
      : 'SET would change the session whatever is decided; write SET LOCAL'
  }
  return ['reset', 'discard', 'load'].includes(first)
    ? `${first.toUpperCase()} would change the session whatever is decided, and is refused`
    : undefined
}

function findSessionFunction (words: string[]): string | undefined {
  if (words.includes('pg_notify')) return 'PostgreSQL takes no pg_notify()'
  const lock = words.find((word) => /^pg_(try_)?advisory_lock(_shared)?$/.test(word))
  if (lock !== undefined) {
    return `${lock}() would hold its lock for the session whatever is decided; use pg_advisory_xact_lock()`
  }
  return words.includes('set_config') && words.some((word, at) => word === 'false' && words[at + 1] === ')')
    ? 'set_config(…, false) would change the session whatever is decided; write set_config(…, true)'
    : undefined
}
