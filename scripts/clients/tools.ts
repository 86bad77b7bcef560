import path from 'node:path'
import type { Command, Place } from './command.ts'
import { getNpmProgram, getPythonProgram, modules } from './install.ts'

/** A tool that reads the document: what it is, and the commands that try it. */
export interface Tool {
  name: string
  /** Package whose version is shown. */
  package: string
  needs: 'npm' | 'python' | 'python and java'
  /** Name of the program in programs/ that uses the client; none for tools that make no client. */
  program?: string
  /** Makes the client in `generated/`. */
  make: (place: Place) => Command[]
  /** Reads all that was made, as strictly as its language can. */
  compile: (place: Place) => Command[]
  /** Uses the live service. */
  use: (place: Place) => Command[]
}

const root = path.join(import.meta.dirname, '..', '..')
const tsx = path.join(root, 'node_modules', '.bin', 'tsx')
const python = getPythonProgram('python')
const SEEDS = [1, 2]

function typescript (
  name: string,
  program: string,
  make: Tool['make'],
  tool = name,
  needs: Tool['needs'] = 'npm'
): Tool {
  return {
    name,
    package: tool,
    needs,
    program: `${program}.ts`,
    make,
    compile: () => [{ program: getNpmProgram('tsc'), args: ['--project', '.'] }],
    use: () => [{ program: tsx, args: [`${program}.ts`] }]
  }
}

function pythonic (name: string, program: string, make: Tool['make'], tool: string, needs: Tool['needs']): Tool {
  return {
    name,
    package: tool,
    needs,
    program: `${program}.py`,
    make,
    compile: () => [{ program: python, args: ['-W', 'error', '-m', 'compileall', '-q', 'generated', `${program}.py`] }],
    use: () => [{ program: python, args: ['-W', 'error', `${program}.py`] }]
  }
}

function generate (generator: string): Tool['make'] {
  return ({ document }) => [{
    program: getPythonProgram('openapi-generator-cli'),
    args: ['generate', '--input-spec', document, '--generator-name', generator, '--output', 'generated']
  }]
}

function orval (client: 'fetch' | 'zod'): Tool['make'] {
  return ({ document }) => [{
    program: getNpmProgram('orval'),
    args: ['--input', document, '--output', `generated/${client}.ts`, '--client', client]
  }]
}

function lint (name: string, tool: string, program: string, args: (place: Place) => string[]): Tool {
  const compile: Tool['compile'] = (place) => [{ program: getNpmProgram(program), args: args(place) }]
  return { name, package: tool, needs: 'npm', make: () => [], compile, use: () => [] }
}

/** Every tool, in the order of the table. */
export const tools: Tool[] = [
  typescript('openapi-typescript, openapi-fetch', 'openapi-fetch', ({ document }) => [
    { program: getNpmProgram('openapi-typescript'), args: [document, '--output', 'generated/schema.d.ts'] }
  ], 'openapi-typescript'),
  typescript('orval (fetch)', 'orval-fetch', orval('fetch'), 'orval'),
  typescript('orval (zod)', 'orval-zod', orval('zod'), 'orval'),
  typescript('@hey-api/openapi-ts', 'hey-api', ({ document }) => [
    { program: getNpmProgram('openapi-ts'), args: ['--input', document, '--output', 'generated'] }
  ]),
  typescript(
    'openapi-generator (typescript-fetch)',
    'typescript-fetch',
    generate('typescript-fetch'),
    'openapi-generator-cli',
    'python and java'
  ),
  pythonic(
    'openapi-generator (python)',
    'python_client',
    generate('python'),
    'openapi-generator-cli',
    'python and java'
  ),
  pythonic(
    'datamodel-code-generator',
    'pydantic_models',
    ({ document }) => [{
      program: getPythonProgram('datamodel-codegen'),
      args: [
        '--input',
        document,
        '--input-file-type',
        'openapi',
        '--output',
        'generated/models.py',
        '--formatters',
        'builtin'
      ]
        .concat('--output-model-type', 'pydantic_v2.BaseModel')
    }],
    'datamodel-code-generator',
    'python'
  ),
  {
    name: `schemathesis (seeds ${SEEDS.join(' and ')})`,
    package: 'schemathesis',
    needs: 'python',
    program: 'schemathesis_hooks.py',
    make: () => [],
    compile: (
      { document }
    ) => [{ program: python, args: [path.join(import.meta.dirname, 'programs', 'engines.py'), document] }],
    use: ({ document, origin }) =>
      SEEDS.map((seed) => ({
        program: getPythonProgram('schemathesis'),
        args: ['--config-file', 'schemathesis.toml', 'run', document, '--url', origin, '--checks', 'all']
          .concat('--seed', String(seed), '--max-examples', '20')
      }))
  },
  lint('redocly (recommended-strict)', '@redocly/cli', 'redocly', ({ document }) => [
    'lint',
    document,
    '--config',
    path.join(root, '.redocly.yaml')
  ]),
  lint('spectral (all of oas)', '@stoplight/spectral-cli', 'spectral', ({ document }) => [
    'lint',
    document,
    '--ruleset',
    path.join(import.meta.dirname, 'spectral.yaml'),
    '--fail-severity',
    'hint'
  ])
]

/** Settings of the compiler for each client: as strict as it can be told with one word. */
export const TSCONFIG = {
  compilerOptions: {
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable'],
    module: 'esnext',
    moduleResolution: 'bundler',
    moduleDetection: 'force',
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    types: ['node'],
    typeRoots: [path.join(modules, '@types')]
  },
  include: ['.']
}
