import type { FastifyInstance } from 'fastify'

type Table = Map<string, Set<string>>

/**
 * Collects the routes of an app, so that a wrong method can be told from a wrong path.
 * @param app instance whose later routes are collected
 * @returns a function that lists the methods a path answers; empty when there is no such path
 */
export function collectRoutes (app: FastifyInstance): (path: string) => string[] {
  const table: Table = new Map()
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = trim(url)
    const methods = table.get(pattern) ?? new Set()
    for (const name of [method].flat()) methods.add(name.toUpperCase())
    table.set(pattern, methods)
  })
  return (path) => {
    const methods = [...table].filter(([pattern]) => matches(pattern, trim(path))).flatMap(([, names]) => [...names])
    return [...new Set(methods)].sort()
  }
}

function trim (path: string): string {
  return path.length > 1 ? path.replace(/\/$/, '') : path
}

function matches (pattern: string, path: string): boolean {
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1)) && pattern !== '*' && pattern !== '/*'
  const wanted = pattern.split('/')
  const given = path.split('/')
  return wanted.length === given.length &&
    wanted.every((part, at) => part.startsWith(':') ? given[at] !== '' : part === given[at])
}
