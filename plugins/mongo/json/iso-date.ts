const millisecondsPerDay = 86_400_000
const two = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'))
const three = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'))

let day = Number.NaN
let dayText = ''

/**
 * `new Date(time).toISOString()`, about three times as fast for instants of the same day. Throws a RangeError likewise.
 */
export function isoDate (time: number): string {
  const today = Math.floor(time / millisecondsPerDay)
  if (today !== day) {
    dayText = new Date(today * millisecondsPerDay).toISOString().slice(0, -13)
    day = today
  }
  const rest = time - today * millisecondsPerDay
  const hours = two[Math.floor(rest / 3_600_000)] ?? ''
  const minutes = two[Math.floor(rest / 60_000) % 60] ?? ''
  const seconds = two[Math.floor(rest / 1000) % 60] ?? ''
  return `${dayText}${hours}:${minutes}:${seconds}.${three[rest % 1000] ?? ''}Z`
}
