import createError from '@fastify/error'
import type { FastifyReply, FastifyRequest } from 'fastify'

const UrlError = createError('URL_NOT_UTF8', 'The URL is not percent-encoded UTF-8.', 400)

/**
 * Refuses URLs with bytes beyond ASCII or percent-encodings that are no UTF-8: parsers would read something else than
 * was sent.
 */
export function refuseMalformedUrl (
  { raw }: FastifyRequest,
  _reply: FastifyReply,
  done: (error?: Error) => void
): void {
  done(isUtf8Url(raw.url ?? '/') ? undefined : new UrlError())
}

function isUtf8Url (url: string): boolean {
  if (!/^[\x21-\x7e]*$/.test(url)) return false
  if (!url.includes('%')) return true
  try {
    decodeURIComponent(url)
    return true
  } catch {
    return false
  }
}
