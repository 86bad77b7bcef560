import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, renameSync, rmdirSync, statfsSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const ATTEMPTS = 50

type Owner = Record<'uid' | 'gid', number>

/** A file system in memory of a size that can change; only root on Linux has some. */
export class SmallDisk {
  readonly #folder: string
  readonly #megabytes: number
  readonly #leave = () => {
    spawnSync('umount', ['--lazy', this.#folder])
  }

  private constructor (folder: string, megabytes: number) {
    this.#folder = folder
    this.#megabytes = megabytes
    process.once('exit', this.#leave)
  }

  /**
   * Mounts one over a folder, whose owner it gets. What is in the folder is hidden until it is unmounted.
   * @throws Error with what the system says
   */
  static mount (folder: string, megabytes: number, { uid, gid }: Owner = statSync(folder)): SmallDisk {
    run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0700,uid=${uid},gid=${gid}`, 'tandem-disk', folder])
    return new SmallDisk(folder, megabytes)
  }

  /** Puts what a folder holds on a disk of its own; `remove` puts it back. */
  static under (folder: string, megabytes: number): SmallDisk {
    const aside = `${folder}.aside`
    renameSync(folder, aside)
    run('mkdir', [folder])
    const disk = SmallDisk.mount(folder, megabytes, statSync(aside))
    run('cp', ['-Rp', `${aside}/.`, folder])
    rmSync(aside, { recursive: true })
    return disk
  }

  /** Leaves no room for another byte. */
  fill (): void {
    for (let left = ATTEMPTS;; left--) {
      const { blocks, bfree, bsize } = statfsSync(this.#folder)
      try {
        return this.#resize(`${(blocks - bfree) * bsize}`)
      } catch (error) {
        // Something was written in between.
        if (left === 0) throw error
      }
    }
  }

  /** Gives it its size back. */
  free (): void {
    this.#resize(`${this.#megabytes}m`)
  }

  /** Unmounts it; what it held is gone. */
  unmount (): void {
    run('umount', [this.#folder])
    process.off('exit', this.#leave)
  }

  /** Unmounts it, and leaves what it held in the folder. */
  remove (): void {
    const aside = `${this.#folder}.aside`
    run('cp', ['-Rp', this.#folder, aside])
    this.unmount()
    rmdirSync(this.#folder)
    renameSync(aside, this.#folder)
  }

  #resize (size: string): void {
    run('mount', ['-o', `remount,size=${size}`, this.#folder])
  }
}

/** Why there can be no small disk here; undefined where there can. */
export function noSmallDisk (): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    return 'only root on Linux can mount a small file system'
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-disk-'))
  try {
    SmallDisk.mount(folder, 1).unmount()
    return undefined
  } catch (error) {
    return `a small file system cannot be mounted: ${error instanceof Error ? error.message : String(error)}`
  } finally {
    rmdirSync(folder)
  }
}

function run (program: string, args: string[]): void {
  const { status, stderr, error } = spawnSync(program, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program}: ${error?.message ?? stderr.trim()}`)
}
