import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/** The files of a service that are kept in Git: read and changed in memory, written at once. */
export interface Tree {
  /** Paths of all that are left. */
  names: () => string[]
  has: (name: string) => boolean
  /** @throws Error where there is no such file */
  read: (name: string) => string
  write: (name: string, text: string) => void
  remove: (name: string) => void
  removed: () => string[]
  changed: () => string[]
  /** Brings the folder to what the tree says. */
  save: () => void
}

/**
 * Opens the files of a working copy.
 * @param root its folder
 */
export function openTree (root: string): Tree {
  const listed = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 1e8 })
  const names = new Set(listed.split('\0').filter((name) => name !== '' && existsSync(path.join(root, name))))
  const removed = new Set<string>()
  const changed = new Map<string, string>()
  return {
    names: () => [...names],
    has: (name) => names.has(name),
    read: (name) => changed.get(name) ?? readFileSync(path.join(root, name), 'utf8'),
    write (name, text) {
      names.add(name)
      changed.set(name, text)
    },
    remove (name) {
      names.delete(name)
      changed.delete(name)
      removed.add(name)
    },
    removed: () => [...removed].toSorted(),
    changed: () => [...changed.keys()].toSorted(),
    save () {
      for (const name of removed) rmSync(path.join(root, name), { force: true })
      for (const [name, text] of changed) writeFileSync(path.join(root, name), text)
    }
  }
}
