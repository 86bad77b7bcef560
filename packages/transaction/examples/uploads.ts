// An upload and the row about it: the file gets its name after COMMIT, and goes where nothing was committed.
import { createWriteStream } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import multipart from '@fastify/multipart'
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'

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
  const part = await request.file()
  if (part === undefined) return await reply.code(400).send({ message: 'A file is missing' })
  const partial = path.join(folder, `${request.id}.part`)
  try {
    await pipeline(part.file, createWriteStream(partial)) // first the file, then the row: no transaction waits for a client
    const { rows: [row] } = await request.transaction.query<{ id: number }>(
      'insert into note (text) values ($1) returning id',
      [part.filename]
    )
    if (part.file.truncated) return await reply.code(413).send({ message: 'The file is too large' })
    await request.transaction.commit() // from here on it is stored: the name below only repeats what the row says
    await rename(partial, path.join(folder, String(row?.id)))
    return await reply.code(201).send(row)
  } finally {
    await rm(partial, { force: true })
  }
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
