import transaction from '../../../plugins/transaction/index.ts'
import type { Subject } from '../subject.ts'

/** The plugin as its README shows it, without further options. */
export const subject: Subject = {
  name: 'this plugin',
  register: (app, pool) => app.register(transaction, { pool }),
  config: { config: { transaction: true } },
  retried: { config: { transaction: { isolationLevel: 'serializable', retries: 5 } } },
  query: (request, text, values = []) => request.transaction.query(text, values)
}
