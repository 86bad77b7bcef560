// Once the next run of a handler has begun, nothing that an earlier one still does counts.
import type { FastifyReply, FastifyRequest, RouteHandlerMethod } from 'fastify'
import t from 'tap'
import { database, signal, setup, test, type Database } from './harness.ts'
import { commitConflict, conflict, insert, plainDb, type PlainDb, plainHandles } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const retried = { config: { transaction: { retries: 3 } } } as const

/** Stores two rows; all runs but the last lose, at a statement or at their COMMIT. */
async function work (request: FastifyRequest): Promise<{ attempt: number }> {
  const { attempt } = request.transaction
  const { runs, at } = request.query as { runs: string; at: string }
  const loses = attempt < Number(runs)
  if (loses && at === 'commit') await request.transaction.query(commitConflict)
  await insert(request, attempt)
  if (loses && at === 'statement') await request.transaction.query(conflict)
  await insert(request, 10 + attempt)
  return { attempt }
}

const styles: Record<string, RouteHandlerMethod> = {
  'returns': async (request) => await work(request),
  'sends and returns': async (request, reply) => await reply.send(await work(request)),
  'sends': async (request, reply) => {
    reply.send(await work(request))
  },
  'sends and goes on': async (request, reply) => {
    reply.send(await work(request))
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    await insert(request, 20).catch(() => {})
  },
  'sends the error': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      reply.send(error)
    }
  },
  'sends the error and goes on': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      reply.send(error)
      await new Promise((resolve) => {
        setTimeout(resolve, 20)
      })
      await insert(request, 20).catch(() => {})
    }
  },
  'returns the sent error': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      return await reply.send(error)
    }
  },
  'sends the error, then throws it': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      reply.send(error)
      throw error
    }
  },
  'sends the error twice': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      reply.send(error)
      reply.code(500).send({ broken: true })
    }
  },
  'sends the error and never ends': async (request, reply) => {
    try {
      return await work(request)
    } catch (error) {
      reply.send(error)
      return await new Promise(() => {})
    }
  },
  'callbacks': (request, reply) => {
    work(request).then((result) => {
      reply.send(result)
    }, (error: unknown) => {
      reply.send(error)
    })
  }
}

test('however a handler ends the runs that lose, the last one answers', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      for (const [name, handler] of Object.entries(styles)) {
        app.post(`/${name.replaceAll(/\W/g, '-')}`, retried, handler)
      }
    }
  })
  for (const name of Object.keys(styles)) {
    for (const [runs, at] of [[2, 'statement'], [2, 'commit'], [3, 'statement'], [3, 'commit']] as const) {
      await db.admin.query('truncate item')
      const answer = await send('POST', `/${name.replaceAll(/\W/g, '-')}?runs=${runs}&at=${at}`)
      t.match(answer, { status: 200, json: { attempt: runs } }, `${name}, ${runs} runs, ${at}`)
      t.same(await db.ids(), [runs, 10 + runs], `${name}, ${runs} runs, ${at}: stored`)
    }
  }
})

type Late = (request: FastifyRequest, reply: FastifyReply, early: Early) => unknown

/** What a run has taken before it lost. */
interface Early {
  transaction: FastifyRequest['transaction']
  raw: FastifyReply['raw']
  db: PlainDb
}

