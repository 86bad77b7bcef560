import createError from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { endAfterAnswer } from '../errors/client-error.ts'

const CodingError = createError('BODY_CODING', 'The body is encoded, and no coding is undone here.', 415)

/** Refuses bodies that are compressed or otherwise coded: their bytes would be taken for the text itself. */
export function refuseCodings (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
  const { 'content-encoding': content = '', 'transfer-encoding': transfer = '' } = request.headers
  if (content === '' && transfer === '') return done()
  const isReadable = /^(chunked)?$/i.test(transfer.trim())
  if (isReadable && /^(identity)?$/i.test(content.trim())) return done()
  if (!isReadable) {
    // Where such a body ends, and the next request begins, nobody can tell.
    reply.header('connection', 'close')
    endAfterAnswer(request.raw.socket)
  }
  // RFC 9110, 12.5.3: what the client may send instead.
  reply.header('accept-encoding', 'identity')
  done(new CodingError())
}
