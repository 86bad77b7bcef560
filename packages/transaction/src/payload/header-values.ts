import { validateHeaderName, validateHeaderValue } from 'node:http'
import { TransactionUsageError } from '../errors.ts'

/** HTTP/2 refuses these (RFC 9113, 8.2.2); `connection` and `host` Node drops or sends. */
const notInHttp2 = ['keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']
/**
 * Node sends these once over HTTP/2 and refuses a list of values (kSingleValueHeaders in lib/internal/http2/util.js).
 */
const onceInHttp2 = new Set(
  `access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag expires from
  host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards proxy-authorization
  range referer retry-after tk upgrade-insecure-requests user-agent x-content-type-options`.split(/\s+/)
)

/**
 * The text of one header or trailer. Throws what Node would throw when it writes it.
 *
 * @param httpVersion the major version, 1 or 2
 */
export function validateHeader (name: string, value: unknown, httpVersion: number): string
export function validateHeader (name: string, value: unknown, httpVersion: number, list: 'list'): string | string[]
export function validateHeader (name: string, value: unknown, httpVersion: number, list?: 'list'): string | string[] {
  validateHeaderName(name)
  if (httpVersion === 2) validateForHttp2(name.toLowerCase(), value)
  if (list === undefined || !Array.isArray(value)) return toText(name, value)
  return value.map((each) => toText(name, each))
}

/** Node makes text of values by their own means, after the COMMIT and more than once; here it is made for good. */
function toText (name: string, value: unknown): string {
  if (typeof value === 'symbol') {
    throw new TransactionUsageError(`the value of the header ${name} is a symbol; it must be text`)
  }
  if (value === undefined) throw new TransactionUsageError(`the header ${name} has no value`)
  const text = Reflect.apply(String, undefined, [value])
  validateHeaderValue(name, text)
  return text
}

function validateForHttp2 (name: string, value: unknown): void {
  if (value === null) throw new TransactionUsageError(`the header ${name} has no value`)
  if (notInHttp2.includes(name) || (name === 'te' && value !== 'trailers')) {
    throw new TransactionUsageError(`HTTP/2 has no header ${name}; send it over HTTP/1.1 only`)
  }
  if (onceInHttp2.has(name) && Array.isArray(value) && value.length > 1) {
    throw new TransactionUsageError(`the header ${name} can be sent only once`)
  }
}
