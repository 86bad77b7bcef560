import type { FastifySchema } from 'fastify'

const TOKEN = 'consistency-token'
// Topics and keys of this service are ASCII.
const NAME = '([A-Za-z0-9_]|%[0-7][0-9A-F])+'
const ONE = `(sql-${NAME}-[0-9a-z]+-[1-9][0-9]{0,17}-${NAME}|mongo-${NAME}-[0-9a-z]+-[0-9a-f]{16})`
const PREFER = {
  type: 'string',
  examples: ['wait=2'],
  description: 'wait=N (RFC 7240): seconds to wait, at most 10, until the other database has the write'
}
const ASKED = {
  type: 'string',
  pattern: `^${ONE}( *, *${ONE}){0,7}$`,
  examples: ['sql-users-5f2c9a011-4711-42'],
  description:
    'Up to 8 tokens of own writes, separated by commas; the answer waits up to a second until it shows them; 400 for what is no token'
}
const GIVEN = { type: 'string', description: 'Names the write; send it back on a read that must show it' }
const MET = { type: 'string', description: 'The tokens asked for, if the answer shows those writes' }
const APPLIED = { type: 'string', description: 'wait=N, if the other database has the write' }

/**
 * Adds to the schema of a documented operation the headers by which a client reads its own writes.
 * @param schema of the operation; is not changed
 * @param does whether it only reads, or writes in a transaction
 */
export function describeConsistency (schema: FastifySchema, does: 'read' | 'write'): FastifySchema {
  const { headers = {}, response = {} } = schema as {
    headers?: { properties?: object }
    response?: Record<string, object>
  }
  const asks = does === 'read' ? { [TOKEN]: ASKED, prefer: PREFER } : { prefer: PREFER }
  const gives = does === 'read'
    ? { 'Consistency-Token': MET }
    : { 'Consistency-Token': GIVEN, 'Preference-Applied': APPLIED }
  const answers = Object.entries(response).map((
    [status, answer]
  ) => [status, status.startsWith('2') ? withHeaders(answer, gives) : answer])
  return {
    ...schema,
    headers: { type: 'object', ...headers, properties: { ...headers.properties, ...asks } },
    response: Object.fromEntries(answers) as Record<string, unknown>
  }
}

function withHeaders (answer: { headers?: object }, headers: object): object {
  return { ...answer, headers: { ...answer.headers, ...headers } }
}
