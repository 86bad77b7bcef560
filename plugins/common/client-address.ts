import { isIPv6 } from 'node:net'
import type { FastifyRequest } from 'fastify'

const GROUPS = 8
/** Of an IPv6 address, what names the network of one subscriber (/64): the rest is any device's choice. */
const NETWORK_GROUPS = 4

/**
 * The address by which a client is counted: without the port that some proxies add, since each connection has another
 * one, and of IPv6 the network alone.
 * @param request whose `ip` is that of the connection, or what trusted proxies say
 */
export function getClientAddress ({ ip }: Pick<FastifyRequest, 'ip'>): string {
  const address = withoutPort(ip)
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  return isIPv6(address) ? getNetwork(address) : address
}

function withoutPort (ip: string): string {
  const inBrackets = /^\[([^\]]+)\](:\d+)?$/.exec(ip)?.[1]
  return inBrackets ?? (/^[^:]+:\d+$/.test(ip) ? ip.slice(0, ip.indexOf(':')) : ip)
}

function getNetwork (address: string): string {
  const [head = '', tail = ''] = address.toLowerCase().replace(/%.*$/, '').split('::')
  const [before, after] = [head, tail].map((part) => part === '' ? [] : part.split(':'))
  const zeros = Array.from({ length: Math.max(0, GROUPS - (before?.length ?? 0) - (after?.length ?? 0)) }, () => '0')
  const groups = address.includes('::') ? [...before ?? [], ...zeros, ...after ?? []] : before ?? []
  return `${groups.slice(0, NETWORK_GROUPS).map((group) => group.replace(/^0+(?=.)/, '')).join(':')}::`
}
