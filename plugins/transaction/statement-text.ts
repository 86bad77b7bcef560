import { TransactionUsageError } from './errors.ts'

const leadingNoise = String.raw`^(?:\s|;|--[^\n]*\n|\/\*[\s\S]*?\*\/)*`
const transactionControl = new RegExp(`${leadingNoise}(begin|start\\s+transaction|commit|end|abort|rollback(?!\\s+(?:work\\s+|transaction\\s+)?to\\b)|prepare\\s+transaction)\\b`, 'i')

/** The SQL of a statement in any of the forms drivers take. */
export function statementText (statement: string | { text?: unknown }): string {
  return typeof statement === 'string' ? statement : String(statement.text)
}

/** Refuses statements that would end the transaction behind the scope's back; savepoints are fine. */
export function refuseTransactionControl (text: string): void {
  const match = transactionControl.exec(text)
  if (match === null) return
  throw new TransactionUsageError(`${(match[1] ?? '').toUpperCase()} cannot be sent as a statement: the reply decides; use commit(), rollback() or setRollbackOnly() of the transaction`)
}

const literals = /\$(\w*)\$[\s\S]*?\$\1\$|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\//g

/** True for several statements in one text of which a later one controls the transaction. */
export function hidesTransactionControl (text: string): boolean {
  return text.includes(';') && text.replace(literals, ' ').split(';').slice(1).some((statement) => transactionControl.test(statement))
}
