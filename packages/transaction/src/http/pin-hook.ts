import type { RouteOptions } from 'fastify'

type HookName = 'onSend' | 'preHandler'
type Hook = (...args: never[]) => unknown

/** Hooks that keep their places in a route's list, whatever other plugins add, wrap or assign. */
export interface PinnedHook {
  /** Whether Fastify has read the list with them in it. */
  wasRead: () => boolean
}

/**
 * Keeps a hook first or last in a route's own list. Other plugins see the list without it while the route is being
 * declared, so that they can neither wrap nor drop it; Fastify reads the complete list when the app gets ready.
 */
export function pinHook (
  route: RouteOptions,
  name: HookName,
  pinned: { first?: Hook | undefined; last: Hook }
): PinnedHook {
  let others = toList(route[name])
  let isDeclaring = true
  let isRead = false
  const first = pinned.first === undefined ? [] : [pinned.first]
  queueMicrotask(() => {
    isDeclaring = false
  })
  function read (): Hook[] | undefined {
    if (isDeclaring) return others.length === 0 ? undefined : others
    isRead = true
    return [...first, ...others, pinned.last]
  }
  // Configurable: a plugin that deletes the property gets a sentence of ours at boot, not a TypeError of its own.
  Object.defineProperty(route, name, {
    enumerable: true,
    configurable: true,
    get: read,
    set (hooks: unknown) {
      others = toList(hooks).filter((hook) => hook !== pinned.first && hook !== pinned.last)
    }
  })
  return { wasRead: () => isRead && Object.getOwnPropertyDescriptor(route, name)?.get === read }
}

function toList (hooks: unknown): Hook[] {
  return hooks === undefined || hooks === null ? [] : [hooks as Hook | Hook[]].flat()
}
