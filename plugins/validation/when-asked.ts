/** Schemas that run in production were compiled elsewhere before, by tests for one. */
export const IS_PRODUCTION = process.env['NODE_ENV'] === 'production'

/**
 * Puts off in production what is compiled of a schema until it is needed: most answers with errors never are, and half of
 * the start would go into them. Elsewhere it is compiled at once, so a wrong schema stops the boot of whoever wrote it.
 *
 * @param compile makes the validator or serializer
 * @returns what was made, the same each time
 */
export function whenAsked<Compiled> (compile: () => Compiled): () => Compiled {
  let compiled = IS_PRODUCTION ? undefined : compile()
  return () => compiled ??= compile()
}
