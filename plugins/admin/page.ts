import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** The status page and the policy under which it runs. */
export interface Page {
  html: string
  policy: string
}

/**
 * Puts the status page together: one document that loads nothing, whose script and style are allowed by their hashes
 * and which may talk to its own origin only.
 */
export function buildPage (): Page {
  const style = read('page.css')
  // One script of both files: the first is a module of its own for the tests.
  const script = `${read('series.js').replace(/^export /gm, '')}\n${
    read('page-script.js').replace(/^import .*$/gm, '')
  }`
  const html = read('page.html').replace('/* style */', () => style).replace('/* script */', () => script)
  return {
    html,
    policy: [
      "default-src 'none'",
      `script-src ${toHash(script)}`,
      `style-src ${toHash(style)}`,
      "connect-src 'self'",
      'img-src data:',
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'"
    ].join('; ')
  }
}

function read (name: string): string {
  return readFileSync(new URL(name, import.meta.url), 'utf8').trim()
}

function toHash (text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
