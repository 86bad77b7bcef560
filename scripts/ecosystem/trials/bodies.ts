import type { FastifyRequest } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Trial } from '../trial.ts'

interface Part {
  type: 'file' | 'field'
  toBuffer: () => Promise<Buffer>
}
interface Multipart extends FastifyRequest {
  file: () => Promise<Part | undefined>
  parts: () => AsyncIterable<Part>
}

const UPLOAD = {
  body: '--XX\r\ncontent-disposition: form-data; name="f"; filename="a.txt"\r\n' +
    'content-type: text/plain\r\n\r\nabc\r\n--XX--\r\n',
  headers: { 'content-type': 'multipart/form-data; boundary=XX' }
}
const CONFLICT = "do $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$"

/** Made from Zod once it is loaded. */
const schemas: { body: unknown; response: unknown } = { body: undefined, response: undefined }

async function getSize (request: FastifyRequest): Promise<number> {
  const part = await (request as Multipart).file()
  return part === undefined ? 0 : (await part.toBuffer()).length
}

/** Plugins that read bodies. */
export const trials: Trial[] = [
  {
    package: '@fastify/formbody',
    register: async (app) => app.register(await loadPlugin('@fastify/formbody')),
    body: 'name=Ada',
    headers: { 'content-type': 'application/x-www-form-urlencoded' }
  },
  {
    package: '@fastify/multipart',
    register: async (app) => app.register(await loadPlugin('@fastify/multipart')),
    routes: (app) => {
      app.post('/upload', async (request, reply) => {
        await insert(request, await getSize(request))
        reply.code(201)
        return {}
      })
      app.post('/refused-upload', async (request, reply) => {
        await insert(request, await getSize(request))
        reply.code(409)
        return {}
      })
      app.post('/parts', async (request) => {
        for await (const part of (request as Multipart).parts()) await insert(request, (await part.toBuffer()).length)
        return {}
      })
      app.post('/retried-upload', { config: { transaction: { retries: 2 } } }, async (request) => {
        await insert(request, await getSize(request))
        if (request.transaction.attempt === 1) await request.transaction.query(CONFLICT)
        return {}
      })
    },
    checks: [
      { ...UPLOAD, name: 'upload', path: '/upload', status: 201, stored: [3] },
      { ...UPLOAD, name: 'upload and 409', path: '/refused-upload', status: 409 },
      { ...UPLOAD, name: 'upload part by part', path: '/parts', status: 200, stored: [3] },
      // A second run would find an empty stream, so there is none: the error of the conflict is answered.
      { ...UPLOAD, name: 'upload and conflict', path: '/retried-upload', status: 500 }
    ],
    note: 'A body that is read as a stream cannot be read twice: its route is not run again after a conflict; the ' +
      'conflict is answered. `attachFieldsToBody` reads it before the handler.'
  },
  {
    package: 'fastify-raw-body',
    register: async (app) => app.register(await loadPlugin('fastify-raw-body'), { global: true }),
    routes: (app) => {
      app.post('/signed', async (request, reply) => {
        await insert(request, 21)
        const { rawBody } = request as FastifyRequest & { rawBody?: string }
        if (rawBody !== '{"signed":true}') reply.code(401)
        return { rawBody }
      })
    },
    checks: [
      { name: 'a signature that fits', path: '/signed', body: '{"signed":true}', status: 200, stored: [21] },
      { name: 'a signature that does not fit', path: '/signed', body: '{"signed":false}', status: 401 }
    ]
  },
  {
    package: 'fastify-type-provider-zod',
    async register (app) {
      const zod = await load<{ validatorCompiler: never; serializerCompiler: never }>('fastify-type-provider-zod')
      app.setValidatorCompiler(zod.validatorCompiler)
      app.setSerializerCompiler(zod.serializerCompiler)
      const { z } = await load<{ z: { object: (fields: object) => unknown; number: () => unknown } }>('zod')
      schemas.body = z.object({ id: z.number() })
      schemas.response = z.object({ stored: z.number() })
    },
    routes: (app) => {
      app.post<{ Body: { id: number } }>('/checked', {
        schema: { body: schemas.body, response: { 200: schemas.response } }
      }, async (request) => {
        await insert(request, request.body.id)
        return { stored: request.body.id === 23 ? 'no number' : request.body.id }
      })
    },
    checks: [
      { name: 'a valid body', path: '/checked', body: '{"id":22}', status: 200, stored: [22] },
      { name: 'a body that is not valid', path: '/checked', body: '{"id":"x"}', status: 400 },
      { name: 'a reply that is not valid', path: '/checked', body: '{"id":23}', status: 500 }
    ]
  }
]
