// `npm run audit`: known weaknesses of what production runs. Fails from "high" on; where the registry does not answer
// the question, it says so and passes.
import { spawnSync } from 'node:child_process'

interface Report {
  metadata?: { vulnerabilities?: Record<string, number> }
}

const LEVELS = ['low', 'moderate', 'high', 'critical']
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const { stdout } = spawnSync(npm, ['audit', '--omit=dev', '--json'], {
  encoding: 'utf8',
  timeout: 60_000,
  shell: process.platform === 'win32'
})
const found = read(stdout).metadata?.vulnerabilities
if (found === undefined) {
  console.log('Skipped: the npm registry answers no audit here; run `npm run audit` where it does.')
} else {
  console.log(`npm audit: ${LEVELS.map((level) => `${found[level] ?? 0} ${level}`).join(', ')}`)
  if ((found['high'] ?? 0) + (found['critical'] ?? 0) > 0) {
    console.log('Run `npm audit --omit=dev` for the packages, and update those.')
    process.exitCode = 1
  }
}

function read (text: string): Report {
  try {
    return JSON.parse(text) as Report
  } catch {
    return {}
  }
}
