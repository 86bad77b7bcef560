import type { AggregationCursor, Document, FindCursor } from 'mongodb'
import { TransactionUsageError } from '../errors.ts'
import type { OperationOptions } from './driver.ts'
import { call, isOneOf, refusal } from './members.ts'

const terminals = ['toArray', 'next', 'tryNext', 'hasNext', 'close'] as const
const findModifiers = [
  'sort',
  'limit',
  'skip',
  'filter',
  'hint',
  'batchSize',
  'collation',
  'comment',
  'maxTimeMS',
  'allowDiskUse',
  'min',
  'max',
  'returnKey'
] as const
const aggregateModifiers = ['batchSize', 'addStage', 'match', 'sort', 'limit', 'skip', 'unwind', 'lookup'] as const
/** Modifiers that change what a document looks like. */
const shapers = ['project', 'map', 'group'] as const

type Terminal = typeof terminals[number]
type Modifiers<Cursor, Names extends keyof Cursor, Same> = {
  [Name in Names]: Cursor[Name] extends (...args: infer Args) => unknown ? (...args: Args) => Same : never
}

/** A find cursor whose operations run inside the transaction, one at a time. */
export interface TransactionalFindCursor<Found>
  extends
    Pick<FindCursor<Found>, Terminal>,
    AsyncIterable<Found>,
    Modifiers<FindCursor<Found>, typeof findModifiers[number], TransactionalFindCursor<Found>>
{
  project: <Shape extends Document = Document>(projection: Document) => TransactionalFindCursor<Shape>
  map: <Shape>(transform: (document: Found) => Shape) => TransactionalFindCursor<Shape>
}

/** An aggregation cursor whose operations run inside the transaction, one at a time. */
export interface TransactionalAggregationCursor<Found>
  extends
    Pick<AggregationCursor<Found>, Terminal>,
    AsyncIterable<Found>,
    Modifiers<AggregationCursor<Found>, typeof aggregateModifiers[number], TransactionalAggregationCursor<Found>>
{
  project: <Shape extends Document = Document>(projection: Document) => TransactionalAggregationCursor<Shape>
  group: <Shape extends Document = Document>(stage: Document) => TransactionalAggregationCursor<Shape>
  map: <Shape>(transform: (document: Found) => Shape) => TransactionalAggregationCursor<Shape>
}

/** Where a cursor comes from and where its operations run. */
export interface CursorSource {
  open: (options: OperationOptions) => object
  run: (operation: (options: OperationOptions) => Promise<unknown>) => Promise<unknown>
}

/**
 * Records what is asked of a cursor; the real one is made inside the transaction, when its first document is wanted.
 */
export function transactionalCursor (kind: 'find' | 'aggregate', source: CursorSource): object {
  const modifiers: readonly string[] = [...(kind === 'find' ? findModifiers : aggregateModifiers), ...shapers]
  const steps: Array<[string, unknown[]]> = []
  let cursor: object | undefined

  function opened (options: OperationOptions): object {
    cursor ??= steps.reduce<object>(
      (made, [step, args]) => Object(call(made, Object(Reflect.get(made, step)), args)),
      source.open(options)
    )
    return cursor
  }
  function run (terminal: Terminal, args: unknown[]): Promise<unknown> {
    if (terminal === 'close' && cursor === undefined) return Promise.resolve()
    return source.run((options) => {
      const target = opened(options)
      return call(target, Object(Reflect.get(target, terminal)), args)
    })
  }
  const recorder: object = new Proxy({}, {
    get (_target, key) {
      if (key === Symbol.asyncIterator) return () => iterate(run)
      if (typeof key === 'symbol' || key === 'then') return undefined
      if (isOneOf(terminals, key)) return (...args: unknown[]) => run(key, args)
      if (!modifiers.includes(key)) {
        return () => {
          throw refusal(`${kind}().${key}`)
        }
      }
      return (...args: unknown[]) => {
        if (cursor !== undefined) {
          throw new TransactionUsageError(`${kind}().${key} comes after the first document was read`)
        }
        steps.push([key, args])
        return recorder
      }
    }
  })
  return recorder
}

async function* iterate (run: (terminal: Terminal, args: unknown[]) => Promise<unknown>): AsyncGenerator<unknown> {
  let isOver = false
  try {
    for (;;) {
      const document = await run('next', [])
      isOver = document === null
      if (isOver) return
      yield document
    }
  } finally {
    // A loop that was left early; a transaction that has ended took the cursor with it.
    if (!isOver) await run('close', []).catch(() => {})
  }
}
