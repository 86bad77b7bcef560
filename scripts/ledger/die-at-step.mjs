// Imported before the service by the ledger: ends the process at a step of a commit of both stores.
import diagnostics from 'node:diagnostics_channel'

const { LEDGER_DIE_AT, LEDGER_DIE_AFTER } = process.env
let left = Number(LEDGER_DIE_AFTER)

diagnostics.subscribe('fastify-transaction.two-phase', (message) => {
  const { step } = /** @type {{ step: string }} */ (message)
  if (step === LEDGER_DIE_AT && --left <= 0) process.kill(process.pid, 'SIGKILL')
})
