interface Route {
  schema?: unknown
}

/**
 * Lets routes share what is compiled of equal schemas: the same error of many routes, or a GET and its HEAD.
 * @param compile makes a validator or serializer of a route's schema
 */
export function compileOnce<R extends Route, Compiled> (compile: (route: R) => Compiled): (route: R) => Compiled {
  const known = new Map<string, Compiled>()
  return function compileSchema (route) {
    const text = JSON.stringify(route.schema)
    let compiled = known.get(text)
    if (compiled === undefined) {
      compiled = compile(route)
      known.set(text, compiled)
    }
    return compiled
  }
}
