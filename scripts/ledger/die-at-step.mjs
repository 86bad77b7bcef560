// Imported before the service by the ledger: told so, it ends the process at a step of a commit of both stores.
import diagnostics from 'node:diagnostics_channel'

process.on('message', (order) => {
  const { step, after } = /** @type {{ step: string, after: number }} */ (order)
  let left = after
  diagnostics.subscribe('fastify-transaction.two-phase', (message) => {
    if (/** @type {{ step: string }} */ (message).step === step && --left <= 0) process.kill(process.pid, 'SIGKILL')
  })
})
// The service ends when it has closed, whoever could still tell it something.
process.channel?.unref()
