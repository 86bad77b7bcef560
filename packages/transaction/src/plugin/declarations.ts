import type { RouteOptions } from 'fastify'
import { isPlainObject } from '../http/clone-plain.ts'
import { TransactionUsageError } from '../errors.ts'
import { describeKind, isTypo } from '../options/checks.ts'

/**
 * Refuses a route whose declaration has a wrong place, name or kind. It would boot without the transaction that it asks
 * for, and commit each statement by itself.
 *
 * @param name the plugin option `name`: its decorator may be mistaken for the declaration. Default none
 * @throws TransactionUsageError with a sentence that says what to write
 */
export function refuseMisplacedDeclaration (route: RouteOptions, name?: string): void {
  const mistake = findMistake(route, name)
  if (mistake !== undefined) throw new TransactionUsageError(mistake)
}

function findMistake (route: RouteOptions, name: string | undefined): string | undefined {
  const where = `${[route.method].flat().join('|')} ${route.url}`
  const config: Record<string, unknown> = { ...route.config }
  const { transaction: declared } = config
  if (!isDeclaration(declared)) {
    return `config.transaction of ${where}: must be true, false, 'statement' or an object of options, not ${
      describeKind(declared)
    }; write config: { transaction: true }`
  }
  const declaration = name === undefined
    ? 'config: { transaction: true }'
    : `config: { transaction: { name: '${name}' } }`
  const isMeant = (key: string) => isTypo(key, 'transaction') || (name !== undefined && isNameOrPlural(key, name))
  const beside = findGiven({ ...route }, isMeant)
  if (beside !== undefined) {
    return `${where} has the option ${beside} beside config, where it does nothing; write ${declaration}`
  }
  // A route that means this registration may have something else under its name.
  const isOfName = (declared as { name?: unknown } | undefined)?.name === name
  const isMisspelt = isOfName ? (key: string) => isTypo(key, 'transaction') : isMeant
  const misspelt = findGiven(config, (key) => key !== 'transaction' && isMisspelt(key))
  return misspelt === undefined
    ? undefined
    : `${where} has config.${misspelt}, which declares no transaction; write ${declaration}`
}

/**
 * A transaction is declared by true, by 'statement' or by options; whether their values are right is checked with them.
 */
function isDeclaration (declared: unknown): boolean {
  if (typeof declared === 'object') {
    return declared !== null && !Array.isArray(declared) && isPlainObject(declared)
  }
  return declared === undefined || typeof declared === 'boolean' || declared === 'statement'
}

/** The first name of something given that a test finds. */
function findGiven (options: Record<string, unknown>, isMeant: (key: string) => boolean): string | undefined {
  return Object.keys(options).find((key) => options[key] !== undefined && isMeant(key))
}

/** The name in any case, or its plural. */
function isNameOrPlural (key: string, name: string): boolean {
  const plain = key.toLowerCase()
  return plain === name.toLowerCase() || plain === `${name.toLowerCase()}s`
}
