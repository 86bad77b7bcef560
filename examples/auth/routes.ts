import { randomUUID } from 'node:crypto'
import { Type } from '@sinclair/typebox'
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { defineRoute } from '../../schemas/http.ts'
import type { Notes } from './notes.ts'
import {
  NoteCreateSchema,
  NoteParamsSchema,
  NoteQuerySchema,
  NoteSchema,
  NoteSummarySchema,
  NoteUpdateSchema,
  type Note
} from './schemas.ts'

const LIMIT = 100

/** Where notes are kept, and under which path. */
export interface Place {
  url: string
  store: 'sql' | 'mongo'
  notes: (request: FastifyRequest) => Notes
}

/** The routes of notes in one store: list, summaries, read, create, change, delete. */
export function noteRoutes (place: Place): RouteOptions[] {
  return [...readRoutes(place), createRoute(place), ...changeRoutes(place)]
}

function readRoutes ({ url, store, notes }: Place): RouteOptions[] {
  const config = { transaction: { store } }
  return [
    defineRoute({
      method: 'GET',
      url,
      config,
      schema: { querystring: NoteQuerySchema, response: { 200: Type.Array(NoteSchema) } },
      handler: async (request, reply) => await answerPage(request, reply, notes(request))
    }),
    defineRoute({
      method: 'GET',
      url: `${url}/summaries`,
      config,
      schema: { querystring: NoteQuerySchema, response: { 200: Type.Array(NoteSummarySchema) } },
      handler: async (request, reply) => await answerPage(request, reply, notes(request))
    }),
    defineRoute({
      method: 'GET',
      url: `${url}/:id`,
      config: { ...config, conditional: true },
      schema: { params: NoteParamsSchema, response: { 200: NoteSchema } },
      handler: async function getNote (request, reply) {
        const note = await notes(request).get(request.params.id)
        this.assert(note, 404, 'Note not found')
        return reply.withTag(note)
      }
    })
  ]
}

function createRoute ({ url, store, notes }: Place): RouteOptions {
  return defineRoute({
    method: 'POST',
    url,
    config: { transaction: { store } },
    schema: { body: NoteCreateSchema, response: { 201: NoteSchema } },
    handler: async function createNote (request, reply) {
      // Random: a serial id would tell how many notes others have.
      const note = await notes(request).create(randomUUID(), request.body)
      reply.code(201).header('location', `${request.routeOptions.url ?? ''}/${note.id}`)
      return reply.withTag(note)
    }
  })
}

function changeRoutes ({ url, store, notes }: Place): RouteOptions[] {
  const config = { transaction: { store }, conditional: true }
  return [
    defineRoute({
      method: 'PATCH',
      url: `${url}/:id`,
      config,
      schema: { params: NoteParamsSchema, body: NoteUpdateSchema, response: { 200: NoteSchema } },
      handler: async function changeNote (request, reply) {
        const { id } = request.params
        const note = await notes(request).update(id, request.body, request.precondition)
        if (note === null) throw this.createMissProblem(await notes(request).get(id), 'Note')
        return reply.withTag(note)
      }
    }),
    defineRoute({
      method: 'DELETE',
      url: `${url}/:id`,
      config,
      schema: { params: NoteParamsSchema, response: { 204: Type.Null() } },
      handler: async function deleteNote (request, reply) {
        const { id } = request.params
        if (!await notes(request).remove(id, request.precondition)) {
          throw this.createMissProblem(await notes(request).get(id), 'Note')
        }
        reply.code(204)
        return null
      }
    })
  ]
}

async function answerPage (
  request: FastifyRequest & { query: { limit?: number; after?: string } },
  reply: FastifyReply,
  notes: Notes
): Promise<Note[]> {
  const { limit = LIMIT, after } = request.query
  const found = await notes.list(limit + 1, after)
  const items = found.slice(0, limit)
  return reply.page({ items, next: found.length > limit ? items.at(-1)?.id : undefined })
}
