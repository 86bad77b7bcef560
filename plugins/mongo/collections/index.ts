import { readdirSync } from 'node:fs'
import type { ConstraintProblem } from '../../../drizzle/constraints.ts'
import type { Collection } from '../collection.ts'

const COLLECTION = /^(?!index\.)[\w-]+\.(ts|js)$/

/** What the files of this folder declare, each the default export of its file. */
export const collections: Collection[] = await Promise.all(
  readdirSync(import.meta.dirname).filter((file) => COLLECTION.test(file)).map(async (file) =>
    (await import(`./${file}`) as { default: Collection }).default
  )
)

/** Name of a unique index → what its violation means to a client. */
export const indexProblems: Record<string, ConstraintProblem> = Object.fromEntries(
  collections.flatMap(({ indexes }) => indexes).flatMap(({ name, problem }) =>
    problem === undefined ? [] : [[name, problem]]
  )
)
