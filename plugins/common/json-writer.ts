import { isUtf8 } from 'node:buffer'
import { countContinuations, countPairs, findEnds, findEscapes, HIGH_BITS } from './four-bytes.ts'
import { INSTANT_LENGTH, writeInstant } from './instant.ts'

/** Bytes of memory that a writer begins with, and that it keeps at most. */
const [FIRST, KEPT] = [65_536, 1_048_576]
/** Bytes from which on a payload is no text. */
const LARGE = 120_000
const QUOTE = 0x22
const [BACKSLASH, COMMA, CLOSE, ZERO] = [0x5c, 0x2c, 0x5d, 0x30]
/** Of each byte its two digits, the first in the low byte. */
const hexadecimal = Uint16Array.from(
  { length: 256 },
  (_, byte) => Buffer.from(byte.toString(16).padStart(2, '0')).readUInt16LE()
)

/** Text that is written often: its bytes, filled up to whole words of four. */
export interface Label {
  words: Int32Array
  length: number
  surplus: number
}

/** Prepares text for `writeLabel`. */
export function toLabel (text: string): Label {
  const bytes = Buffer.from(text)
  const filled = Buffer.concat([bytes, Buffer.alloc(3)])
  const words = Int32Array.from({ length: Math.ceil(bytes.length / 4) }, (_, at) => filled.readInt32LE(4 * at))
  return { words, length: bytes.length, surplus: bytes.length - text.length }
}

