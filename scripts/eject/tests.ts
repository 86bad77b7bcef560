import { markFile } from './mark-parts.ts'
import { readParts, type Part } from './parts.ts'
import type { Tree } from './tree.ts'
import { flatten, writeParts } from './write-parts.ts'

const ALL = '*'

/** What became of the tests: files that went, and of how many tests others were relieved. */
export interface DroppedTests {
  files: string[]
  tests: Map<string, number>
}

/** The names that a file had for others, and has no more; `*` for all of them. */
type Gone = Map<string, Set<string>>

/**
 * Takes out the tests that need the example: single tests of a file with what only they have used, a file with its last
 * test. What a test needs is followed through names and files.
 * @param isKept files that are left alone
 */
export function dropTests (tree: Tree, isKept: (name: string) => boolean): DroppedTests {
  const files = tree.names().filter((name) => /^test\/.*\.ts$/.test(name) && !isKept(name))
  const parts = new Map(files.map((name) => [name, readParts(tree.read(name))]))
  const gone: Gone = new Map(tree.removed().map((name) => [name, new Set([ALL])]))
  const taken = new Set<Part>()
  for (let size = -1; size !== taken.size;) {
    size = taken.size
    for (const [name, all] of parts) {
      markFile({ taken, names: new Set(), isGone: (file, word) => isGone(gone, file, word), name }, all)
      gone.set(name, namesGone(all, taken))
    }
  }
  const dropped: DroppedTests = { files: [], tests: new Map() }
  for (const [name, all] of parts) {
    if (!flatten(all).some((part) => taken.has(part))) continue
    if (isEmpty(name, all.filter((part) => !taken.has(part)))) {
      tree.remove(name)
      dropped.files.push(name)
      continue
    }
    tree.write(name, writeParts(tree.read(name), all, taken))
    const count = flatten(all).filter((part) => part.isTest && taken.has(part)).length
    if (count > 0) dropped.tests.set(name, count)
  }
  return dropped
}

function isGone (gone: Gone, file: string, word: string): boolean {
  const names = gone.get(file)
  return names?.has(ALL) === true || names?.has(word) === true
}

// A file of tests without a test is none, nor a helper without anything to import.
function isEmpty (name: string, left: Part[]): boolean {
  if (name.endsWith('.test.ts')) return !left.some(({ isRun, isTest, text }) => isTest || isRun && /import/.test(text))
  return !left.some(({ exported, isRun }) => exported.length > 0 || isRun)
}

function namesGone (all: Part[], taken: Set<Part>): Set<string> {
  const left = all.filter((part) => !taken.has(part))
  if (isEmpty('', left)) return new Set([ALL])
  return new Set([...taken].filter((part) => all.includes(part)).flatMap(({ exported }) => exported))
}
