// The client that `npm run client` makes compiles, whatever the resources of the service are.
import path from 'node:path'
import t from 'tap'
import { writeClient } from '../../scripts/client.ts'
import { compileClient } from '../client.ts'
import { newFolder } from '../folder.ts'

t.test('npm run client', async (t) => {
  const folder = path.join(newFolder(t), 'api')
  t.strictSame((await writeClient(folder)).map((file) => path.basename(file)), ['schema.d.ts', 'api.ts'])
  t.strictSame(compileClient(folder, ['api.ts']), [], 'the compiler agrees')
})