/** JSON text that is written as bytes of UTF-8, without strings in between. */
export class JsonWriter {
  /** Where the next byte goes. */
  at = 0
  /** By how much the text is longer in bytes than in characters, as a string counts them. */
  surplus = 0
  /** Whether no character takes more than a byte. */
  isAscii = true
  #bytes = Buffer.allocUnsafeSlow(0)
  /** What was written, and room behind it; another one where the room did not do. */
  view = new DataView(this.#bytes.buffer)

  /** Begins anew. */
  clear (): void {
    this.at = 0
    this.surplus = 0
    this.isAscii = true
    if (this.#bytes.length === 0 || this.#bytes.length > KEPT) this.#replace(FIRST)
  }

  /** All that was written. */
  toString (): string {
    return this.#bytes.toString(this.isAscii ? 'latin1' : 'utf8', 0, this.at)
  }

  /**
   * The same as what is sent at the least cost. A longer text than a page of V8's heap holds gets memory of its own from
   * the system, and so do the copies that are made of it on the way to a socket; a buffer is sent as it is, but makes V8
   * collect garbage the sooner.
   */
  toPayload (): string | Buffer {
    const bytes = this.#bytes.subarray(0, this.at)
    // What is no UTF-8 becomes such in a text.
    return this.at < LARGE || !(this.isAscii || isUtf8(bytes)) ? this.toString() : Buffer.from(bytes)
  }

  /** A part of what was written. */
  getText (from: number, to: number): string {
    return this.#bytes.toString('utf8', from, to)
  }

  writeByte (byte: number): void {
    this.#reserve(1)
    this.view.setUint8(this.at++, byte)
  }

  /** Changes one byte. */
  setByte (at: number, byte: number): void {
    this.view.setUint8(at, byte)
  }

  /** Writes text that was encoded before. */
  writeLabel ({ words, length, surplus }: Label): void {
    this.#reserve(4 * words.length)
    const view = this.view
    const at = this.at
    for (let i = 0; i < words.length; i++) view.setInt32(at + 4 * i, words[i] as number, true)
    this.at = at + length
    this.#widen(surplus)
  }

  /**
   * Writes a text in its quotes, as it is. Eight bytes at a time are looked at and copied.
   * @returns how many characters that were, pairs of surrogates as one; -1, with nothing written, where JSON escapes one
   * of them
   */
  writePlain (source: DataView, from: number, to: number): number {
    this.#reserve(to - from + 2)
    const view = this.view
    let at = this.at
    let [i, continuations, pairs, all] = [from, 0, 0, 0]
    view.setUint8(at++, QUOTE)
    for (; i <= to - 8; i += 8, at += 8) {
      const [four, next] = [source.getInt32(i, true), source.getInt32(i + 4, true)]
      if ((findEscapes(four) | findEscapes(next)) !== 0) return -1
      view.setInt32(at, four, true)
      view.setInt32(at + 4, next, true)
      if (((four | next) & HIGH_BITS) === 0) continue
      all |= HIGH_BITS
      continuations += countContinuations(four) + countContinuations(next)
      pairs += countPairs(four) + countPairs(next)
    }
    for (; i < to; i++) {
      const byte = source.getUint8(i)
      if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return -1
      view.setUint8(at++, byte)
      all |= byte
      if ((byte & 0xc0) === 0x80) continuations++
      if (byte >= 0xf0) pairs++
    }
    view.setUint8(at, QUOTE)
    this.at = at + 1
    this.surplus += continuations - pairs
    if ((all & HIGH_BITS) !== 0) this.isAscii = false
    return to - from - continuations
  }

  /**
   * Copies a value of JSON text that another writer holds, no object and no array.
   * @returns where it ends
   */
  copyValue (source: JsonWriter, from: number): number {
    if (source.view.getUint8(from) === QUOTE) return this.#copyString(source, from)
    let to = from + 1
    for (let byte = source.view.getUint8(to); byte !== COMMA && byte !== CLOSE; byte = source.view.getUint8(to)) to++
    this.copyBytes(source, from, to)
    return to
  }

  // Four bytes at a time, as long as none of them ends the string or begins an escape.
  #copyString ({ view: source, at: length }: JsonWriter, from: number): number {
    this.#reserve(length - from)
    const view = this.view
    let at = this.at
    view.setUint8(at++, QUOTE)
    for (let i = from + 1;;) {
      for (; i <= length - 4; i += 4, at += 4) {
        const four = source.getInt32(i, true)
        if (findEnds(four) !== 0) break
        view.setInt32(at, four, true)
      }
      const byte = source.getUint8(i++)
      view.setUint8(at++, byte)
      if (byte === BACKSLASH) view.setUint8(at++, source.getUint8(i++))
      if (byte !== QUOTE) continue
      this.at = at
      return i
    }
  }

  /** Copies bytes that another writer holds. */
  copyBytes ({ view: source }: JsonWriter, from: number, to: number): void {
    this.#reserve(to - from)
    const view = this.view
    let at = this.at
    let i = from
    for (; i <= to - 4; i += 4, at += 4) view.setInt32(at, source.getInt32(i, true), true)
    for (; i < to; i++) view.setUint8(at++, source.getUint8(i))
    this.at = at
  }

  /** Writes JSON text. */
  writeText (json: string): void {
    this.#reserve(3 * json.length)
    const written = this.#bytes.write(json, this.at)
    this.at += written
    this.#widen(written - json.length)
  }

  /** Writes bytes as hexadecimal digits, in quotes. */
  writeHex (source: DataView, from: number, to: number): void {
    this.#reserve(2 * (to - from) + 2)
    const view = this.view
    let at = this.at
    view.setUint8(at++, QUOTE)
    for (let i = from; i < to; i++) {
      view.setUint16(at, hexadecimal[source.getUint8(i)] as number, true)
      at += 2
    }
    view.setUint8(at, QUOTE)
    this.at = at + 1
  }

  /** Writes a number that JSON has a word for. */
  writeNumber (value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0x7fff_ffff) return this.writeText(String(value))
    this.#reserve(10)
    let count = 1
    for (let rest = value; rest > 9; rest = (rest / 10) | 0) count++
    let rest = value | 0
    for (let at = this.at + count - 1; at >= this.at; at--) {
      this.view.setUint8(at, ZERO + rest % 10)
      rest = (rest / 10) | 0
    }
    this.at += count
  }

  /** Writes an instant of the years 1 to 9999, in quotes, as toISOString() has it. */
  writeInstant (time: number): void {
    this.#reserve(INSTANT_LENGTH + 2)
    this.view.setUint8(this.at, QUOTE)
    writeInstant(this.view, this.at + 1, time)
    this.at += INSTANT_LENGTH + 2
    this.view.setUint8(this.at - 1, QUOTE)
  }

  #widen (surplus: number): void {
    this.surplus += surplus
    if (surplus > 0) this.isAscii = false
  }

  #reserve (count: number): void {
    const needed = this.at + count
    if (needed > this.#bytes.length) this.#replace(Math.max(needed, 2 * this.#bytes.length))
  }

  #replace (size: number): void {
    const bytes = Buffer.allocUnsafeSlow(size)
    this.#bytes.copy(bytes, 0, 0, this.at)
    this.#bytes = bytes
    this.view = new DataView(bytes.buffer)
  }
}
