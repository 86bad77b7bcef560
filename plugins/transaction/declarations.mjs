// Makes the compiled declarations fit for other apps: specifiers that exist there, and optional peers that may be missing.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'

for (const name of readdirSync('dist').filter((file) => file.endsWith('.d.ts'))) {
  const text = readFileSync(`dist/${name}`, 'utf8')
    .replaceAll(/(['"]\.\/[\w-]+)\.ts(['"])/g, '$1.js$2')
    // Where a peer is missing its types become `any`, and the app still compiles.
    .replaceAll(/^import .* from '(?:mongodb|pg)';$/gm, '// @ts-ignore: an optional peer\n$&')
  writeFileSync(`dist/${name}`, text)
}
