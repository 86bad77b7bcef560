/**
 * Arguments of node that let it run the TypeScript of this project, packages included: their names then mean `src/` and
 * not `dist/`.
 */
export const TYPESCRIPT_ARGS = ['--conditions=tandem-source', '--import', import.meta.resolve('tsx')]
