import { countValues, ITEMS, type Field } from '../fields.ts'
import { capitalize } from '../names.ts'
import type { Resource } from '../resource.ts'
import { getFiltered, getSorted } from './list.ts'
import { uniqueDetail } from './table.ts'

/** `test/routes/<resource>.test.ts`. */
export function routeTestFile (resource: Resource): string {
  const { file, type } = resource
  return `import t from 'tap'
import type { ${type} } from '../../schemas/${file}.ts'
import { getPointers, isProblem, onEachEngine, readPages } from './engines.ts'

${sampleFunction(resource)}

onEachEngine(t, async (t, service) => {
  const { app, get, send } = service
  let count = 0
  const add${type} = async () => (await send('POST', '/${file}', new${type}(++count))).json<${type}>()

${[createTest, readTest, changeTest, conditionTest, deleteTest, listTest].map((part) => part(resource)).join('\n')}})
`
}

function sampleFunction ({ type, fields }: Resource): string {
  return `// The fields of the nth ${type.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase()} of a test.
function new${type} (${fields.some(varies) ? 'n' : '_n'}: number) {
  return { ${fields.map((field) => `${field.name}: ${sample(field)}`).join(', ')} }
}`
}

function createTest (resource: Resource): string {
  const { file, type, one, words, fields } = resource
  const [first] = fields as [Field]
  const unique = fields.find(({ isUnique }) => isUnique)
  const names = ['created_at', 'id', 'updated_at', ...fields.map(({ name }) => name)].toSorted()
  return `  await t.test('POST /${file}', async (t) => {
    const fields = new${type}(++count)
    const response = await send('POST', '/${file}/', fields)
    t.equal(response.statusCode, 201, response.body)
    const ${one} = response.json<${type}>()
    t.match(${one}, fields)
    t.strictSame(Object.keys(${one}).sort(), [${names.map((name) => `'${name}'`).join(', ')}])
    t.equal(response.headers.location, \`/${file}/\${${one}.id}\`)
    t.strictSame((await get(String(response.headers.location))).json(), ${one})

    const invalid = await send('POST', '/${file}', { ...fields, ${first.name}: ${wrong(first)}, noField: 1 })
    isProblem(t, invalid, 400)
    t.strictSame([...new Set(getPointers(invalid))], [${
    [`'/${first.name}'`, "'/noField'"].toSorted().join(', ')
  }], 'everything that is wrong at once')
    isProblem(t, await send('POST', '/${file}', {}), 400)
${
    unique === undefined
      ? ''
      : `
    isProblem(t, await send('POST', '/${file}', { ...new${type}(++count), ${unique.name}: fields.${unique.name} }), 409, {
      errors: [{ pointer: '/${unique.name}', detail: '${uniqueDetail(words, unique)}' }]
    })
`
  }  })
`
}

function readTest ({ file, type, one, words, store }: Resource): string {
  const [absent, malformed] = store === 'sql' ? ['2147483647', 'x'] : ['f'.repeat(24), 'x']
  return `  await t.test('GET /${file}/{id}', async (t) => {
    const ${one} = await add${type}()
    t.strictSame((await get(\`/${file}/\${${one}.id}\`)).json(), ${one})
    isProblem(t, await get('/${file}/${absent}'), 404, { detail: '${capitalize(words)} not found' })
    isProblem(t, await get('/${file}/${malformed}'), 400)
  })
`
}

function changeTest ({ file, type, one, fields, store }: Resource): string {
  const [{ name }] = fields as [Field]
  const absent = store === 'sql' ? '2147483647' : 'f'.repeat(24)
  return `  await t.test('PUT and PATCH /${file}/{id}', async (t) => {
    for (const method of ['PUT', 'PATCH'] as const) {
      const ${one} = await add${type}()
      const changes = { ${name}: new${type}(++count).${name} }
      const changed = await send(method, \`/${file}/\${${one}.id}\`, changes)
      t.equal(changed.statusCode, 200, changed.body)
      t.strictSame({ ...changed.json<${type}>(), updated_at: ${one}.updated_at }, { ...${one}, ...changes })
      t.strictSame((await get(\`/${file}/\${${one}.id}\`)).json(), changed.json())
      isProblem(t, await send(method, \`/${file}/\${${one}.id}\`, {}), 400)
      isProblem(t, await send(method, '/${file}/${absent}', changes), 404)
    }
  })
`
}

