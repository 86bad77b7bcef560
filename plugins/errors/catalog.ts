interface Entry {
  title: string
  detail: string
}

/** Every problem type the service can answer with: title, and the detail when nothing more precise is known. */
export const CATALOG = {
  'invalid-request': {
    title: 'The request does not match its schema',
    detail: 'The request does not match its schema'
  },
  'bad-request': { title: 'The request cannot be read', detail: 'The request cannot be read' },
  unauthorized: { title: 'Authentication is needed', detail: 'The request carries no valid credentials' },
  forbidden: { title: 'Not allowed', detail: 'The credentials do not allow this request' },
  'not-found': { title: 'Not found', detail: 'There is nothing at this path' },
  'method-not-allowed': {
    title: 'Method not allowed',
    detail: 'The resource does not support this method; the Allow header lists those it does'
  },
  'request-timeout': {
    title: 'The request took too long to arrive',
    detail: 'The request did not arrive completely in time'
  },
  conflict: { title: 'Conflict', detail: 'The request conflicts with the state of the resource' },
  duplicate: { title: 'Already exists', detail: 'A value that must be unique is already taken' },
  reference: {
    title: 'Reference conflict',
    detail: 'The request refers to something that does not exist, or removes something that is still in use'
  },
  'answer-unknown': {
    title: 'Stored, answer unknown',
    detail:
      'The first request with this Idempotency-Key has stored its work and has no answer yet, or was cut off before it had one. Nothing was stored again: read what is there'
  },
  gone: { title: 'Gone', detail: 'The resource is no longer there' },
  'precondition-failed': {
    title: 'Precondition failed',
    detail: 'The resource is not in the state that the request expects'
  },
  'precondition-required': {
    title: 'Precondition required',
    detail: 'The request must carry an If-Match header, so that it overwrites nothing unseen'
  },
  'body-too-large': { title: 'The body is too large', detail: 'The body is larger than this operation accepts' },
  'document-too-large': {
    title: 'The document is too large',
    detail: 'The document is larger than the database can store'
  },
  'uri-too-long': { title: 'The path is too long', detail: 'A part of the path is longer than the service accepts' },
  'unsupported-media-type': { title: 'Unsupported media type', detail: 'The body must be sent as application/json' },
  'value-refused': {
    title: 'The database refuses a value',
    detail: 'A value passed the schema but the database cannot store it'
  },
  'document-refused': {
    title: 'The database refuses the document',
    detail: 'The document passed the schema but not the rules of its collection'
  },
  unprocessable: { title: 'Unprocessable content', detail: 'The request is well formed but cannot be carried out' },
  'too-many-requests': { title: 'Too many requests', detail: 'Slow down, and try again after the time in Retry-After' },
  'headers-too-large': {
    title: 'The headers are too large',
    detail: 'The headers of the request are larger than the service accepts'
  },
  'client-error': { title: 'Request refused', detail: 'The request was refused' },
  internal: {
    title: 'Internal error',
    detail: 'A fault of the service; nothing was stored in its databases. Quote the instance when you report it'
  },
  'document-unreadable': {
    title: 'The document cannot be shown',
    detail:
      'What is stored there does not fit its schema, because it was written past the service; nothing was stored. It can be deleted, or corrected in the database'
  },
  'failed-after-commit': {
    title: 'Failed after its work was stored',
    detail:
      'The work of this request is stored, and what followed failed. Do not send it as a new request; quote the instance when you report it'
  },
  'outcome-unknown': {
    title: 'Outcome unknown',
    detail: 'The database did not confirm: either all of the request is stored, or nothing. Read before you try again'
  },
  unavailable: {
    title: 'Not available now',
    detail: 'The service cannot answer now; try again after the time in Retry-After'
  },
  'write-conflict': {
    title: 'Write conflict',
    detail: 'Another request changed the same data; nothing was stored, try again'
  },
  'lock-timeout': {
    title: 'The data is locked',
    detail: 'Another request holds the same data; nothing was stored, try again'
  },
  'pool-exhausted': {
    title: 'No database connection free',
    detail: 'Too many requests at once; nothing was stored, try again'
  },
  'database-unavailable': {
    title: 'The database is not available',
    detail: 'The database cannot be reached; nothing was stored, try again'
  },
  'out-of-resources': {
    title: 'The database is out of resources',
    detail: 'The database lacks space, memory or connections; nothing was stored'
  },
  'database-timeout': {
    title: 'Took too long',
    detail: 'The request passed its time limit and was rolled back; nothing was stored'
  }
} as const satisfies Record<string, Entry>

export type ProblemType = keyof typeof CATALOG

const BY_STATUS: Record<number, ProblemType> = {
  400: 'bad-request',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  408: 'request-timeout',
  409: 'conflict',
  410: 'gone',
  412: 'precondition-failed',
  413: 'body-too-large',
  414: 'uri-too-long',
  415: 'unsupported-media-type',
  422: 'unprocessable',
  428: 'precondition-required',
  429: 'too-many-requests',
  431: 'headers-too-large',
  503: 'unavailable',
  504: 'database-timeout'
}

/**
 * The problem type of a status when nothing more precise is known.
 * @param status HTTP status of 400 or more
 */
export function typeOfStatus (status: number): ProblemType {
  return BY_STATUS[status] ?? (status < 500 ? 'client-error' : 'internal')
}

/** Whether a text is a problem type of the catalog. */
export function isProblemType (type: unknown): type is ProblemType {
  return typeof type === 'string' && Object.hasOwn(CATALOG, type)
}
