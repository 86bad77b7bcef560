// Keys of handlers that end their transaction by themselves.
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { comesTrue } from '../helper.ts'
import { countStored, failOne, newKey, onEachStore, refuseAnswers, storeOne, type Keyed } from './idempotency-app.ts'

const unanswered = {
  status: 409,
  body: { type: '/docs/problems#answer-unknown', detail: /has stored its work.*Nothing was stored again/ }
}
const failedLater = { status: 500, body: { type: '/docs/problems#failed-after-commit', detail: /is stored/ } }

t.test('commit(): stored once, and the answer is given again', (t) => {
  onEachStore(t, {
    '/awaited': async (request, reply) => {
      await storeOne(request)
      await request.transaction.commit()
      reply.code(201).header('location', '/things/1')
      return { state: request.transaction.state }
    },
    '/not-awaited': async (request, reply) => {
      await storeOne(request)
      void request.transaction.commit()
      reply.code(201)
      return { made: true }
    },
    '/behind-the-reply': (request, reply) => {
      storeOne(request).then(() => {
        reply.code(201).send({ made: true })
        void request.transaction.commit()
      }, (error: unknown) => {
        reply.send(error)
      })
    },
    '/reads': async (request, reply) => {
      await storeOne(request)
      const { store } = request.transaction
      await request.transaction.commit()
      reply.code(201)
      return { seen: await countStored(request.server as Keyed['app'], store) }
    },
    '/nothing': async (request, reply) => {
      await request.transaction.commit()
      await reply.code(204).send()
    }
  }, async (t, { send, count }) => {
    for (const url of ['/awaited', '/not-awaited', '/behind-the-reply', '/reads', '/nothing']) {
      const [key, before] = [newKey(), await count()]
      const first = await send(url, key)
      t.match(first, { status: url === '/nothing' ? 204 : 201, isReplay: false }, url)
      for (let n = 0; n < 2; n++) {
        t.match(await send(url, key), { status: first.status, text: first.text, isReplay: true }, `${url}: the repeat`)
      }
      t.equal(await count(), before + (url === '/nothing' ? 0 : 1), `${url}: stored once`)
    }
    const [key, other] = [newKey(), newKey()]
    t.match(await send('/awaited', key), { headers: { location: '/things/1' } })
    t.match(await send('/awaited', key), { headers: { location: '/things/1' } })
    t.match(await send('/awaited', other), { status: 201, isReplay: false }, 'another key is another request')
    t.match(await send('/awaited?other=1', key), { status: 422 }, 'another request is refused')
  })
  t.end()
})

t.test('what fails behind a commit() does not deny it', (t) => {
  onEachStore(t, {
    '/throws': async (request) => {
      await storeOne(request)
      await request.transaction.commit()
      throw new Error('what follows fails')
    },
    '/asks-again': async (request) => {
      await storeOne(request)
      await request.transaction.commit()
      await storeOne(request)
      return {}
    },
    '/try-again': async (request) => {
      await storeOne(request)
      await request.transaction.commit()
      throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
    },
    '/refuses': async (request, reply) => {
      await storeOne(request)
      await request.transaction.commit()
      reply.code(409)
      return { sorry: true }
    },
    '/streams': async (request) => {
      await storeOne(request)
      await request.transaction.commit()
      return Readable.from(['a', 'b'])
    }
  }, async (t, { app, send, count }) => {
    t.match(
      (await app.inject({ method: 'POST', url: '/throws', payload: {} })).json(),
      failedLater.body,
      'without a key too'
    )
    for (const url of ['/throws', '/asks-again', '/try-again']) {
      const [key, before] = [newKey(), await count()]
      const first = await send(url, key)
      t.match(first, failedLater, url)
      t.equal(first.headers['retry-after'], undefined)
      t.match(await send(url, key), { ...failedLater, text: first.text, isReplay: true }, `${url}: the repeat`)
      t.equal(await count(), before + 1, `${url}: stored once`)
    }
    const [key, streamed, before] = [newKey(), newKey(), await count()]
    for (const isReplay of [false, true]) {
      t.match(await send('/refuses', key), { status: 409, body: { sorry: true }, isReplay })
    }
    t.match(await send('/streams', streamed), { status: 200, text: 'ab' })
    t.match(await send('/streams', streamed), unanswered, 'an answer that was streamed is not kept')
    t.equal(await count(), before + 2)
  })
  t.end()
})

