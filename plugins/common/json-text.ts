import type { FastifyReply } from 'fastify'

/**
 * Answers with JSON text: a text of this type, or its bytes, is sent without another look.
 * @param json text of what the handler would return
 * @returns what the handler returns
 */
export function toJsonText<Payload> (reply: FastifyReply, json: string | Buffer): Payload {
  reply.type('application/json; charset=utf-8')
  return json as Payload & typeof json
}
