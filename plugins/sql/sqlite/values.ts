/** A value SQLite refuses, told as the driver tells a refused row: `SqliteError`, code `SQLITE_MISMATCH`. */
class SqliteValueError extends Error {
  override readonly name = 'SqliteError'
  readonly code = 'SQLITE_MISMATCH'
}

const SMALLEST = -(2n ** 63n)
const LARGEST = 2n ** 63n - 1n

/**
 * A parameter as the driver can take it. The driver ends the process over a boolean, cuts text at a NUL and stores
 * whole numbers as `1.0` in text columns; none of that may happen to a request.
 *
 * @throws SqliteValueError for what cannot be stored as it is
 */
export function toSqlite (value: unknown): null | number | bigint | string | Buffer {
  switch (typeof value) {
    case 'string':
      return checkedText(value)
    case 'number':
      return checkedNumber(value)
    case 'bigint':
      return checkedInteger(value)
    case 'boolean':
      return value ? 1n : 0n
    case 'undefined':
      return null
    case 'object':
      return objectToSqlite(value)
    default:
      throw new SqliteValueError(`a ${typeof value} is not a value for a database`)
  }
}

function checkedText (value: string): string {
  if (value.includes('\0')) throw new SqliteValueError('text with a NUL character is not stored')
  return value
}

function checkedNumber (value: number): number | bigint {
  if (Number.isSafeInteger(value)) return BigInt(value)
  if (!Number.isFinite(value)) throw new SqliteValueError('only finite numbers are stored')
  return value
}

function checkedInteger (value: bigint): bigint {
  if (value < SMALLEST || value > LARGEST) throw new SqliteValueError('the whole number has more than 64 bits')
  return value
}

function objectToSqlite (value: object | null): null | bigint | string | Buffer {
  if (value === null) return null
  if (value instanceof Date) return checkedDate(value)
  if (value instanceof ArrayBuffer) return Buffer.from(value)
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  return checkedText(JSON.stringify(value))
}

// The columns of drizzle/sqlite.ts keep moments as milliseconds.
function checkedDate (value: Date): bigint {
  const time = value.getTime()
  if (Number.isNaN(time)) throw new SqliteValueError('the date is not a date')
  return BigInt(time)
}
