import type { App } from '../app.ts'
import { maskUrl } from '../plugins/config.ts'

/** A database that was started for this process, or why it was not. */
type Server =
  | { how: string; url: string; version: string; source: string }
  | { how: 'missing'; reason: string[] }
  | undefined

/**
 * What a person at a terminal wants to know when the service runs.
 * @param app an app that listens
 * @param databases those that were started for it
 * @returns lines to print
 */
export function banner (app: App, { postgres, mongodb }: { postgres?: Server; mongodb?: Server } = {}): string {
  const { DATABASE_URL, MONGODB_URL, DOCS, DATA_DIR } = app.config
  const origin = app.listeningOrigin.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1')
  return [
    '',
    '  Tandem is running.',
    '',
    `  API         ${origin}`,
    ...(DOCS ? [`  Docs        ${origin}/docs`] : []),
    ...database('SQL', DATABASE_URL, postgres),
    ...database('MongoDB', MONGODB_URL, mongodb),
    ...(postgres !== undefined || mongodb !== undefined
      ? [`  Data        ${DATA_DIR} (remove it for a fresh start); npm run db:url prints the URLs with their passwords`]
      : []),
    '',
    '  Try',
    `    curl ${origin}/users`,
    `    curl ${origin}/users/summary`,
    `    curl ${origin}/users -H 'content-type: application/json' -d '{"email":"you@example.com","name":"You"}'`,
    '',
    '  Ctrl-C stops everything.',
    ''
  ].join('\n')
}

function database (label: string, url: string | undefined, server: Server): string[] {
  const name = `  ${label.padEnd(12)}`
  if (server !== undefined && 'reason' in server) {
    return server.reason.map((line, at) => `${at === 0 ? name : ' '.repeat(14)}${line}`)
  }
  if (server === undefined) return [`${name}${url === undefined ? 'not set' : maskUrl(url)}`]
  return [`${name}${maskUrl(server.url)}`, `${' '.repeat(14)}${server.version}, ${server.how}, from ${server.source}`]
}
