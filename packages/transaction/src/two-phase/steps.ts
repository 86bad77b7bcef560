import diagnostics from 'node:diagnostics_channel'

/** How far a commit of both stores has come. */
export type Step = 'recorded' | 'prepared' | 'decided' | 'finished'

const channel = diagnostics.channel('fastify-transaction.two-phase')

/** Publishes `{ step, gid }` on the diagnostics channel `fastify-transaction.two-phase`: a test can stop a process there. */
export function publishStep (step: Step, gid: string): void {
  if (channel.hasSubscribers) channel.publish({ step, gid })
}
