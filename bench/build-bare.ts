// Compiles bench/peers/bare.ts into .bench/, so that the hand-written peer runs as plain JavaScript like the built
// service.
import { spawnSync } from 'node:child_process'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const tsc = spawnSync(path.join(root, 'node_modules', '.bin', 'tsc'), [
  '--outDir',
  path.join(root, '.bench', 'peers'),
  '--rootDir',
  path.join(import.meta.dirname, 'peers'),
  '--module',
  'nodenext',
  '--target',
  'es2023',
  '--skipLibCheck',
  '--rewriteRelativeImportExtensions',
  '--types',
  'node',
  path.join(import.meta.dirname, 'peers', 'bare.ts')
], { stdio: 'inherit', cwd: root })
process.exitCode = tsc.status ?? 1