const late: Record<string, Late> = {
  'a query through the request': (request) => request.transaction.query('insert into item values (90)'),
  'a query through a captured transaction': (_request, _reply, { transaction }) =>
    transaction.query('insert into item values (91)'),
  'a query through request.db': (request) => plainDb(request).query('insert into item values (92)'),
  'a query through a captured handle': (_request, _reply, early) => early.db.query('insert into item values (93)'),
  'a commit': (request) => request.transaction.commit(),
  'a rollback': (request) => request.transaction.rollback(),
  'afterCommit': (request) => {
    request.transaction.afterCommit(() => {
      called.push('afterCommit')
    })
  },
  'beforeReply': (request) => {
    request.transaction.beforeReply(() => {
      called.push('beforeReply')
      return undefined
    })
  },
  'setRollbackOnly': (request) => {
    request.transaction.setRollbackOnly()
  },
  'code': (_request, reply) => {
    reply.code(418)
  },
  'statusCode': (_request, reply) => {
    reply.statusCode = 418
  },
  'header': (_request, reply) => {
    reply.header('x-late', 'yes').header('set-cookie', 'late=1')
  },
  'removeHeader': (_request, reply) => {
    reply.removeHeader('x-of-a-hook')
  },
  'type': (_request, reply) => {
    reply.type('text/plain')
  },
  'serializer': (_request, reply) => {
    reply.serializer(() => '"late"')
  },
  'trailer': (_request, reply) => {
    reply.trailer('x-late', async () => 'late')
  },
  'send': (_request, reply) => {
    reply.send({ late: true })
  },
  'send an error': (_request, reply) => {
    reply.code(409).send(new Error('late'))
  },
  'redirect': (_request, reply) => {
    reply.redirect('/late')
  },
  'callNotFound': (_request, reply) => {
    reply.callNotFound()
  },
  'hijack': (_request, reply) => {
    reply.hijack()
  },
  'raw.writeHead': (_request, reply) => {
    reply.raw.writeHead(418, { 'x-late': 'yes' })
  },
  'raw.write': (_request, reply) => {
    reply.raw.write('late')
  },
  'raw.end': (_request, reply) => {
    reply.raw.end('late')
  },
  'hijack and raw.end': (_request, reply) => {
    reply.hijack().raw.end('late')
  },
  'raw.destroy': (_request, reply) => {
    reply.raw.destroy()
  },
  'the body': (request) => {
    Object.assign(request.body as object, { some: 'late' })
  },
  'the query': (request) => {
    Object.assign(request.query as object, { late: 'late' })
  },
  'a property': (request) => {
    Object.assign(request, { mark: 'late' })
  }
}
let called: string[] = []

test('code of a run that lost reaches nobody', async (t) => {
  const states: Record<
    string,
    { begun: ReturnType<typeof signal>; done: ReturnType<typeof signal>; outcome?: unknown }
  > = {}
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: (app) => {
      app.decorateRequest('mark', null)
      app.addHook('onRequest', async (_request, reply) => {
        reply.header('x-of-a-hook', 'yes')
      })
      app.post('/late', retried, async (request, reply) => {
        const { what, when } = request.query as { what: string; when: string }
        const state = states[`${what} ${when}`]
        const action = late[what]
        if (state === undefined || action === undefined) throw new Error(what)
        if (request.transaction.attempt === 2) {
          if (when === 'open') await insert(request, 2)
          state.begun.give()
          await state.done.given
          if (when === 'idle') await insert(request, 2)
          return { body: request.body, query: request.query, mark: (request as { mark?: unknown }).mark }
        }
        const early: Early = { transaction: request.transaction, raw: reply.raw, db: plainDb(request) }
        await insert(request, 1)
        reply.send(await request.transaction.query(conflict).catch((error: unknown) => error))
        await state.begun.given
        try {
          state.outcome = await action(request, reply, early)
        } catch (error) {
          state.outcome = error
        }
        state.done.give()
        throw new Error('late')
      })
    }
  })
  const rejections: unknown[] = []
  const onRejection = (error: unknown) => {
    rejections.push(error)
  }
  process.on('unhandledRejection', onRejection)
  for (const what of Object.keys(late)) {
    for (const when of ['idle', 'open']) {
      called = []
      await db.admin.query('truncate item')
      states[`${what} ${when}`] = { begun: signal(), done: signal() }
      const answer = await send('POST', `/late?what=${encodeURIComponent(what)}&when=${when}`)
      t.match(
        answer,
        { status: 200, json: { body: { some: 'body' }, query: { what, when }, mark: null } },
        `${what}, next run ${when}`
      )
      t.notOk('late' in Object(answer.json['query']), `${what}: query`)
      t.match(answer.headers, { 'x-of-a-hook': 'yes', 'content-type': 'application/json; charset=utf-8' })
      for (const name of ['x-late', 'set-cookie', 'location', 'trailer']) {
        t.equal(answer.headers[name], undefined, `${what}: no ${name}`)
      }
      t.same(await db.ids(), [2], `${what}, next run ${when}: stored`)
      t.same(called, [], `${what}: no callback`)
      if (/^a (query|commit)/.test(what)) {
        t.match(states[`${what} ${when}`]?.outcome, { code: 'TX_CLOSED' }, `${what}: refused`)
      }
    }
  }
  process.off('unhandledRejection', onRejection)
  t.same(rejections, [])
})
