import type { FastifyInstance } from 'fastify'

/** What the routes of an app say about a path. */
export interface Routes {
  /**
   * The methods of a path; empty when there is no such path. Routes with a parameter do not count where a route names
   * the path itself, as in OpenAPI: `/users/summary` is no user.
   * @param url path as it was sent; a query is not looked at
   */
  getMethods: (url: string) => string[]
  /**
   * Makes a function that tells whether a path belongs to another route, which names it more closely and has not this
   * method.
   * @param pattern url of the route that the router has chosen
   * @returns takes the method of a request, and the path as it was sent
   */
  createCheck: (pattern: string) => (method: string, url: string) => boolean
}

type Table = Map<string, Set<string>>

/**
 * Collects the routes of an app, so that a wrong method can be told from a wrong path.
 * @param app instance whose later routes are collected
 */
export function collectRoutes (app: FastifyInstance): Routes {
  const table: Table = new Map()
  app.addHook('onRoute', ({ url, method }) => {
    const pattern = trim(url)
    const methods = table.get(pattern) ?? new Set()
    for (const name of [method].flat()) methods.add(name.toUpperCase())
    table.set(pattern, methods)
  })
  return {
    getMethods: (url) => [...table.get(findClosest([...table.keys()], toPath(url)) ?? '') ?? []].sort(),
    createCheck: (route) => {
      const known = new Map<string, string[]>()
      return function isTaken (method, url) {
        // Found out at the first request, when all routes are there.
        const others = known.get(method) ?? getOthers(table, trim(route), method)
        known.set(method, others)
        if (others.length === 0) return false
        const path = toPath(url)
        return others.some((other) => matches(other, path))
      }
    }
  }
}

/** Of the patterns that match a path, the one whose first difference from the others is the less general part. */
function findClosest (patterns: string[], path: string): string | undefined {
  return patterns.filter((pattern) => matches(pattern, path)).sort(compare)[0]
}

/** Patterns that match some paths of this one, are closer to them, and have not the method. */
function getOthers (table: Table, pattern: string, method: string): string[] {
  const others = [...table].filter(([other, methods]) =>
    other !== pattern && !methods.has(method) && compare(other, pattern) < 0 &&
    matches(pattern, other.replaceAll(/\/:[^/]+/g, '/x'))
  )
  return others.map(([other]) => other)
}

function compare (one: string, other: string): number {
  const [parts, others] = [one.split('/'), other.split('/')]
  for (let at = 0; at < Math.min(parts.length, others.length); at++) {
    const difference = getRank(parts[at]) - getRank(others[at])
    if (difference !== 0) return difference
  }
  return others.length - parts.length
}

function getRank (part = ''): number {
  return part.endsWith('*') ? 2 : part.includes(':') ? 1 : 0
}

// The router compares parts of a path as they read when decoded.
function toPath (url: string): string {
  const end = url.search(/[?#]/)
  const path = trim(end === -1 ? url : url.slice(0, end))
  if (!path.includes('%')) return path
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

function trim (path: string): string {
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
}

function matches (pattern: string, path: string): boolean {
  if (!/[:*]/.test(pattern)) return pattern === path
  if (pattern.endsWith('*')) return path.startsWith(pattern.slice(0, -1)) && pattern !== '*' && pattern !== '/*'
  const wanted = pattern.split('/')
  const given = path.split('/')
  return wanted.length === given.length &&
    wanted.every((part, at) => part.startsWith(':') ? given[at] !== '' : part === given[at])
}
