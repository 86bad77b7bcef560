import { EmbeddedError } from './errors.ts'

/** Says what a value must be, in words that follow the option's name; undefined when it is. */
type Check = (value: unknown) => string | undefined

const isBoolean: Check = (value) => typeof value === 'boolean' ? undefined : 'must be true or false'
const isFolder: Check = (value) =>
  typeof value === 'string' && value !== ''
    ? undefined
    : 'must be the path of a folder, which is made where it is missing'
const isFunction: Check = (value) => typeof value === 'function' ? undefined : 'must be a function of a line of text'
const areTexts = (example: string): Check => (value) =>
  Array.isArray(value) && value.every((text) => typeof text === 'string')
    ? undefined
    : `must be a list of texts, such as ['${example}']`
const isPid: Check = (value) => Number.isSafeInteger(value) && Number(value) > 0 ? undefined : 'must be a pid'

const OF_START: Readonly<Record<string, Check>> = {
  dataDir: isFolder,
  postgres: isBoolean,
  mongodb: isBoolean,
  onProgress: isFunction,
  postgresFlags: areTexts('fsync=off'),
  mongodbFlags: areTexts('--quiet'),
  owner: isPid
}
const { dataDir, owner } = OF_START as { dataDir: Check; owner: Check }
const OF_STOP: Readonly<Record<string, Check>> = { dataDir, owner }

/**
 * Refuses options of `startEmbedded` that nobody reads, are of another kind, or start nothing.
 * @throws EmbeddedError `USAGE`
 */
export function checkStartOptions (options: object): void {
  const given = check('startEmbedded', options, OF_START)
  if (given.includes('postgres') || given.includes('mongodb')) return
  throw new EmbeddedError(
    'USAGE',
    'startEmbedded is told which servers to start: { dataDir, postgres: true, mongodb: true }.'
  )
}

/** The same for those of `stopEmbedded`. */
export function checkStopOptions (options: object): void {
  check('stopEmbedded', options, OF_STOP)
}

function check (of: string, options: unknown, known: Readonly<Record<string, Check>>): string[] {
  const names = Object.keys(known).join(', ')
  if (typeof options !== 'object' || options === null) {
    throw new EmbeddedError('USAGE', `${of} takes an object of options: ${names}.`)
  }
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const folder = Object(options) as { dataDir?: unknown }
  for (const [name, value] of [['dataDir', folder.dataDir] as const, ...given]) {
    const ofName = Object.hasOwn(known, name) ? known[name] : undefined
    if (ofName === undefined) {
      throw new EmbeddedError('USAGE', `${name} is no option of ${of}; its options are ${names}.`)
    }
    const mistake = ofName(value)
    if (mistake !== undefined) throw new EmbeddedError('USAGE', `The option ${name} of ${of} ${mistake}.`)
  }
  return given.map(([name]) => name)
}
