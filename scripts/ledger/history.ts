/** What the client knows of one request. `unknown`: no answer, or the answer outcome-unknown. */
export type Outcome = 'acked' | 'refused' | 'unknown'

/** One thing the client wanted to exist, and what it was told about it. */
export interface Fact {
  /** `both`: a user and a post that one request makes. */
  kind: 'user' | 'post' | 'order' | 'both'
  /** Found in the thing itself, whatever its id: e-mail, title or product. */
  marker: string
  made: Outcome
  id?: number | string
  /** Marker of the author or buyer. */
  owner?: string
  /** The values its changing field may have. */
  values: string[]
  /** How its deletion ended, if one was tried. */
  deleted?: Outcome
}

/** Numbers of one or more rounds. */
export interface Tally {
  requests: number
  acked: number
  refused: number
  unknown: number
  /** Not answered, or with 5xx: a healthy service refuses too, but never so. */
  unserved: number
  /** Unknown ones that were sent again with their Idempotency-Key until they were answered. */
  settled: number
  /** Of those: answered from the first try. */
  replayed: number
  /** Acknowledged and not there. */
  lost: number
  /** In one store only, or different in them. */
  half: number
  /** Refused and there all the same. */
  ghost: number
  /** There more than once. */
  double: number
  /** There with a value that nobody was promised. */
  wrong: number
  /** Transactions in both stores that had not ended when both were long back. */
  inDoubt: number
}

/** A tally of zeros. */
export function emptyTally (): Tally {
  return {
    requests: 0,
    acked: 0,
    refused: 0,
    unknown: 0,
    unserved: 0,
    settled: 0,
    replayed: 0,
    lost: 0,
    half: 0,
    ghost: 0,
    double: 0,
    wrong: 0,
    inDoubt: 0
  }
}

/** Adds one tally to another. */
export function add (sum: Tally, part: Tally): void {
  for (const name of Object.keys(part) as Array<keyof Tally>) sum[name] += part[name]
}

/** The broken promises in a tally. */
export function brokenPromises ({ lost, half, ghost, double, wrong, inDoubt }: Tally): number {
  return lost + half + ghost + double + wrong + inDoubt
}
