// `npm run db:url`: the URLs of the databases that `npm start` starts, with their passwords, for a person and other
// tools. `-- admin`: those of the users who may do everything.
import { explainBoot } from '../plugins/errors/boot.ts'
import { startMissing } from './missing-databases.ts'

const isAdmin = process.argv[2] === 'admin'
try {
  const { postgres, mongodb, stop } = await startMissing()
  const servers = [postgres, mongodb?.how === 'missing' ? undefined : mongodb].filter((server) => server !== undefined)
  for (const { url, adminUrl } of servers) console.log(isAdmin ? adminUrl : url)
  if (servers.length === 0) console.error('No database is started here: DATABASE_URL and MONGODB_URL are set')
  await stop()
} catch (error) {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
}
