// An upload and the row about it: both are there behind a 201, and neither behind anything else.
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import multipart from '@fastify/multipart'
import Fastify from 'fastify'
import pg from 'pg'
import transaction, { OutcomeUnknownError } from 'fastify-transaction'

const folder = process.env['UPLOADS'] ?? 'uploads'
const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await mkdir(folder, { recursive: true })
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(multipart, { limits: { fileSize: 1_000_000, files: 1 } })
await app.register(transaction, { pool })

// The body is a stream that is read once: such a route has no retries.
app.post('/files', { config: { transaction: true } }, async function upload (request, reply) {
  const parts = request.files()
  const { value: part } = await parts.next()
  if (part === undefined) return await reply.code(400).send({ message: 'A file is missing' })
  const partial = path.join(folder, `${request.id}.part`)
  try {
    await pipeline(part.file, createWriteStream(partial))
    await parts.next() // the rest of the body; a second file is refused with 413
    if (part.file.truncated) return await reply.code(413).send({ message: 'The file is too large' })
    // First the whole body, then the row: no transaction waits for a client.
    const { rows: [row] } = await request.transaction.query<{ id: number }>(
      'insert into note (text) values ($1) returning id',
      [part.filename]
    )
    const stored = path.join(folder, String(row?.id))
    await rename(partial, stored) // before COMMIT: where it fails there is no row
    await request.transaction.commit().catch(async (error: unknown) => {
      // Where nobody knows whether the row is there, the file stays: one without a row harms nobody.
      if (!(error instanceof OutcomeUnknownError)) await rm(stored, { force: true })
      throw error
    })
    return await reply.code(201).send(row)
  } finally {
    await rm(partial, { force: true })
  }
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
