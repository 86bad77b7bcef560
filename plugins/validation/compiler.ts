import AjvCompiler from '@fastify/ajv-compiler'
import { compileOnce } from '../common/compile-once.ts'
import { countValues } from './count-values.ts'
import { FORMATS } from './formats.ts'
import { createNumberCheck, type TextSchema } from './numbers.ts'
import { markAsFirst } from './partial.ts'
import { IS_PRODUCTION, whenAsked } from './when-asked.ts'

type Factory = ReturnType<typeof AjvCompiler>
type Validate = ReturnType<ReturnType<Factory>>
interface Route {
  schema: object
  httpPart?: string
}
type Compile = (route: Route) => Validate

/** The most values of a request part whose errors are all told; of a larger one the first error ends the work. */
const MAX_VALUES = 1000

const ajv = AjvCompiler()
const strict = {
  removeAdditional: false,
  useDefaults: true,
  strict: true,
  formats: FORMATS,
  // Ajv would compile the schema of schemas for each of its instances; what runs in production was compared before.
  validateSchema: !IS_PRODUCTION
} as const
const body = { ...strict, coerceTypes: false } as const
// With strictNumbers Ajv skips the bounds of what is not finite, and the text "Infinity" would be a valid integer.
const text = { ...strict, coerceTypes: 'array', strictNumbers: false } as const

/**
 * Compiles the schemas of routes. A body is taken as it is; path, query and headers are text, so they are coerced. All
 * errors are told at once, unless the part holds so much that looking for all of them would block the process: then the
 * first one is, and Ajv looks at `maxItems`, `maxProperties` and unknown keys before it looks at what is inside.
 */
export const buildValidator: Factory = (externalSchemas) => {
  const compileBody = compileOnce(createCompile(externalSchemas, body))
  const compileHeaders = compileOnce(createCompile(externalSchemas, text))
  const compileText = compileOnce((route: Route) => withOneSpelling(route.schema, compileHeaders(route)))
  return ((route: Route) => {
    if (route.httpPart === 'body') return compileBody(route)
    return route.httpPart === 'headers' ? compileHeaders(route) : compileText(route)
  }) as ReturnType<Factory>
}

function createCompile (externalSchemas: Parameters<Factory>[0], options: typeof body | typeof text): Compile {
  const create = (allErrors: boolean) => ajv(externalSchemas, { customOptions: { ...options, allErrors } }) as Compile
  const compileAll = whenAsked(() => create(true))
  let compileFirst: Compile | undefined
  return (route) => boundWork(() => compileAll()(route), () => (compileFirst ??= create(false))(route))
}

/** @param compileFirst makes the validator of large parts; most routes never meet one, so it is made for the first of them */
function boundWork (compileAll: () => Validate, compileFirst: () => Validate): Validate {
  const all = whenAsked(compileAll)
  let first: Validate | undefined
  const validate = function validateBounded (data: unknown): boolean {
    const isLarge = countValues(data, MAX_VALUES) > MAX_VALUES
    const chosen = isLarge ? first ??= compileFirst() : all()
    const isValid = chosen(data) as boolean
    validate.errors = chosen.errors ?? null
    if (isLarge && validate.errors !== null) markAsFirst(validate.errors)
    return isValid
  } as Validate
  return validate
}

/**
 * Refuses numbers that Ajv would coerce from something else than their one decimal spelling, and tells the names that
 * are known beside one that is not.
 */
function withOneSpelling (schema: TextSchema, inner: Validate): Validate {
  const known = Object.keys(schema.properties ?? {})
  const findMisspelledNumbers = createNumberCheck(schema)
  const validate = function validateSpelling (data: unknown): boolean {
    const misspelled = findMisspelledNumbers(data)
    const isValid = inner(data) as boolean
    validate.errors = inner.errors ?? null
    for (const error of validate.errors ?? []) {
      if (error.keyword === 'additionalProperties') error.params['known'] = known
    }
    if (misspelled.length === 0) return isValid
    const others = validate.errors?.filter((error) =>
      !misspelled.some((one) => one.instancePath === error.instancePath)
    )
    validate.errors = [...misspelled, ...(others ?? [])]
    return false
  } as Validate
  return validate
}
