import type { FastifyInstance } from 'fastify'
import { Gauge, type Registry } from 'prom-client'

/** Measures what /readyz says: each dependency, and whether the service drains. The answer is at most a second old. */
export function measureDependencies (app: FastifyInstance, registry: Registry): void {
  new Gauge({
    name: 'tandem_dependency_up',
    help: '1 while a dependency is up or degraded, 0 while it is not',
    labelNames: ['dependency'],
    registers: [registry],
    async collect () {
      const { checks } = await app.readiness()
      for (const [dependency, condition] of Object.entries(checks)) {
        this.set({ dependency }, condition === 'up' || condition === 'degraded' ? 1 : 0)
      }
    }
  })
  new Gauge({
    name: 'tandem_draining',
    help: '1 while the service finishes its last requests and accepts no new ones',
    registers: [registry],
    async collect () {
      this.set((await app.readiness()).status === 'draining' ? 1 : 0)
    }
  })
}
