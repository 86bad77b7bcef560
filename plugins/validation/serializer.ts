import SerializerSelector from '@fastify/fast-json-stringify-compiler'
import { compileOnce } from '../common/compile-once.ts'

const build = SerializerSelector()

/** Compiles the schemas of answers, as Fastify does by default; equal ones once. */
export const buildSerializer: typeof build = (externalSchemas, options) => compileOnce(build(externalSchemas, options))
