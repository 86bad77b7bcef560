import type { FastifyRequest } from 'fastify'

/** Inserts an item in the transaction of a request. */
export function insert (request: FastifyRequest, id: number) {
  return request.transaction.query('insert into item values ($1, $2)', [id, 'a note'])
}

/** What to select, as `value`, to learn a setting of the session. */
export function setting (name: string): string {
  return `current_setting('${name}') as value`
}