t.test('twenty at once, and a repeat between commit() and the answer', (t) => {
  const held: Array<() => void> = []
  onEachStore(t, {
    '/held': async (request, reply) => {
      await storeOne(request)
      await request.transaction.commit()
      await new Promise<void>((resolve) => {
        held.push(resolve)
      })
      reply.code(201)
      return { made: true }
    },
    '/commits': async (request, reply) => {
      await storeOne(request)
      await request.transaction.commit()
      reply.code(201)
      return { made: true }
    }
  }, async (t, { send, count }) => {
    const [key, before] = [newKey(), await count()]
    const first = send('/held', key)
    t.ok(await comesTrue(() => held.length === 1))
    t.match(await send('/held', key), unanswered, 'stored, not answered yet')
    held.pop()?.()
    t.match(await first, { status: 201, isReplay: false })
    t.match(await send('/held', key), { status: 201, isReplay: true })
    t.equal(await count(), before + 1)
    await atOnce(t, '/commits', { send, count })
  })
  t.end()
})

async function atOnce (t: Test, url: string, { send, count }: Pick<Keyed, 'send' | 'count'>): Promise<void> {
  const [key, before] = [newKey(), await count()]
  const all = await Promise.all(Array.from({ length: 20 }, () => send(url, key)))
  t.equal(all.filter(({ status, isReplay }) => status === 201 && !isReplay).length, 1, 'one has done it')
  t.ok(all.every(({ status }) => status === 201 || status === 409), all.map(({ status }) => status).join())
  t.equal(await count(), before + 1)
  t.match(await send(url, key), { status: 201, isReplay: true })
}

t.test("rollback() and setRollbackOnly(): the reply is the handler's, nothing is stored, nothing is replayed", (t) => {
  let runs = 0
  onEachStore(t, {
    '/rollback': async (request) => {
      await storeOne(request)
      await request.transaction.rollback()
      return { run: ++runs }
    },
    '/not-awaited': async (request) => {
      await storeOne(request)
      void request.transaction.rollback()
      return { run: ++runs }
    },
    '/dry': async (request) => {
      await storeOne(request)
      request.transaction.setRollbackOnly()
      return { run: ++runs }
    },
    '/dry-commit': async (request) => {
      await storeOne(request)
      request.transaction.setRollbackOnly()
      await request.transaction.commit()
      return { run: ++runs }
    },
    '/dry-stream': async (request, reply) => {
      await storeOne(request)
      request.transaction.setRollbackOnly()
      reply.type('application/json')
      return Readable.from([JSON.stringify({ run: ++runs })])
    },
    '/dry-failed': async (request) => {
      await failOne(request).catch(() => {})
      request.transaction.setRollbackOnly()
      return { run: ++runs }
    }
  }, async (t, { send, count }) => {
    for (const url of ['/rollback', '/not-awaited', '/dry', '/dry-commit', '/dry-stream', '/dry-failed']) {
      const [key, before] = [newKey(), await count()]
      t.match(await send(url, key), { status: 200, body: { run: runs }, isReplay: false }, url)
      t.match(await send(url, key), { status: 200, body: { run: runs }, isReplay: false }, `${url} runs again`)
      t.equal(await count(), before, `${url} stores nothing`)
    }
    const all = await Promise.all(Array.from({ length: 20 }, () => send('/rollback', 'the-same')))
    t.ok(all.every(({ status }) => status === 200 || status === 409), all.map(({ status }) => status).join())
    t.equal(await count(), 0)
  })
  t.end()
})

t.test('a commit() that fails is no success, and the key is free', (t) => {
  let mayFail = true
  onEachStore(t, {
    '/swallowed': async (request, reply) => {
      if (mayFail) await failOne(request).catch(() => {})
      else await storeOne(request)
      await request.transaction.commit().catch(() => {})
      reply.code(201)
      return {}
    }
  }, async (t, { send, count }) => {
    const key = newKey()
    mayFail = true
    t.match(await send('/swallowed', key), { status: 500, body: { type: '/docs/problems#internal' } })
    t.equal(await count(), 0)
    mayFail = false
    t.match(await send('/swallowed', key), { status: 201, isReplay: false })
    t.match(await send('/swallowed', key), { status: 201, isReplay: true })
    t.equal(await count(), 1)
  })
  t.end()
})

t.test('an answer that cannot be written behind its commit() does not take the reply back', (t) => {
  onEachStore(t, {
    '/refused': async (request, reply) => {
      await storeOne(request)
      await request.transaction.commit()
      reply.code(201)
      return { made: true }
    }
  }, async (t, { app, name, send, count }) => {
    await refuseAnswers(app, name)
    const key = newKey()
    t.match(await send('/refused', key), { status: 201, isReplay: false })
    t.match(await send('/refused', key), unanswered)
    t.equal(await count(), 1)
  })
  t.end()
})
