import type { Exchange } from './exchange.ts'
import { TransactionUsageError } from './errors.ts'

/** Methods of Node's response that would put bytes on the wire past the gate. */
const rawMethods = ['writeHead', 'write', 'end'] as const

/**
 * While a transaction is open, refuses `reply.hijack()` and successful replies written straight to `reply.raw`.
 * An error reply passes (Fastify itself writes its last-resort errors there) and rolls back.
 *
 * @returns a function that takes the guards off
 */
export function guardReply (exchange: Exchange): () => void {
  const { reply } = exchange
  const { raw } = reply
  const originals = rawMethods.map((method) => [method, raw[method], Object.hasOwn(raw, method)] as const)

  function unguard (): void {
    Reflect.deleteProperty(reply, 'hijack')
    for (const [method, original, wasOwn] of originals) {
      if (wasOwn) Reflect.set(raw, method, original)
      else Reflect.deleteProperty(raw, method)
    }
  }

  for (const [method, original] of originals) {
    Reflect.set(raw, method, function guarded (...args: unknown[]): unknown {
      const status = method === 'writeHead' && typeof args[0] === 'number' ? args[0] : raw.statusCode
      if (status < 400 && exchange.scope.isOpen) throw refusal(`reply.raw.${method}()`)
      unguard()
      exchange.scope.settle('rollback').catch(() => {})
      return Reflect.apply(original, raw, args)
    })
  }
  reply.hijack = function hijackWhileOpen () { throw refusal('reply.hijack()') }
  return unguard
}

function refusal (call: string): TransactionUsageError {
  return new TransactionUsageError(`${call} with an open transaction: await request.transaction.commit() or rollback() first`)
}
