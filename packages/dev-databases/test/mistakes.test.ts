// Mistakes of the first hour: each is answered by one line that says what is wrong and what to do.
import path from 'node:path'
import t from 'tap'
import { EmbeddedError, startEmbedded, stopEmbedded } from '../src/index.ts'
import { freshFolder } from './helper.ts'

t.test('options that nobody reads, are of another kind or start nothing are refused', async (t) => {
  const dataDir = path.join(freshFolder(t), 'data')
  const wrong: Array<[unknown, RegExp]> = [
    [undefined, /^startEmbedded takes an object of options: dataDir, postgres, mongodb/],
    [{}, /^The option dataDir of startEmbedded must be the path of a folder/],
    [{ postgres: true, mongodb: true }, /^The option dataDir/],
    [{ dataDir: '', postgres: true }, /^The option dataDir/],
    [{ dataDir: 5, postgres: true }, /^The option dataDir/],
    [{ dataDir }, /^startEmbedded is told which servers to start/],
    [{ dataDir, postgress: true }, /^postgress is no option of startEmbedded; its options are dataDir, postgres/],
    [{ dataDir, postgres: 'false' }, /^The option postgres of startEmbedded must be true or false\.$/],
    [{ dataDir, postgres: true, postgresFlags: 'fsync=off' }, /must be a list of texts, such as \['fsync=off'\]/],
    [{ dataDir, postgres: true, onProgress: 'yes' }, /^The option onProgress .* must be a function/],
    [{ dataDir, postgres: true, owner: 'me' }, /^The option owner .* must be a pid/]
  ]
  for (const [options, message] of wrong) {
    await t.rejects(startEmbedded(options as never), { name: 'EmbeddedError', code: 'USAGE', message })
  }
  await t.rejects(stopEmbedded(undefined as never), { code: 'USAGE', message: /^stopEmbedded takes an object/ })
  await t.rejects(stopEmbedded({ dataDir, force: true } as never), { code: 'USAGE', message: /^force is no option/ })
  await t.resolves(stopEmbedded({ dataDir }), 'nothing runs there')
  const { stop } = await startEmbedded({ dataDir, postgres: false, mongodb: false, owner: undefined } as never)
  await stop()
})

t.test('the class of its errors is exported, and none names a setting of some service', async (t) => {
  const owner = 2 ** 22 + 1 // no process has it
  const error: unknown = await startEmbedded({ dataDir: freshFolder(t), postgres: true, mongodb: false, owner }).catch(
    (error: unknown) => error
  )
  t.ok(error instanceof EmbeddedError)
  t.match(error, { code: 'NOT_STARTED', message: /name one that runs/ })
  t.notMatch(error, { message: /[A-Z]+_(URL|DIR)/ })
})
