import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { getList } from '../../schemas/list.ts'
import { toJsonText } from '../common/json-text.ts'
import { getQueryNames } from '../common/query-names.ts'
import { runFirst } from '../common/route-hooks.ts'
import { checkList } from './check-list.ts'
import { reportLeftOut } from './left-out.ts'
import type { Page } from './page.ts'

declare module 'fastify' {
  interface FastifyReply {
    /**
     * Answers a page of a list: names the next one in a `Link` header, passes JSON text on as it is.
     * @param page what a repository has read
     * @returns what the handler returns
     * @example return reply.page(await app.repositories.orders(request.db).list(request.query))
     */
    page: <Item>(page: Page<Item, string | number>) => Item[]
  }
}

const BASE = 'http://localhost'

/**
 * Decorates `reply.page`. Lists refuse `skip` together with `after`; those that were declared with `defineList` also
 * filters that do not go with an order, and cursors of another one.
 */
export default fp(async function paging (app) {
  reportLeftOut(app)
  app.decorateReply('page', function answerPage (page) {
    if (page.left !== undefined) app.reportLeftOut(page.left, this.log)
    return toReply(this, page)
  })
  app.addHook('onRoute', (route) => {
    const list = getList(route.schema?.querystring)
    if (list !== undefined) runFirst(route, checkList(list))
    const names = getQueryNames(route)
    if (!names.includes('skip') || !names.includes('after')) return
    runFirst(route, refuseSkipWithAfter)
  })
}, { name: 'paging', dependencies: ['errors'], fastify: '5.x' })

function toReply<Item> (reply: FastifyReply, page: Page<Item, string | number>): Item[] {
  if (page.isTooLarge === true) throw createTooLarge(reply)
  if (page.next !== undefined) reply.header('link', `<${nextPath(reply.request.url, String(page.next))}>; rel="next"`)
  if (page.json === undefined) return page.items
  return toJsonText(reply, page.json)
}

function createTooLarge ({ request: { server } }: FastifyReply): Error {
  return server.createProblem(
    400,
    'The page would be too large: ask for fewer items with limit, or page by after, which ends pages early',
    {
      type: 'invalid-request',
      errors: [{ pointer: '/limit', detail: 'is too large for what these items hold', in: 'query' }]
    }
  )
}

function nextPath (url: string, after: string): string {
  const { pathname, searchParams } = new URL(url, BASE)
  searchParams.delete('skip')
  searchParams.set('after', after)
  return `${pathname}?${searchParams.toString()}`
}

function refuseSkipWithAfter (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  const { skip, after } = request.query as { skip?: number; after?: unknown }
  if (skip === undefined || after === undefined) return done()
  const errors = [{ pointer: '/skip', detail: 'cannot be combined with after', in: 'query' as const }]
  done(request.server.createProblem(400, 'The query of the request has 1 error', { type: 'invalid-request', errors }))
}
