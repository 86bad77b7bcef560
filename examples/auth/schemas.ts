import { Type, type Static } from '@sinclair/typebox'
import { line, text } from '../../schemas/common.ts'

const id = Type.String({ format: 'uuid', examples: ['7c0d1b4e-95a1-4b0e-9d27-0d1c5b5f8f60'] })
const slug = Type.String({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 100, examples: ['first-note'] })
const title = line(1, 200)
const body = text(0, 10_000)

export const NoteSchema = Type.Object({ id, slug, title, body }, { additionalProperties: false })
export const NoteSummarySchema = Type.Object({ id, title }, { additionalProperties: false })
export const NoteCreateSchema = Type.Object({ slug, title, body }, { additionalProperties: false })
export const NoteUpdateSchema = Type.Partial(Type.Object({ slug, title, body }), {
  additionalProperties: false,
  minProperties: 1
})
export const NoteParamsSchema = Type.Object({ id })
export const NoteQuerySchema = Type.Object({
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 100, default: 100 })),
  after: Type.Optional(id)
})

export type Note = Static<typeof NoteSchema> & { version: number }
export type NoteCreate = Static<typeof NoteCreateSchema>
export type NoteUpdate = Static<typeof NoteUpdateSchema>
