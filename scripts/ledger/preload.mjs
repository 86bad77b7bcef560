// Imported before the service by the ledger, which tells a process while it runs to end itself at a step of a commit of
// both stores, or to live in another time; LEDGER_ROLE is a role that such commits are made as.
import diagnostics from 'node:diagnostics_channel'

const { LEDGER_ROLE: role } = process.env

/**
 * @param {string} wanted
 * @param {number} after the how manyth of these steps
 */
function dieAt (wanted, after) {
  let left = after
  diagnostics.subscribe('fastify-transaction.two-phase', (message) => {
    const { step } = /** @type {{ step: string }} */ (message)
    if (step === wanted && --left <= 0) process.kill(process.pid, 'SIGKILL')
  })
}

let shift = 0
const Real = Date
const now = () => Real.now() + shift
// Dates of the process; its timers go on, and so do the clocks of both databases.
globalThis.Date = new Proxy(Real, {
  apply: () => new Real(now()).toString(),
  construct: (target, values, made) => Reflect.construct(target, values.length === 0 ? [now()] : values, made),
  get: (target, name) => name === 'now' ? now : Reflect.get(target, name)
})
Real.prototype.constructor = Date

process.on('message', (order) => {
  const { step, after, clock } = /** @type {{ step?: string, after?: number, clock?: number }} */ (order)
  if (step !== undefined) dieAt(step, after ?? 1)
  if (clock !== undefined) shift = clock
})
// The service ends when it has closed, whoever could still tell it something.
process.channel?.unref()

if (role !== undefined) {
  diagnostics.subscribe('fastify.initialization', (message) => {
    const { fastify } = /** @type {{ fastify: import('fastify').FastifyInstance }} */ (message)
    fastify.addHook('onRoute', (route) => {
      const { config } = route
      if (config?.transaction?.crossStore !== 'two-phase') return
      route.config = { ...config, transaction: { ...config.transaction, settings: () => ({ role }) } }
    })
  })
}
