import SerializerSelector from '@fastify/fast-json-stringify-compiler'
import { compileOnce } from '../common/compile-once.ts'
import { whenAsked } from './when-asked.ts'

const select = SerializerSelector()
type Factory = typeof select
type Serialize = ReturnType<ReturnType<Factory>>

/** Compiles the schemas of answers, as Fastify does by default; equal ones once, in production when first answered. */
export const buildSerializer: Factory = (externalSchemas, options) => {
  const compile = select(externalSchemas, options)
  return compileOnce((route: Parameters<typeof compile>[0]): Serialize => {
    const serialize = whenAsked(() => compile(route))
    return (data) => serialize()(data)
  })
}
