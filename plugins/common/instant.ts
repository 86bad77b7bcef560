const millisecondsPerDay = 86_400_000
const ZERO = 0x30

/** Characters of an instant of the years 0 to 9999. */
export const INSTANT_LENGTH = 24

// Instants of a list are often of the same day.
let day = Number.NaN
const text = Buffer.alloc(INSTANT_LENGTH)
const words = new DataView(text.buffer, text.byteOffset, INSTANT_LENGTH)
/** The two digits of a number below 100, the first in the low byte. */
const pairs = Uint16Array.from(
  { length: 100 },
  (_, value) => Buffer.from(String(value).padStart(2, '0')).readUInt16LE()
)

/**
 * Writes `new Date(time).toISOString()`, an instant of the years 0 to 9999.
 * @param view has room for `INSTANT_LENGTH` bytes
 * @throws RangeError for what is no instant
 */
export function writeInstant (view: DataView, at: number, time: number): void {
  const today = Math.floor(time / millisecondsPerDay)
  if (today !== day) {
    text.write(new Date(today * millisecondsPerDay).toISOString(), 'latin1')
    day = today
  }
  for (let i = 0; i < INSTANT_LENGTH; i += 4) view.setInt32(at + i, words.getInt32(i, true), true)
  const rest = time - today * millisecondsPerDay
  const seconds = (rest / 1000) | 0
  const minutes = (seconds / 60) | 0
  const hours = (minutes / 60) | 0
  const milliseconds = rest - seconds * 1000
  const hundreds = (milliseconds / 100) | 0
  view.setUint16(at + 11, pairs[hours] as number, true)
  view.setUint16(at + 14, pairs[minutes - hours * 60] as number, true)
  view.setUint16(at + 17, pairs[seconds - minutes * 60] as number, true)
  view.setUint8(at + 20, ZERO + hundreds)
  view.setUint16(at + 21, pairs[milliseconds - hundreds * 100] as number, true)
}
