import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import { env } from './foreign-app.ts'

/** A program that listens, and how to ask it. */
export interface Running {
  origin: string
  /** Resolves to status and body; a body that is JSON is parsed. */
  send: (method: string, path: string, body?: unknown) => Promise<{ status: number; body: unknown }>
  /** What it has written to its standard output since it listens. */
  said: () => string
  /** Asks it to end; resolves to its exit code. */
  end: () => Promise<number | null>
}

/**
 * Runs a program until the test ends.
 * @param settings its environment beside ours
 * @throws Error with what it wrote, when it ends before it listens
 */
export async function start (t: Test, folder: string, file: string, settings: object): Promise<Running> {
  const child = spawn(process.execPath, [file], { cwd: folder, env: { ...env, PORT: '0', ...settings } })
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk.toString()
  })
  let origin: string | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    origin = /http:\/\/[\w.[\]:]+:\d+/.exec(line)?.[0]
    if (origin !== undefined) break
  }
  if (origin === undefined) throw new Error(`${file} does not listen: ${complaint}`)
  let said = ''
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString()
  })
  child.stdout.resume()
  return {
    origin,
    said: () => said,
    send: (method, path, body) => send(`${origin}${path}`, method, body),
    async end () {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      return child.exitCode
    }
  }
}

async function send (url: string, method: string, body: unknown): Promise<{ status: number; body: unknown }> {
  const reply = await fetch(url, {
    method,
    ...(body instanceof FormData ? { body } : body === undefined ? {} : {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' }
    })
  })
  const text = await reply.text()
  try {
    return { status: reply.status, body: JSON.parse(text) as unknown }
  } catch {
    return { status: reply.status, body: text }
  }
}
