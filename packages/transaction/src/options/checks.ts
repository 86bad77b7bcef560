/** Says what is wrong with a value, in words that follow the option's name; undefined when nothing is. */
export type Check = (value: unknown) => string | undefined

/** Named checks: the only place that knows which options there are. */
export type Checks = Readonly<Record<string, Check>>

const longestTime = 2 ** 31 - 1

export const isOneOf = (...values: string[]): Check => (value) =>
  typeof value === 'string' && values.includes(value)
    ? undefined
    : `must be one of ${values.map((text) => `'${text}'`).join(', ')}`
export const isBoolean: Check = (value) => typeof value === 'boolean' ? undefined : 'must be true or false'
export const isText: Check = (value) => typeof value === 'string' ? undefined : 'must be a text'
export const isFunction = (of: string): Check => (value) =>
  typeof value === 'function' ? undefined : `must be a function of ${of}`
export const isTime: Check = (value) =>
  isWhole(value, longestTime) ? undefined : 'must be a whole number of milliseconds, 0 or more'
export const isSeconds: Check = (value) =>
  isWhole(value, longestTime) ? undefined : 'must be a whole number of seconds, 0 or more'
export const isRetryCount: Check = (value) => isWhole(value, 20) ? undefined : 'must be a whole number from 0 to 20'
export const isAnything: Check = () => undefined

function isWhole (value: unknown, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= most
}

/** Every mistake in a set of options, one sentence each; what is undefined counts as not given. */
export function mistakesIn (
  options: object,
  checks: Checks,
  explain: (name: string) => string = (name) => unknownOption(name, Object.keys(checks))
): string[] {
  const mistakes: string[] = []
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined
    const mistake = check === undefined ? explain(name) : value === undefined ? undefined : check(value)
    if (mistake !== undefined) mistakes.push(`${name} ${mistake}`)
  }
  return mistakes
}

/**
 * Options without those that are undefined: one that is written `undefined` is not given, so that the default below it
 * holds. Every set of options that the program gives goes through this before it is laid over defaults.
 */
export function withoutUndefined<Options extends object> (options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}

/** What a value is, without showing it: it may be a secret. */
export function describeKind (value: unknown): string {
  if (value === undefined || value === null) return String(value)
  if (typeof value !== 'object') return `a ${typeof value}`
  return Array.isArray(value) ? 'a list' : `an object of ${value.constructor?.name ?? 'no class'}`
}

/** What to say about a name that is no option. */
export function unknownOption (name: string, known: string[]): string {
  const near = nearest(name, known)
  return near === undefined
    ? `is not an option; known are ${known.join(', ')}`
    : `is not an option; did you mean ${near}? Known are ${known.join(', ')}`
}

/**
 * Whether a name was meant to be another: any case, its plural or adjective, or one letter more, less, other or
 * swapped.
 */
export function isTypo (name: string, meant: string): boolean {
  const plain = name.toLowerCase().replaceAll(/[_-]/g, '')
  const other = meant.toLowerCase()
  if ([other, `${other}s`, `${other}al`].includes(plain) || differences(plain, other) === 1) return true
  const at = Array.from(plain).findIndex((letter, index) => letter !== other[index])
  const swapped = `${plain.slice(0, at)}${plain.slice(at + 1, at + 2)}${plain.slice(at, at + 1)}${plain.slice(at + 2)}`
  return at >= 0 && plain !== other && swapped === other
}

/** The known name that somebody probably meant: it begins alike, or a few letters differ. */
export function nearest (name: string, known: string[]): string | undefined {
  const small = name.toLowerCase()
  const ranked = known.map((candidate) => {
    const other = candidate.toLowerCase()
    const isBeginning = small.length >= 4 && (other.startsWith(small) || small.startsWith(other))
    return { candidate, distance: isBeginning ? 1 : differences(small, other) }
  }).sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best !== undefined && best.distance <= Math.max(2, Math.floor(name.length / 4)) ? best.candidate : undefined
}

/** How many letters must be changed, added or left out (Levenshtein). */
function differences (a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = (row[j - 1] ?? 0) + Number(a[i - 1] !== b[j - 1])
      next.push(Math.min(same, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
