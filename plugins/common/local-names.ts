import { isIP } from 'node:net'

/** Whether a listener on this address can be reached from the machine it runs on only. */
export function isLoopback (host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/**
 * Whether a `Host` header names this machine. A name of another site may lead here too (DNS rebinding); to a browser its
 * scripts and our answers would then be of one origin. `*.localhost` leads nowhere else.
 */
export function isLocalName (host = ''): boolean {
  const name = toName(host)
  return isLoopback(name) || name.endsWith('.localhost')
}

/** The name in a `Host` header, in lower case, without port and brackets. */
export function toName (host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '').replace(/^\[|\]$/g, '').replace(/\.$/, '')
}
