/** Where a path ends and what may be a secret begins, also as a client writes it that encodes the whole URL. */
const REST = /[?#;]|%3f|%23/i

/**
 * The path of a URL as it may be logged and traced: without query, fragment, parameters and credentials.
 * @param url the target of a request, as it was sent
 */
export function getLoggedPath (url: string): string {
  const [path = ''] = url.split(REST, 1)
  return path.startsWith('/') ? path : path.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, '$1')
}
