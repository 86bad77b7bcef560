import type { Claim } from '../types.ts'

/**
 * Lets the keys of ordered topics take turns: each claim goes on behind the last key of the one before, and begins anew
 * at the end.
 */
export class Turns {
  readonly #after = new Map<string, string>()

  /**
   * Claims the oldest events of the next keys.
   * @param claim topic and number
   * @param read claims behind a key, in the database's order of keys; the empty text is before all keys
   * @returns the oldest event first
   */
  async take<Row extends { id: string | number | bigint; key: string }> (
    { topic, limit }: Claim,
    read: (after: string) => Promise<Row[]>
  ): Promise<Row[]> {
    const after = this.#after.get(topic) ?? ''
    const found = await read(after)
    const rows = found.length === 0 && after !== '' ? await read('') : found
    const last = rows.length < limit ? undefined : rows.at(-1)
    if (last === undefined) this.#after.delete(topic)
    else this.#after.set(topic, last.key)
    return rows.toSorted((a, b) => Number(a.id) - Number(b.id))
  }
}