function conditionTest ({ file, type, fields }: Resource): string {
  const [{ name }] = fields as [Field]
  return `  await t.test('of two writers who know the same version one wins', async (t) => {
    const { id } = await add${type}()
    const url = \`/${file}/\${id}\`
    const headers = { 'if-match': String((await get(url)).headers.etag) }
    const payload = { ${name}: new${type}(++count).${name} }
    t.equal((await app.inject({ method: 'PATCH', url, headers, payload })).statusCode, 200)
    isProblem(t, await app.inject({ method: 'PATCH', url, headers, payload }), 412)
    isProblem(t, await app.inject({ method: 'DELETE', url, headers }), 412)
  })
`
}

function deleteTest ({ file, type }: Resource): string {
  return `  await t.test('DELETE /${file}/{id}', async (t) => {
    const { id } = await add${type}()
    t.equal((await send('DELETE', \`/${file}/\${id}\`)).statusCode, 204)
    isProblem(t, await get(\`/${file}/\${id}\`), 404)
    isProblem(t, await send('DELETE', \`/${file}/\${id}\`), 404)
  })
`
}

function listTest (resource: Resource): string {
  const { file, type, store } = resource
  const order = store === 'sql' ? 'one.id - other.id' : 'other.id.localeCompare(one.id)'
  const name = store === 'sql' ? 'by id' : 'newest first'
  const cursors = store === 'sql' ? ['x', '0'] : ['x', '1']
  return `  await t.test('GET /${file}', async (t) => {
    for (let n = 0; n < 3; n++) await add${type}()
    const all = (await get('/${file}')).json<${type}[]>()
    t.strictSame(all.toSorted((one, other) => ${order}), all, '${name}')
    t.strictSame((await readPages<${type}>(service, '/${file}?limit=2')).flat(), all, 'pages show the same')
    t.strictSame((await get('/${file}?limit=2&skip=1')).json(), all.slice(1, 3))
${sortTest(resource)}${filterTest(resource)}    for (const query of ['limit=0', 'limit=101', ${
    cursors.map((cursor) => `'after=${cursor}'`).join(', ')
  }, 'noField=1', 'sort=updated_at']) {
      isProblem(t, await get(\`/${file}?\${query}\`), 400)
    }
  })
`
}

function sortTest (resource: Resource): string {
  const { file, type } = resource
  const sorted = getSorted(resource)
  if (sorted.length === 0) return ''
  const numbers = sorted.filter(({ type }) => type !== 'text').map(({ name }) => name)
  return `    for (const sort of [${sorted.map(({ name }) => `'${name}'`).join(', ')}] as const) {
      const sorted = (await readPages<${type}>(service, \`/${file}?limit=2&sort=\${sort}\`)).flat()
      t.equal(new Set(sorted.map(({ id }) => id)).size, all.length, 'each of them once')
      t.strictSame((await get(\`/${file}?sort=-\${sort}\`)).json(), sorted.toReversed())
${
    numbers.length === 0
      ? ''
      : `      const values = sorted.map((one) => ${
        sorted.every(({ type }) => type === 'integer') ? 'one[sort]' : 'Number(one[sort])'
      })
      ${
        numbers.length === sorted.length ? '' : `if (${numbers.map((name) => `sort === '${name}'`).join(' || ')}) `
      }t.strictSame(values, values.toSorted((one, other) => one - other), 'as numbers')
`
  }    }
`
}

function filterTest (resource: Resource): string {
  return getFiltered(resource).map(({ name }) =>
    `    const by${
      capitalize(toCamel(name))
    } = \`/${resource.file}?${name}=\${encodeURIComponent(String(all[0]?.${name}))}\`
    t.strictSame((await get(by${capitalize(toCamel(name))})).json(), all.slice(0, 1))
`
  ).join('')
}

function toCamel (name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
}

function varies (field: Field): boolean {
  return /\bn\b/.test(sample(field))
}

/** An expression with `n` for a value that the field admits; another one for each n where the field is unique. */
function sample (field: Field): string {
  switch (field.type) {
    case 'text': {
      const label = capitalize(field.name.replaceAll('_', ' '))
      if (field.maxLength > label.length + 3) return `\`${label} \${n}\``
      return field.maxLength >= 2 ? 'String(n)' : "'x'"
    }
    case 'integer':
      if (countValues(field) < ITEMS) return String(field.minimum)
      return field.minimum === 0 ? 'n' : `${field.minimum} + n`
    case 'decimal': {
      const { precision, scale } = field
      if (precision - scale >= 2) return scale === 0 ? 'String(n)' : `\`\${n}.${'9'.repeat(scale)}\``
      if (scale >= 2) return `\`0.\${String(n).padStart(${scale}, '0')}\``
      return scale === 0 ? "'1'" : precision === 1 ? "'0.5'" : '(n / 10).toFixed(1)'
    }
    default:
      return 'n % 2 === 0'
  }
}

/** A value of another type. */
function wrong ({ type }: Field): string {
  return type === 'text' ? '5' : "'?'"
}
