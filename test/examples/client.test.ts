// The program of examples/client, on the service.
import { execFile } from 'node:child_process'
import { copyFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { writeClient } from '../../scripts/client.ts'
import { compileClient } from '../client.ts'
import { newFolder } from '../folder.ts'
import { build, listen } from '../helper.ts'

const example = path.join(import.meta.dirname, '..', '..', 'examples', 'client')

t.test('a program on the typed client pages, repeats, is refused, and changes what it has read', async (t) => {
  const folder = newFolder(t)
  await writeClient(folder)
  copyFileSync(path.join(example, 'shop.ts'), path.join(folder, 'shop.ts'))
  t.strictSame(compileClient(folder, ['shop.ts']), [], 'the compiler agrees')

  const origin = await listen(t, await build(t, { settings: { PROJECTIONS: false } }))
  const { stdout } = await promisify(execFile)(process.execPath, [path.join(folder, 'shop.js'), origin], {
    env: { PATH: process.env['PATH'] }
  })
  t.strictSame(stdout.trim().split('\n'), [
    'refused: 409 /email',
    'orders: 10.00 9.99 0.50',
    'name: Ada Lovelace, Countess'
  ])
})
