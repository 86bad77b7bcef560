// Numbers of the status page: what happened between two readings of /status.json. Counts in them only grow.

const KEPT = 121

/**
 * Adds a reading. A process that started anew counts from zero, so what came before is dropped.
 * @param {object[]} history readings, oldest first
 * @param {object} reading the newest
 * @returns {object[]} the last two minutes
 */
export function addReading (history, reading) {
  const last = history.at(-1)
  const isRestart = last !== undefined && reading.process.uptime_seconds < last.process.uptime_seconds
  return [...(isRestart ? [] : history), reading].slice(-KEPT)
}

/**
 * The reading of a while ago, to compare the newest one with.
 * @param {object[]} history readings, oldest first
 * @param {number} seconds how far to go back
 * @returns {object | undefined} undefined until there are two readings
 */
export function readingBefore (history, seconds) {
  const newest = history.at(-1)
  return history.length < 2 ? undefined : history.slice(0, -1).findLast(({ at }) => newest.at - at >= seconds * 1000) ?? history[0]
}

/**
 * Events per second between two readings.
 * @param {object | undefined} before a reading, or none
 * @param {object} now a later one
 * @param {(reading: object) => number | undefined} count finds the count in a reading
 */
export function getRate (before, now, count) {
  if (before === undefined) return undefined
  const seconds = (now.at - before.at) / 1000
  return seconds <= 0 ? undefined : Math.max(0, (count(now) ?? 0) - (count(before) ?? 0)) / seconds
}

/**
 * A quantile of what a histogram counted between two readings, in seconds, by interpolation inside its bucket.
 * @param {{ bounds: number[], buckets: number[] } | undefined} before the histogram then; undefined when it did not exist
 * @param {{ bounds: number[], buckets: number[] } | undefined} now the histogram now
 * @param {number} quantile 0…1
 * @returns {number | undefined} undefined where nothing happened; the highest bound for what is above it
 */
export function getQuantile (before, now, quantile) {
  if (now === undefined) return undefined
  const counts = now.buckets.map((count, at) => count - (before?.buckets[at] ?? 0))
  const total = counts.at(-1) ?? 0
  if (total <= 0) return undefined
  const rank = quantile * total
  const at = counts.findIndex((count) => count >= rank)
  if (at >= now.bounds.length) return now.bounds.at(-1)
  const below = at === 0 ? 0 : counts[at - 1]
  const from = at === 0 ? 0 : now.bounds[at - 1]
  return counts[at] === below ? from : from + (now.bounds[at] - from) * (rank - below) / (counts[at] - below)
}

/** @param {number | undefined} seconds a duration, such as 0.0042 */
export function formatSeconds (seconds) {
  if (seconds === undefined) return '–'
  if (seconds > 0 && seconds < 0.01) return `${(seconds * 1000).toFixed(1)} ms`
  if (seconds > 0 && seconds < 1) return `${Math.round(seconds * 1000)} ms`
  if (seconds < 60) return `${Number.isInteger(seconds) ? seconds : seconds.toFixed(1)} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`
}

/** @param {number | undefined} number a count or a rate */
export function formatNumber (number) {
  if (number === undefined) return '–'
  if (number >= 1e6) return `${(number / 1e6).toFixed(1)} M`
  if (number >= 1e4) return `${(number / 1e3).toFixed(1)} k`
  return Number.isInteger(number) || number >= 100 ? String(Math.round(number)) : number.toFixed(1)
}
