/** A database server that is running and answers. */
export interface EmbeddedServer {
  /**
   * Connection string on 127.0.0.1, with the password of a user who may make databases and use them, and no more. A
   * secret: not for a log.
   */
  url: string
  /** The same with the password of the user who may do everything, for tests that stop sessions or change settings. */
  adminUrl: string
  pid: number
  /**
   * `created`: first start in this folder · `started`: the data was there · `adopted`: the server was already running.
   */
  how: 'created' | 'started' | 'adopted'
  /** Version the server itself reports, for example `18.4`. */
  version: string
  /** Where the binary came from, in words fit for a banner. */
  source: string
}

/** No server binary could be had. The service can start without it; the lines say why and what to do. */
export interface MissingServer {
  how: 'missing'
  /** First line: what is missing. Then what to do, then what was tried; each fit for a log line of its own. */
  reason: string[]
}

/**
 * Receives a line whenever something takes long: creating a cluster, downloading a server, waiting for another process.
 */
export type Progress = (line: string) => void
