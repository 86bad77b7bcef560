import type { FastifyRequest } from 'fastify'

/**
 * The address of a client, without the port that some proxies add: each connection of a client has another one.
 * @param request whose `ip` is that of the connection, or what trusted proxies say
 */
export function getClientAddress ({ ip }: Pick<FastifyRequest, 'ip'>): string {
  const ipv6 = /^\[([^\]]+)\](:\d+)?$/.exec(ip)?.[1]
  return ipv6 ?? (/^[^:]+:\d+$/.test(ip) ? ip.slice(0, ip.indexOf(':')) : ip)
}
