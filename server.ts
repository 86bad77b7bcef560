// The service in production: `node dist/server.js`. While developing, `npm start` (scripts/start.ts) starts missing
// databases first.
import { explainBoot } from './plugins/errors/boot.ts'
import { banner } from './scripts/banner.ts'
import { serve } from './scripts/serve.ts'

serve({
  onListening: (app) => {
    if (process.stdout.isTTY) console.log(banner(app))
  }
}).catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exit(1)
})
