import path from 'node:path'
import { codeBlocks } from './foreign-app.ts'

/** The two ways in which an app may be written: with import, and with require inside of an async function. */
export const FORMS = ['mjs', 'cjs'] as const
export type Form = typeof FORMS[number]

const root = path.join(import.meta.dirname, '../..')
const OURS = /^(fastify-(transaction|outbox|change-stream)(\/.*)?|dev-databases(\/.*)?)$/
const IMPORT = /^import (?:(\w+))?(?:, )?(\{[^}]*\})? from '([^']+)'$/gm
const LISTEN = /^await app\.listen\(.*\n/m

/** The blocks of JavaScript in the README of a package, in their order. */
export function readmeBlocks (name: string): string[] {
  return codeBlocks([path.join(root, 'packages', name, 'README.md')], 'js')
}

/** A program as it is printed, or the same with `require` as the README says. */
export function toForm (code: string, form: Form): string {
  if (form === 'mjs') return code
  const requires = [...code.matchAll(IMPORT)].map(([, whole, names = '{}', from = '']) => {
    const inner = names.slice(1, -1).trim()
    // A package of CommonJS is its own default.
    if (whole !== undefined && !OURS.test(from)) return `const ${whole} = require('${from}')${rest(inner, from)}`
    const wanted = [whole === undefined ? '' : `default: ${whole}`, inner].filter((text) => text !== '').join(', ')
    return `const { ${wanted} } = require('${from}')`
  })
  return `${requires.join('\n')}\n;(async () => {\n${code.replaceAll(IMPORT, '')}\n})()\n`
}

function rest (inner: string, from: string): string {
  return inner === '' ? '' : `\nconst { ${inner} } = require('${from}')`
}

/**
 * An app with the pieces that its README shows after it: they go in before it listens.
 * @param before what the README takes for granted, in words: put above the register
 */
export function withPieces (app: string, pieces: string[], before = ''): string {
  const listen = LISTEN.exec(app)?.[0]
  if (listen === undefined) throw new Error('the app of the README does not listen')
  const register = /^await app\.register\(/m
  return `${app.replace(LISTEN, '').replace(register, (text) => `${before}${text}`)}${pieces.join('\n')}\n${listen}`
}
