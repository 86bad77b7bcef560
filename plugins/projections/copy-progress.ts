import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'

export type CopyReport = Record<'missing' | 'different' | 'extra', number>

/** How far the comparison of a copy has come. */
export interface Progress {
  /** The last id that was compared; `undefined`: none yet. */
  after: string | undefined
  compared: number
  report: CopyReport
}

interface ProgressDocument extends Progress {
  /** Name of the copy. */
  _id: string
  /** What the comparison is for: another purpose begins anew. */
  purpose: string
  /** Pair and epoch of both stores. */
  timeline: string
  /** Where the change stream goes on, for copies that have one. */
  position?: string | undefined
  saved_at: Date
}

/** A comparison that was interrupted longer ago than this begins anew. */
const STALE_MS = 3_600_000
const SAVE_EVERY_MS = 500

const collection = (app: FastifyInstance) => mongoDatabase(app).collection<ProgressDocument>('copy_progress')
const timeline = (app: FastifyInstance) => app.projections.fence.timeline ?? ''

/** Forgets how far an interrupted comparison had come, unless it was for the same purpose. */
export async function claimProgress (
  app: FastifyInstance,
  name: string,
  { purpose, isAnew = false }: { purpose: string; isAnew?: boolean }
): Promise<void> {
  const found = await collection(app).findOne({ _id: name })
  if (found?.purpose === purpose && !isAnew) return
  await collection(app).replaceOne({ _id: name }, {
    purpose,
    timeline: '',
    after: undefined,
    compared: 0,
    report: { missing: 0, different: 0, extra: 0 },
    saved_at: new Date()
  }, { upsert: true })
}

/** How far an interrupted comparison had come; undefined where there is none, or it says nothing of these stores. */
export async function findProgress (
  app: FastifyInstance,
  name: string
): Promise<Progress & { position?: string | undefined } | undefined> {
  const found = await collection(app).findOne({ _id: name, timeline: timeline(app) })
  if (typeof found?.after !== 'string' || Date.now() - found.saved_at.getTime() > STALE_MS) return undefined
  return found
}

/** What a comparison tells while it runs. */
export interface Course {
  /** Where it begins. */
  from: Progress
  /** Called when everything up to an id is as it should be. */
  reached: (progress: Progress) => Promise<void>
}

/**
 * Runs a comparison that goes on where an earlier one was interrupted, and remembers how far it comes.
 * @param position where the change stream goes on afterwards: only a comparison that began there can be gone on with
 */
export async function withProgress (
  app: FastifyInstance,
  name: string,
  work: (course: Course) => Promise<CopyReport>,
  position?: string
): Promise<CopyReport> {
  const from = await findStart(app, name, position)
  const { copying } = app.projections
  const since = Date.now()
  let last = from
  let savedAt = 0
  copying.set(name, { compared: from.compared, since })
  const save = async () => {
    savedAt = performance.now()
    await saveProgress(app, name, last, position)
  }
  try {
    const report = await work({
      from,
      async reached (progress) {
        last = progress
        copying.set(name, { compared: last.compared, since })
        if (performance.now() - savedAt >= SAVE_EVERY_MS) await save()
        app.projections.onProgress(name, last.compared)
      }
    })
    await collection(app).deleteOne({ _id: name })
    return report
  } catch (error) {
    if (last !== from) await save().catch(() => {})
    throw error
  } finally {
    copying.delete(name)
  }
}

async function findStart (app: FastifyInstance, name: string, position: string | undefined): Promise<Progress> {
  const found = await findProgress(app, name)
  if (found === undefined || (found.position ?? undefined) !== position) {
    return { after: undefined, compared: 0, report: { missing: 0, different: 0, extra: 0 } }
  }
  const projection = { copy: name, compared: found.compared }
  app.log.info({ projection }, 'an interrupted comparison of a copy goes on')
  return found
}

async function saveProgress (
  app: FastifyInstance,
  name: string,
  { after, compared, report }: Progress,
  position: string | undefined
): Promise<void> {
  await collection(app).updateOne({ _id: name }, {
    $set: { timeline: timeline(app), after, compared, report, position, saved_at: new Date() },
    $setOnInsert: { purpose: '' }
  }, { upsert: true })
}
