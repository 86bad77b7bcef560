import { readdirSync } from 'node:fs'
import type { TSchema } from '@sinclair/typebox'

const SCHEMAS = /^(?!components\.)[\w-]+\.(ts|js)$/

/**
 * Every schema that this folder exports with an `$id`: what others may refer to, and the named components of the
 * OpenAPI document. By file and name.
 */
export const components: TSchema[] = await readComponents()

async function readComponents (): Promise<TSchema[]> {
  const files = readdirSync(import.meta.dirname).filter((file) => SCHEMAS.test(file)).toSorted()
  const modules = await Promise.all(files.map((file) => import(`./${file}`) as Promise<Record<string, unknown>>))
  return modules.flatMap((module) => Object.values(module).filter(isComponent))
}

function isComponent (value: unknown): value is TSchema {
  return typeof value === 'object' && value !== null && '$id' in value
}
