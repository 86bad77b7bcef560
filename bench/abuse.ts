import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { memory, type Running } from './process.ts'

const MEBIBYTE = 2 ** 20
const READERS = 100
const LONG_POSTS = 30

/** Bodies of a mebibyte that no schema takes, each wrong in another way. */
const BODIES: Record<string, [url: string, body: string]> = {
  'a list of empty items': ['/orders', `{"user_id":1,"items":[${repeat('{}', 340_000)}]}`],
  'a list of numbers': ['/orders', `[${repeat('0', 520_000)}]`],
  'unknown keys': ['/users', `{${Array.from({ length: 100_000 }, (_, at) => `"k${at}":0`).join(',')}}`],
  'one long text': ['/users', `{"name":"${'x'.repeat(MEBIBYTE - 100)}","email":"a@example.com"}`],
  'deep lists': ['/posts', '['.repeat(500_000)]
}

/**
 * What callers cost who send a mebibyte that is refused, and who take nothing of what they asked for.
 * @returns a table: the longest time a stranger waited for /livez, and the memory that was resident
 */
export async function abuse (service: Running): Promise<string> {
  const lines: string[] = []
  for (const [name, [url, body]] of Object.entries(BODIES)) {
    lines.push(
      await watch(`20 × 1 MiB: ${name}`, service, async () => {
        for (let n = 0; n < 20; n++) await post(service, url, body, (status) => status >= 400 && status < 500)
      })
    )
  }
  lines.push(await watch(`${READERS} readers of a long list that take nothing`, service, () => readNothing(service)))
  return ['| callers | longest wait for /livez | memory before | at most |', '| --- | ---: | ---: | ---: |', ...lines]
    .join('\n')
}

function repeat (item: string, count: number): string {
  return Array.from({ length: count }, () => item).join(',')
}

async function watch (name: string, service: Running, work: () => Promise<void>): Promise<string> {
  const before = memory(service.pid) ?? 0
  let [longest, most, isOver] = [0, before, false]
  const watching = (async () => {
    while (!isOver) {
      const startedAt = performance.now()
      await (await fetch(`${service.origin}/livez`)).arrayBuffer()
      longest = Math.max(longest, performance.now() - startedAt)
      most = Math.max(most, memory(service.pid) ?? 0)
      await sleep(5)
    }
  })()
  await work()
  isOver = true
  await watching
  return `| ${name} | ${Math.round(longest)} ms | ${Math.round(before)} MiB | ${Math.round(most)} MiB |`
}

async function post (
  { origin }: Running,
  url: string,
  body: string,
  isExpected: (status: number) => boolean
): Promise<void> {
  const response = await fetch(`${origin}${url}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body
  })
  await response.arrayBuffer()
  if (!isExpected(response.status)) throw new Error(`POST ${url} was answered ${response.status}`)
}

async function readNothing (service: Running): Promise<void> {
  const content = 'long '.repeat(7000)
  for (let n = 0; n < LONG_POSTS; n++) {
    const body = JSON.stringify({ author_id: 1, title: `long ${n}`, content, category: 'long' })
    await post(service, '/posts', body, (status) => status === 201)
  }
  const { port } = new URL(service.origin)
  const readers: Socket[] = []
  for (let n = 0; n < READERS; n++) {
    const reader = connect(Number(port), '127.0.0.1').on('error', () => {}).pause()
    reader.write('GET /posts/by-category/long?limit=25 HTTP/1.1\r\nhost: bench\r\n\r\n'.repeat(10))
    readers.push(reader)
  }
  await sleep(5000)
  for (const reader of readers) reader.destroy()
}
