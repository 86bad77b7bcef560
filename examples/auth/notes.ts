import type { FastifyRequest } from 'fastify'
import type { Precondition } from '../../plugins/repositories/expected-version.ts'
import { getCaller } from './caller.ts'
import type { Note, NoteCreate, NoteUpdate } from './schemas.ts'
import { tenantCollection, type OfTenant } from './tenant-documents.ts'

/** Notes of the caller's tenant, in one of the stores. */
export interface Notes {
  /** By id; at most `limit`, beginning after an id. */
  list: (limit: number, after?: string) => Promise<Note[]>
  get: (id: string) => Promise<Note | null>
  create: (id: string, note: NoteCreate) => Promise<Note>
  /** Null where there is no such note, or not as it is expected. */
  update: (id: string, changes: NoteUpdate, expected?: Precondition) => Promise<Note | null>
  remove: (id: string, expected?: Precondition) => Promise<boolean>
}

const FIELDS = 'id, slug, title, body, version'
const IS_EXPECTED =
  `($2::text[] IS NULL OR version::text = ANY($2)) AND ($3::text[] IS NULL OR version::text <> ALL($3))`

/**
 * Notes in PostgreSQL. No statement names the tenant: row-level security adds it to each.
 * @param request of a route of `addTenantRoutes`
 */
export function sqlNotes ({ transaction }: FastifyRequest): Notes {
  const query = async (statement: string, values: unknown[]): Promise<Note[]> =>
    (await transaction.query<Note & Record<string, unknown>>(statement, values)).rows
  return {
    list: async (limit, after) =>
      await query(
        `SELECT ${FIELDS} FROM notes WHERE $2::uuid IS NULL OR id > $2 ORDER BY id LIMIT $1`,
        [limit, after ?? null]
      ),
    get: async (id) => (await query(`SELECT ${FIELDS} FROM notes WHERE id = $1`, [id]))[0] ?? null,
    create: async (id, { slug, title, body }) => {
      const statement = `INSERT INTO notes (id, slug, title, body) VALUES ($1, $2, $3, $4) RETURNING ${FIELDS}`
      const [note] = await query(statement, [id, slug, title, body])
      if (note === undefined) throw new Error('a note was stored and not returned')
      return note
    },
    update: async (id, { slug, title, body }, expected) => {
      const values = [id, ...toArrays(expected), slug ?? null, title ?? null, body ?? null]
      const set =
        'slug = coalesce($4, slug), title = coalesce($5, title), body = coalesce($6, body), version = version + 1'
      const statement = `UPDATE notes SET ${set} WHERE id = $1 AND ${IS_EXPECTED} RETURNING ${FIELDS}`
      return expected?.noneMatch === '*' ? null : (await query(statement, values))[0] ?? null
    },
    remove: async (id, expected) => {
      const statement = `DELETE FROM notes WHERE id = $1 AND ${IS_EXPECTED} RETURNING ${FIELDS}`
      return expected?.noneMatch !== '*' && (await query(statement, [id, ...toArrays(expected)])).length === 1
    }
  }
}

function toArrays ({ match, noneMatch }: Precondition = {}): Array<string[] | null> {
  return [match ?? null, noneMatch === undefined || noneMatch === '*' ? null : noneMatch]
}

interface NoteDocument extends OfTenant, NoteCreate {
  version: number
}

/**
 * Notes in MongoDB, through a handle that is bound to the tenant.
 * @param request of a route of `addTenantRoutes`
 */
export function mongoNotes (request: FastifyRequest): Notes {
  const notes = tenantCollection<NoteDocument>(request.mongo, 'notes', getCaller(request).tenant)
  return {
    list: async (limit, after) =>
      (await notes.find(after === undefined ? {} : { _id: { $gt: after } }, { sort: { _id: 1 }, limit })).map(toNote),
    get: async (id) => toNoteOrNull(await notes.findOne({ _id: id })),
    create: async (id, note) => toNote(await notes.insertOne({ _id: id, ...note, version: 1 })),
    update: async (id, changes, expected) =>
      toNoteOrNull(await notes.updateOne(toFilter(id, expected), { $set: changes, $inc: { version: 1 } } as object)),
    remove: async (id, expected) => (await notes.deleteOne(toFilter(id, expected))).deletedCount === 1
  }
}

function toFilter (_id: string, { match, noneMatch }: Precondition = {}): { $and: object[] } {
  return {
    $and: [
      { _id },
      ...(match === undefined ? [] : [{ version: { $in: match.map(Number) } }]),
      ...(noneMatch === undefined
        ? []
        : [{ version: noneMatch === '*' ? { $exists: false } : { $nin: noneMatch.map(Number) } }])
    ]
  }
}

function toNote ({ _id, slug, title, body, version }: NoteDocument): Note {
  return { id: _id, slug, title, body, version }
}

function toNoteOrNull (document: NoteDocument | null): Note | null {
  return document === null ? null : toNote(document)
}
