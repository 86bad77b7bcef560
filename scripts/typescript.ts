/**
 * Arguments of node that let it run the TypeScript of this project, packages included: their names then mean `src/` and
 * not `dist/`.
 */
export const TYPESCRIPT_ARGS = ['--conditions=tandem-source', '--import', import.meta.resolve('tsx')]

/** What @fastify/autoload has to be told of that: it sees no `--import`. */
export const TYPESCRIPT_ENV = { FASTIFY_AUTOLOAD_TYPESCRIPT: '1' }
