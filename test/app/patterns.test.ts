import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { decimal } from '../../schemas/common.ts'

const file = path.join(import.meta.dirname, '..', '..', 'docs', 'openapi.json')
const patterns = [...new Set(findPatterns(JSON.parse(readFileSync(file, 'utf8'))))].sort()

// What each pattern takes, and what it refuses, in every engine. A new pattern needs its row.
const TEXTS: Record<string, { takes: string[]; refuses: string[] }> = {
  '^[^\\x00]*$': { takes: ['Ada', 'Zoë 😀', 'a\nb'], refuses: ['a\0b'] },
  '^(0|[1-9][0-9]{0,7})\\.[0-9]{2}$': { takes: ['0.00', '19.90'], refuses: ['019.90', '1.9', '١.٢٣'] },
  '^[0-9a-f]{24}$': { takes: ['66f1c0a5e4b0a1b2c3d4e5f6'], refuses: ['66F1C0A5E4B0A1B2C3D4E5F6', ''] },
  '^[a-z0-9]+(-[a-z0-9]+)*$': { takes: ['on-the-engine'], refuses: ['-a', 'a--b', 'ä'] },
  '^(?:0|-?[1-9][0-9]{0,14})_[0-9a-f]{24}$': {
    takes: ['1738324800000_66f1c0a5e4b0a1b2c3d4e5f6', '-1_66f1c0a5e4b0a1b2c3d4e5f6', '0_66f1c0a5e4b0a1b2c3d4e5f6'],
    refuses: ['1_2', '01_66f1c0a5e4b0a1b2c3d4e5f6', '-0_66f1c0a5e4b0a1b2c3d4e5f6']
  },
  '^(?:(?:0|-?[1-9][0-9]{0,14})_[0-9a-f]{24}|-?[a-z][a-z0-9_]*\\.[A-Za-z0-9_\\x2D]*\\.[0-9a-f]{24})$': {
    takes: ['-1_66f1c0a5e4b0a1b2c3d4e5f6', 'title.QQ.66f1c0a5e4b0a1b2c3d4e5f6', '-title..66f1c0a5e4b0a1b2c3d4e5f6'],
    refuses: ['title.QQ.42', '.QQ.66f1c0a5e4b0a1b2c3d4e5f6', 'title.Q=.66f1c0a5e4b0a1b2c3d4e5f6']
  },
  '^(?:(?:0|-?[1-9][0-9]{0,14})_[1-9][0-9]{0,15}|-?[a-z][a-z0-9_]*\\.[A-Za-z0-9_\\x2D]*\\.[1-9][0-9]{0,15})$': {
    takes: ['1738324800000_42', 'total.MS41MA.42'],
    refuses: ['42', 'total.MS41MA.042', 'Total.MS41MA.42']
  },
  '^(?:[1-9][0-9]{0,15}|-?[a-z][a-z0-9_]*\\.[A-Za-z0-9_\\x2D]*\\.[1-9][0-9]{0,15})$': {
    takes: ['42', '-id..42', 'name.QQ.1'],
    refuses: ['0', 'name.42', 'näme.QQ.1']
  },
  '^(?:0|-?[1-9][0-9]{0,14})_[1-9][0-9]{0,15}$': { takes: ['1738324800000_42'], refuses: ['_1', '1_', '1_07'] },
  '^(?:0|[1-9][0-9]{0,9})_[1-9][0-9]{0,15}$': { takes: ['3_42', '0_1'], refuses: ['3-42', '03_1'] },
  '^("[\\x20\\x21\\x23-\\x5B\\x5D-\\x7E]{1,255}"|[\\x21\\x23-\\x7E]{1,255})$': {
    takes: ['"a b"', 'a-b'],
    refuses: ['a b', '"a', 'é']
  }
}
const LINES = { takes: ['Ada', ' Zoë 😀 ', '李'], refuses: ['', ' ', 'a\nb', 'a\0b', '\u00a0'] }
const TAGS = { takes: ['*', '"7-c0ffee00"', 'W/"a", "b"'], refuses: ['', '7', '"a" "b"', '*, "a"', '"é"'] }
const TOKENS = {
  takes: ['sql-users-5f2c9a011-4711-42', 'mongo-posts-5f2c9a011-66f1c0a5e4b0a1b2,sql-a%2Db-1a-1-x'],
  refuses: ['sql', 'sql-users-5f2c9a011-4711-42;', Array.from({ length: 9 }, () => 'sql-a-1-1-1').join()]
}

const SPECIAL = [['mongo', TOKENS], ['(W/)', TAGS], ['x7F-\\xA0', LINES]] as const

