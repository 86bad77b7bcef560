import { rmSync } from 'node:fs'

/**
 * Says how a run ended, and sets the exit code.
 * @param dataDir its folder; removed where every promise was kept
 */
export function endRun (broken: number, dataDir: string): void {
  console.log(broken === 0 ? 'Every promise was kept.' : `${broken} promises were broken.`)
  if (broken === 0) rmSync(dataDir, { recursive: true, force: true })
  else console.log(`Databases and logs are kept in ${dataDir}`)
  process.exitCode = broken === 0 ? 0 : 1
}
