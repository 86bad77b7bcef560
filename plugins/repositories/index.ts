import fp from 'fastify-plugin'
import { createOrderRepository } from './orders.ts'
import { createPostRepository } from './posts.ts'
import { createUserAnalyticsRepository } from './user-analytics.ts'
import { createUserSummaryRepository } from './user-summaries.ts'
import { createUserRepository } from './users.ts'

const inSql = {
  users: createUserRepository,
  orders: createOrderRepository,
  userAnalytics: createUserAnalyticsRepository
}

const inMongo = {
  posts: createPostRepository,
  userSummaries: createUserSummaryRepository
}

const repositories = { ...inSql, ...inMongo }

/** Factories of repositories: each takes the handle to run on, so that nothing runs beside a transaction by mistake. */
export type Repositories = typeof repositories

/** Stand-ins for some repositories in a test, each with the verbs that the test needs. */
export type RepositoryDoubles = {
  [Name in keyof Repositories]?: (...handle: Parameters<Repositories[Name]>) => Partial<ReturnType<Repositories[Name]>>
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Repositories over a handle.
     * @example await app.repositories.users(request.db).getById(7)
     */
    repositories: Repositories
  }
}

/** Decorates `app.repositories`; those that a test has given stay. */
export default fp(async function decorateRepositories (app) {
  if (!app.hasDecorator('repositories')) app.decorate('repositories', repositories)
  else Object.assign(app.repositories, { ...repositories, ...app.repositories })
  if (app.doubles.db) return
  // Builds every query now: a wrong one stops the boot, and no request pays for it.
  for (const create of Object.values(inSql)) create(app.db)
}, { name: 'repositories', dependencies: ['sql'], fastify: '5.x' })