// Syntax that Python, Java, RE2 or JavaScript with u or v reads differently or refuses.
const FOREIGN: Record<string, RegExp> = {
  'a look-around or a named group': /\(\?(?!:)/,
  'a back reference': /\\[1-9]/,
  'an escape of one engine, or a class whose members differ': /\\(?!x[0-9A-F]{2}|[.\\])/i,
  'a possessive or lazy quantifier': /[*+?}][+?]/,
  'an operator of sets': /\[[^\]]*(?:&&|--|~~|\|\||\[)/,
  'a repetition above the 1000 of RE2': /\{(?:\d+,)?\d{4,}/
}

t.test('each pattern of the document has the same meaning in every engine', async (t) => {
  t.same(findPatterns({ a: [{ pattern: '^a$' }] }), ['^a$'])
  for (const pattern of patterns) {
    for (const [what, syntax] of Object.entries(FOREIGN)) t.notMatch(pattern, syntax, `${pattern}: no ${what}`)
    for (const flags of ['', 'u', 'v']) {
      t.same(findWrong(pattern, flags), [], `${pattern} in JavaScript, flags '${flags}'`)
    }
  }
})

t.test('decimals have texts, whatever their digits', async (t) => {
  for (const [precision, scale] of [[10, 2], [5, 3], [18, 18], [1, 0], [1, 1], [18, 0], [3, 2], [2, 0]] as const) {
    const { pattern = '' } = decimal(precision, scale)
    t.ok(getDecimals(pattern), pattern)
    t.same(findWrong(pattern, 'u'), [], pattern)
  }
  t.equal(getDecimals('^[a-z]$'), undefined)
})

t.test('a pattern that only one engine reads is found', async (t) => {
  for (
    const pattern of [
      '^[^\\u0000\\uD800-\\uDFFF]*$',
      '^\\w+$',
      '(?=a)',
      '(?<n>a)',
      '(a)\\1',
      'a++',
      '\\p{L}',
      '[a--b]',
      'a{2000}'
    ]
  ) {
    t.ok(Object.values(FOREIGN).some((syntax) => syntax.test(pattern)), pattern)
  }
})

t.test('in Python', { skip: isThere('python3') ? false : 'there is no python3 here' }, async (t) => {
  const code = `import json, re, sys
wrong = []
for pattern, takes, refuses in json.load(sys.stdin):
    found = re.compile(pattern)
    wrong += [[pattern, text] for text in takes if not found.search(text)]
    wrong += [[pattern, text] for text in refuses if found.search(text)]
print(json.dumps(wrong))`
  const rows = patterns.map((pattern) => [pattern, getTexts(pattern).takes, getTexts(pattern).refuses])
  const { stdout, stderr } = spawnSync('python3', ['-c', code], { input: JSON.stringify(rows), encoding: 'utf8' })
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), [])
})

function findPatterns (value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'pattern' && typeof inner === 'string' ? [inner] : findPatterns(inner)
  )
}

function getTexts (pattern: string): { takes: string[]; refuses: string[] } {
  const texts = TEXTS[pattern] ?? SPECIAL.find(([part]) => pattern.includes(part))?.[1] ?? getDecimals(pattern)
  if (texts === undefined) throw new Error(`${pattern} has no row in TEXTS: add texts that it takes and refuses`)
  return texts
}

// Those of `decimal` in schemas/common.ts, whatever its digits.
function getDecimals (pattern: string): { takes: string[]; refuses: string[] } | undefined {
  const [, whole, places] = /^\^(0|\[0-9\]|\(0\|\[1-9\]\[0-9\]\{0,\d+\}\))(?:\\\.\[0-9\]\{(\d+)\})?\$$/.exec(pattern) ??
    []
  if (whole === undefined) return undefined
  const end = places === undefined ? '' : `.${'5'.repeat(Number(places))}`
  const takes = [`0${end}`, ...(whole === '0' ? [] : [`7${end}`]), ...(whole.startsWith('(') ? [`42${end}`] : [])]
  return { takes, refuses: ['', `-1${end}`, `01${end}`, `٣${end}`, `0${end}5\n`, `${end}.`] }
}

function findWrong (pattern: string, flags: string): string[] {
  const { takes, refuses } = getTexts(pattern)
  const found = new RegExp(pattern, flags)
  return [...takes.filter((text) => !found.test(text)), ...refuses.filter((text) => found.test(text))]
}

function isThere (program: string): boolean {
  return spawnSync(program, ['--version']).status === 0
}
