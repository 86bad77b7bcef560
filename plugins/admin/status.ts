import type { FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { getInDoubt } from '../metrics/in-doubt.ts'
import { getPools } from '../metrics/pools.ts'
import { getProjections } from '../metrics/projections.ts'

interface Sample {
  value: number
  metricName?: string
  labels: Partial<Record<string, string | number>>
}
/** A histogram's totals; `buckets` counts what is not above each bound, the last one everything. */
interface Durations {
  count: number
  sum_seconds: number
  bounds: number[]
  buckets: number[]
}

/**
 * What the status page shows, as it is now. Counts only grow, so that a reader makes rates and quantiles of any period
 * from two of these.
 */
export async function getStatus (app: FastifyInstance) {
  const { registry } = app.metrics
  const { status, checks } = await app.readiness()
  return {
    at: Date.now(),
    status,
    checks,
    process: processState(),
    pools: getPools(app),
    transactions: await getTransactions(registry),
    routes: await getRoutes(registry),
    pair: getPair(app),
    projections: getProjections(app).map(({ lagSeconds, ledSince, isLeaderless, ...rest }) => ({
      ...rest,
      without_leader: isLeaderless,
      led_since: ledSince?.getTime(),
      lag_seconds: lagSeconds
    })),
    in_doubt: getInDoubt(app).map(({ gid, doubt, age }) => ({ gid, doubt, age_seconds: age / 1000 })),
    problems: app.metrics.problems()
  }
}

/** What the two stores are to each other, as this process knows it; undefined where a test's double stands in for one. */
function getPair (app: FastifyInstance) {
  if (!app.hasDecorator('projections')) return undefined
  const { fence, copying } = app.projections
  const { condition, since, mark, repairs } = fence
  return {
    condition,
    since,
    id: mark?.pair.slice(0, 8),
    epoch: mark?.epoch,
    counter: mark?.counter,
    repairs,
    comparing: [...copying].map(([copy, progress]) => ({ copy, ...progress }))
  }
}

function processState () {
  const { active, idle } = performance.eventLoopUtilization()
  const { rss, heapUsed } = process.memoryUsage()
  return {
    uptime_seconds: process.uptime(),
    rss_bytes: rss,
    heap_bytes: heapUsed,
    event_loop_active_ms: active,
    event_loop_idle_ms: idle
  }
}

async function getTransactions (registry: Registry) {
  const outcomes = await samples(registry, 'tandem_transactions_total')
  const durations = groupDurations(
    await samples(registry, 'tandem_transaction_duration_seconds'),
    ({ store }) => String(store)
  )
  const open = valuesByStore(await samples(registry, 'tandem_transactions_open'))
  const oldest = valuesByStore(await samples(registry, 'tandem_transaction_oldest_seconds'))
  const retries = valuesByStore(await samples(registry, 'tandem_transaction_retries_total'))
  return ['sql', 'mongo'].map((store) => ({
    store,
    open: open[store] ?? 0,
    oldest_seconds: oldest[store] ?? 0,
    retries: retries[store] ?? 0,
    outcomes: Object.fromEntries(
      outcomes.filter(({ labels }) => labels.store === store).map((
        { labels, value }
      ) => [String(labels.outcome), value])
    ),
    durations: durations.get(store)
  }))
}

async function getRoutes (registry: Registry) {
  const all = await samples(registry, 'http_server_request_duration_seconds')
  const getName = ({ http_request_method: method, http_route: route }: Sample['labels']) =>
    `${String(method)} ${String(route)}`
  const durations = groupDurations(all, getName)
  const refused = new Map<string, number>()
  const failed = new Map<string, number>()
  for (const { labels, metricName, value } of all) {
    if (metricName?.endsWith('_count') !== true) continue
    const status = Number(labels.http_response_status_code)
    if (labels.error_type === 'aborted') continue // the client left; nothing has failed here
    const counts = labels.error_type !== '' ? failed : status >= 400 ? refused : undefined
    counts?.set(getName(labels), (counts.get(getName(labels)) ?? 0) + value)
  }
  return [...durations].map(([route, totals]) => ({
    route,
    refused: refused.get(route) ?? 0,
    failed: failed.get(route) ?? 0,
    durations: totals
  }))
}

/** Adds up the series of a histogram that share a name, for example those of one route with different statuses. */
function groupDurations (all: Sample[], getName: (labels: Sample['labels']) => string): Map<string, Durations> {
  const groups = new Map<string, Durations>()
  for (const { labels, metricName = '', value } of all) {
    const name = getName(labels)
    const group = groups.get(name) ?? { count: 0, sum_seconds: 0, bounds: [], buckets: [] }
    groups.set(name, group)
    if (metricName.endsWith('_count')) group.count += value
    else if (metricName.endsWith('_sum')) group.sum_seconds += value
    else addToBucket(group, Number(labels.le === '+Inf' ? Infinity : labels.le), value)
  }
  return groups
}

// JSON has no Infinity: the last bucket is the one without a bound.
function addToBucket ({ bounds, buckets }: Durations, bound: number, value: number): void {
  const known = bound === Infinity ? bounds.length : bounds.indexOf(bound)
  const at = known === -1 ? bounds.push(bound) - 1 : known
  buckets[at] = (buckets[at] ?? 0) + value
}

async function samples (registry: Registry, name: string): Promise<Sample[]> {
  return (await registry.getSingleMetric(name)?.get())?.values ?? []
}

function valuesByStore (all: Sample[]): Record<string, number> {
  return Object.fromEntries(all.map(({ labels, value }) => [String(labels.store), value]))
}
