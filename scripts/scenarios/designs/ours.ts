import pg from 'pg'
import transaction from '../../../plugins/transaction/index.ts'
import type { Design } from '../types.ts'

export const { name, register, route, query }: Design = {
  name: 'this plugin',
  async register (app, config) {
    const pool = new pg.Pool(config)
    await app.register(transaction, { pool })
    return pool
  },
  route: (wish) => ({ config: { transaction: wish } }),
  query: async (request, text, values) => await request.transaction.query(text, values)
}
