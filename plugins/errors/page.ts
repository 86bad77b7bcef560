import { CATALOG } from './catalog.ts'

/** The page that the `type` of a problem refers to: one heading per problem type. */
export function problemsPage (): string {
  const entries = Object.entries(CATALOG).map(([type, { title, detail }]) =>
    `<h2 id="${type}">${title}</h2>\n<p><code>${type}</code></p>\n<p>${detail}.</p>`
  )
  return `<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>Problem types</title>\n<h1>Problem types</h1>\n${
    entries.join('\n')
  }\n</html>\n`
}
