// Copies of request data for the next run of a handler.
import { clonePlain, NOT_PLAIN } from '../src/http/clone-plain.ts'
import { test } from './harness.ts'

class Session {
  visits = 0
}

test('copies of data are of the same kind, and share nothing', async (t) => {
  const shared = { n: 1 }
  const cyclic: Record<string, unknown> = {}
  cyclic['self'] = cyclic
  const poisoned = JSON.parse('{"__proto__": {"isAdmin": true}}') as Record<string, unknown>
  const source = {
    shared,
    again: shared,
    cyclic,
    poisoned,
    list: [1, [2]],
    at: new Date(5),
    bytes: Buffer.from('ab'),
    view: new Uint8Array([1]),
    map: new Map([['a', { n: 1 }]]),
    set: new Set([1]),
    bare: Object.assign(Object.create(null) as object, { a: 1 })
  }
  const copy = clonePlain(source) as typeof source
  t.strictSame(copy.list, source.list)
  t.not(copy.shared, source.shared)
  t.equal(copy.shared, copy.again, 'one object stays one')
  t.equal(copy.cyclic['self'], copy.cyclic)
  t.equal(copy.poisoned['isAdmin'], undefined, 'no key becomes a prototype')
  t.ok(Object.hasOwn(copy.poisoned, '__proto__'))
  t.equal(Object.getPrototypeOf(copy.bare), null)
  for (const key of ['at', 'bytes', 'view', 'map', 'set'] as const) {
    t.not(copy[key], source[key])
    t.equal(copy[key].constructor, source[key].constructor)
    t.strictSame(copy[key], source[key])
  }
  t.not(copy.map.get('a'), source.map.get('a'))
  let doubled: unknown = 'leaf'
  for (let depth = 0; depth < 100; depth++) doubled = [doubled, doubled]
  t.type(clonePlain(doubled), Array, 'what is shared a hundred levels deep is not multiplied')
  let deep: unknown = 1
  for (let depth = 0; depth < 5000; depth++) deep = [deep]
  t.equal(clonePlain(deep), NOT_PLAIN)
  for (
    const value of [
      new URL('http://host'),
      () => {},
      [new Session()],
      new Map([['a', new WeakMap()]]),
      new Set([() => {}])
    ]
  ) t.equal(clonePlain(value), NOT_PLAIN)
})
