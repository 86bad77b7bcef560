import type * as OpenTelemetry from '@opentelemetry/api'

/** OpenTelemetry's API, as the user has installed it. */
export type Api = typeof OpenTelemetry

/** What makes spans, where the user has started an SDK. */
export interface Tracing {
  api: Api
  tracer: OpenTelemetry.Tracer
}

/**
 * Finds the SDK that was started before the service, for example by `node --import ./telemetry.js`.
 * @returns undefined without one: then nothing is traced and nothing costs
 */
export async function findSdk (): Promise<Tracing | undefined> {
  if (!isAnythingRegistered()) return undefined
  const api = await importIfInstalled<Api>('@opentelemetry/api')
  if (api === undefined) return undefined
  const provider = api.trace.getTracerProvider()
  // Until an SDK is started the API hands out a proxy that has nobody to pass spans to.
  const isWaiting = 'getDelegateTracer' in provider && typeof provider.getDelegateTracer === 'function' &&
    provider.getDelegateTracer('tandem') === undefined
  return isWaiting ? undefined : { api, tracer: api.trace.getTracer('tandem') }
}

/**
 * Whether anybody has started something of OpenTelemetry. All copies of its API keep what was started under one symbol of
 * each major version, so the API itself, nearly fifty files, is loaded only where it is used.
 */
function isAnythingRegistered (): boolean {
  return Object.getOwnPropertySymbols(globalThis).some(({ description }) =>
    description?.startsWith('opentelemetry.js.api.')
  )
}

/**
 * Has the SDK send the spans that it holds back to send them together.
 * @throws what the exporter throws
 */
export async function flush ({ api }: Tracing): Promise<void> {
  const provider: unknown = api.trace.getTracerProvider()
  const delegate = hasMethod(provider, 'getDelegate') ? provider.getDelegate() : provider
  if (hasMethod(delegate, 'forceFlush')) await delegate.forceFlush()
}

function hasMethod<Name extends string> (value: unknown, name: Name): value is Record<Name, () => unknown> {
  return typeof value === 'object' && value !== null && name in value &&
    typeof (value as Record<string, unknown>)[name] === 'function'
}

/**
 * Imports a package that the user may have installed beside the service.
 * @param name the package
 * @returns undefined when it is not installed
 */
export async function importIfInstalled<Module> (name: string): Promise<Module | undefined> {
  try {
    return await import(name) as Module
  } catch (error) {
    // Not by its code: loaders that run in a thread of their own lose it.
    if (
      error instanceof Error && /^Cannot find (?:package|module) /.test(error.message) &&
      error.message.includes(`'${name}'`)
    ) return undefined
    throw error
  }
}
