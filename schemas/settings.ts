import { Type, type Static } from '@sinclair/typebox'

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
const ENVIRONMENTS = ['development', 'test', 'production'] as const

type OneOf<T extends readonly string[]> = T[number]

// A union of literals would report one error per branch; an enum reports one for all.
function oneOf<const T extends readonly string[]> (values: T, fallback: OneOf<T>, description: string) {
  return Type.Unsafe<OneOf<T>>({ type: 'string', enum: values, default: fallback, description })
}

function milliseconds (fallback: number, description: string) {
  return Type.Integer({ minimum: 1, maximum: 3_600_000, default: fallback, description })
}

/** Every environment variable the service reads, with its default and meaning; `plugins/config.ts` reads them. */
export const SettingsSchema = Type.Object({
  NODE_ENV: oneOf(
    ENVIRONMENTS,
    'development',
    'In development npm start starts missing databases by itself; production refuses to.'
  ),
  DATABASE_URL: Type.Optional(Type.String({
    pattern: '^(postgres(ql)?://|file:|:memory:$)',
    description: 'postgres://… , file:app.db or :memory:. Unset: npm start starts a PostgreSQL under DATA_DIR.'
  })),
  MONGODB_URL: Type.Optional(Type.String({
    pattern: '^mongodb(\\+srv)?://',
    description: 'mongodb://… or mongodb+srv://… of a replica set. Unset: npm start starts a mongod under DATA_DIR.'
  })),
  MONGODB_DATABASE: Type.String({
    pattern: '^[A-Za-z0-9_-]{1,63}$',
    default: 'tandem',
    description: 'MongoDB database name.'
  }),
  DATA_DIR: Type.String({
    minLength: 1,
    default: '.data',
    description: 'Where the databases live that npm start starts; removing it is a full reset.'
  }),
  HOST: Type.String({
    minLength: 1,
    default: '127.0.0.1',
    description: 'Address to listen on; 0.0.0.0 in a container.'
  }),
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: 3000,
    description: 'Port of the API; 0 picks a free one.'
  }),
  ADMIN_PORT: Type.Optional(
    Type.Integer({ minimum: 0, maximum: 65_535, description: 'Metrics and status page on their own port. Unset: off.' })
  ),
  ADMIN_HOST: Type.Optional(
    Type.String({ minLength: 1, description: 'Address of ADMIN_PORT: an inner network, or 127.0.0.1. Default: HOST.' })
  ),
  INSTANCE_NAME: Type.Optional(Type.String({
    minLength: 1,
    maxLength: 100,
    description:
      'What this process alone is called, the same from start to start: it ends what a killed run of the name left open in MongoDB. Default: host name and PORT.'
  })),
  LOG_LEVEL: oneOf(LOG_LEVELS, 'info', 'Lowest level that is logged.'),
  DATABASE_POOL_SIZE: Type.Integer({ minimum: 1, maximum: 10_000, default: 20, description: 'Connections kept open.' }),
  DATABASE_MAX_OVERFLOW: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    default: 30,
    description: 'Extra connections under load.'
  }),
  DATABASE_POOL_TIMEOUT_MS: milliseconds(
    30_000,
    'Longest wait for a connection; the deadline of a request that has a transaction ends it sooner.'
  ),
  DATABASE_POOL_RECYCLE_S: Type.Integer({
    minimum: 1,
    maximum: 31_536_000,
    default: 3600,
    description: 'Age at which a connection is replaced.'
  }),
  DATABASE_POOL_MAX_WAITING: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 2000,
    description: 'Longer queues are refused at once.'
  }),
  DATABASE_SYNCHRONOUS: oneOf(
    ['normal', 'full'] as const,
    'normal',
    'SQLite: full has each COMMIT on the disk before it is answered; normal survives a killed process, not a power cut.'
  ),
  DATABASE_PRE_PING: Type.Boolean({ default: true, description: 'Test a connection before it is used.' }),
  DATABASE_PIPELINE: Type.Boolean({
    default: true,
    description: 'BEGIN travels with the first statement: a round trip less.'
  }),
  DATABASE_ECHO: Type.Boolean({ default: false, description: 'Log statements, without their values.' }),
  DATABASE_LOCK_TIMEOUT_MS: milliseconds(2000, 'Longest wait for a lock.'),
  DATABASE_STATEMENT_TIMEOUT_MS: milliseconds(5000, 'Longest statement in a transaction.'),
  DATABASE_TRANSACTION_TIMEOUT_MS: milliseconds(10_000, 'Longest transaction.'),
  HANDLER_TIMEOUT_MS: milliseconds(15_000, 'Deadline of a request that has a transaction.'),
  SHUTDOWN_DELAY_MS: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 3_600_000,
      description:
        'On SIGTERM readiness answers 503 and each answer closes its connection for this long, while all else goes on; then running requests finish. Default: 5000 in production, otherwise 0.'
    })
  ),
  SHUTDOWN_GRACE_MS: milliseconds(20_000, 'How long running requests may finish on SIGTERM.'),
  READY_WHEN: oneOf(
    ['any', 'all'] as const,
    'any',
    'any: ready while a store takes writes, with the status degraded where the other one does not; all: ready while both do.'
  ),
  PROJECTIONS: Type.Boolean({
    default: true,
    description: 'Carry users to MongoDB and posts to SQL in this process. False: leave it to others.'
  }),
  REQUIRE_IF_MATCH: Type.Boolean({
    default: false,
    description: 'Answer 428 to a PUT, PATCH or DELETE without If-Match on routes that take conditions.'
  }),
  SEND_TIMEOUT_MS: Type.Integer({
    minimum: 0,
    maximum: 3_600_000,
    default: 60_000,
    description: 'Longest time for a client to take an answer; then its connection is cut. 0: never.'
  }),
  ANSWERS_IN_FLIGHT_MB: Type.Integer({
    minimum: 1,
    maximum: 1_000_000,
    default: 64,
    description: 'While answers of more than this wait to be taken by their clients, lists get 503.'
  }),
  LIST_CONCURRENCY: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 10_000,
      description:
        'Requests of one list that are worked on at once; others wait, addresses in turn. 0: no bound. Default: 8 in production, otherwise 0.'
    })
  ),
  ROW_CONCURRENCY: Type.Integer({
    minimum: 0,
    maximum: 10_000,
    default: 4,
    description:
      'Writes of one resource (PATCH /users/7) that are worked on at once; others wait without a connection. 0: no bound.'
  }),
  TRUST_PROXY: Type.Optional(Type.String({
    description:
      'Addresses or networks of the proxies in front, separated by commas: only what comes from them may name its client in X-Forwarded-For. Unset: nobody.'
  })),
  RATE_LIMIT_MAX: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 0,
    description: 'Requests of one address per RATE_LIMIT_WINDOW_MS, then 429. 0: no limit.'
  }),
  RATE_LIMIT_WINDOW_MS: milliseconds(60_000, 'Window of RATE_LIMIT_MAX.'),
  MAX_EVENT_LOOP_DELAY_MS: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 60_000,
      description:
        'Requests get 503 while the event loop is later than this. 0: never. Default: 1000, outside production 0.'
    })
  ),
  ALLOWED_HOSTS: Type.String({
    default: '',
    description:
      'In development on a loopback HOST: names in Host, beside localhost and addresses of this machine, that are answered; separated by commas.'
  }),
  CORS_ORIGINS: Type.String({ default: '', description: 'Origins allowed by CORS, separated by commas. Empty: none.' }),
  DOCS: Type.Optional(
    Type.Boolean({ description: 'Serve /docs and /openapi.json. Default: true, in production false.' })
  ),
  PUBLIC_URL: Type.Optional(Type.String({
    pattern: '^https?://[^ ]+$',
    description: 'Where clients reach the service, for the OpenAPI document. Unset: where they read the document.'
  })),
  CONTACT: Type.Optional(Type.String({
    pattern: '^(https?://[^ ]+|[^ @]+@[^ @]+)$',
    description: 'Whom users of the API may ask, an address of e-mail or of the web, for the OpenAPI document.'
  })),
  SEED: Type.Optional(
    Type.Boolean({ description: 'Sample rows in an empty database. Default: true in development only.' })
  )
}, { additionalProperties: false })

/** The settings as they are read, before defaults that depend on others. */
export type ReadSettings = Static<typeof SettingsSchema>

/** The settings after defaults: `app.config`. Keys are the names of the environment variables. */
export type Settings = Readonly<
  Omit<ReadSettings, 'DOCS' | 'SEED' | 'LIST_CONCURRENCY' | 'SHUTDOWN_DELAY_MS' | 'ADMIN_HOST'> & {
    DOCS: boolean
    SEED: boolean
    LIST_CONCURRENCY: number
    SHUTDOWN_DELAY_MS: number
    ADMIN_HOST: string
  }
>
