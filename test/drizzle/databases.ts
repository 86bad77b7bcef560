import pg from 'pg'
import type { Test } from 'tap'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { newFolder } from '../folder.ts'
import { readRun } from '../databases/run.ts'

/** A migration file. */
export interface File {
  tag: string
  when: number
  sql: string
}

/** An empty database: nothing of ours in it. */
export async function emptyPostgres (t: Test): Promise<{ url: string; client: pg.Client }> {
  const admin = new pg.Client(readRun().postgres)
  await admin.connect()
  const name = `empty_${process.pid}_${Math.floor(performance.now() * 1000)}`
  await admin.query(`create database ${name}`)
  await admin.end()
  const url = new URL(readRun().postgres)
  url.pathname = name
  return { url: url.href, client: await connect(t, url.href) }
}

/** A connection that is closed with the test. */
export async function connect (t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end())
  return client
}

/** A folder as drizzle-kit writes it. */
export function folder (t: Test, files: File[]): string {
  const dir = newFolder(t)
  rewrite(dir, files)
  return dir
}

/** Writes other files into a folder. */
export function rewrite (dir: string, files: File[]): void {
  mkdirSync(path.join(dir, 'meta'), { recursive: true })
  writeFileSync(
    path.join(dir, 'meta', '_journal.json'),
    JSON.stringify({ entries: files.map(({ tag, when }, idx) => ({ idx, tag, when })) })
  )
  for (const { tag, sql } of files) writeFileSync(path.join(dir, `${tag}.sql`), sql)
}
