// Texts in statements, beside what pg makes of them.
import { randomBytes } from 'node:crypto'
import pg from 'pg'
import t from 'tap'
import { quoteLiteral } from '../src/sql-text/literal.ts'

t.test('a text is quoted as pg quotes it', async (t) => {
  const texts = [
    '',
    'a',
    "it's",
    "''",
    '\\',
    "\\'; drop table item; --",
    '\n\t',
    'é😀',
    randomBytes(40).toString('latin1')
  ]
  for (const text of texts) t.equal(quoteLiteral(text), pg.escapeLiteral(text), JSON.stringify(text))
})
