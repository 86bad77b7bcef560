import type { RouteOptions } from 'fastify'
import { isPlainObject } from './clone-plain.ts'
import { TransactionUsageError } from './errors.ts'
import { describeKind, isTypo } from './option-checks.ts'

/**
 * What is wrong with the place, name or kind of a route's declaration, as an error with a sentence; undefined when nothing is.
 * Such a route would boot without the transaction that its author believes in, and commit each statement by itself.
 *
 * @param name the plugin option `name`: its decorator may be mistaken for the declaration. Default none
 */
export function findMisplacedDeclaration (route: RouteOptions, name?: string): TransactionUsageError | undefined {
  const where = `${[route.method].flat().join('|')} ${route.url}`
  const own: Record<string, unknown> = { ...route }
  const config: Record<string, unknown> = { ...route.config }
  const { transaction: declared } = config
  const declaration = name === undefined
    ? 'config: { transaction: true }'
    : `config: { transaction: { name: '${name}' } }`
  if (!isDeclaration(declared)) {
    return new TransactionUsageError(
      `config.transaction of ${where}: must be true, false, 'statement' or an object of options, not ${
        describeKind(declared)
      }; write config: { transaction: true }`
    )
  }
  const isMeant = (key: string) => isTypo(key, 'transaction') || (name !== undefined && isMultipleOf(key, name))
  const beside = findGiven(own, isMeant)
  if (beside !== undefined) {
    return new TransactionUsageError(
      `${where} has the option ${beside} beside config, where it does nothing; write ${declaration}`
    )
  }
  const isOfName = (declared as { name?: unknown } | undefined)?.name === name
  const misspelt = findGiven(
    config,
    (key) => key !== 'transaction' && (isTypo(key, 'transaction') || (!isOfName && isMeant(key)))
  )
  if (misspelt === undefined) return undefined
  return new TransactionUsageError(
    `${where} has config.${misspelt}, which declares no transaction; write ${declaration}`
  )
}

/** A transaction is declared by true, by 'statement' or by options; whether their values are right is checked with them. */
function isDeclaration (declared: unknown): boolean {
  if (typeof declared === 'object' || typeof declared === 'function') {
    return declared !== null && typeof declared === 'object' && !Array.isArray(declared) && isPlainObject(declared)
  }
  return declared === undefined || typeof declared === 'boolean' || declared === 'statement'
}

/** The first name of something given that a test finds. */
function findGiven (options: Record<string, unknown>, isMeant: (key: string) => boolean): string | undefined {
  return Object.keys(options).find((key) => options[key] !== undefined && isMeant(key))
}

/** The name in any case, or its plural. */
function isMultipleOf (key: string, name: string): boolean {
  const plain = key.toLowerCase()
  return plain === name.toLowerCase() || plain === `${name.toLowerCase()}s`
}
