import type { FastifyPluginAsync } from 'fastify'

/** Options of a plugin that this repository has no types of. */
export type Options = Record<string, unknown>

/**
 * Imports a package of this folder, which is installed on first use, so that the type checker never looks for it.
 * The caller says what it is.
 */
export async function load<Module> (name: string): Promise<Module> {
  return await import(name) as Module
}

/** The Fastify plugin that a package of this folder exports. */
export async function loadPlugin (name: string): Promise<FastifyPluginAsync<Options>> {
  const loaded = await load<{ default: FastifyPluginAsync<Options> & { default?: FastifyPluginAsync<Options> } }>(name)
  // Compiled CommonJS arrives with its default export one level down.
  return loaded.default.default ?? loaded.default
}
