// Imports point one way: schemas, drizzle, islands <- repositories <- other plugins <- routes <- app <- server, scripts, tests.
const ISLANDS = '^plugins/(transaction|outbox|change-stream)/'
const OURS = '^(app|server|server-options)[.]ts$|^(plugins|routes|schemas|drizzle|scripts|test|bench)/'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'schemas-know-nothing', severity: 'error', from: { path: '^schemas/' }, to: { path: OURS, pathNot: '^schemas/' } },
    { name: 'drizzle-knows-nothing', severity: 'error', from: { path: '^drizzle/' }, to: { path: OURS, pathNot: '^drizzle/' } },
    {
      name: 'islands-stand-alone',
      comment: 'They are packages of their own: what they need is given to them as options.',
      severity: 'error',
      from: { path: ISLANDS, pathNot: '/test/' },
      to: { path: OURS, pathNot: ISLANDS }
    },
    {
      name: 'one-island-knows-no-other',
      severity: 'error',
      from: { path: ISLANDS, pathNot: '/test/' },
      to: { path: ISLANDS, pathNot: '^plugins/$1/' }
    },
    {
      name: 'repositories-know-no-http',
      severity: 'error',
      from: { path: '^plugins/repositories/', pathNot: '/index[.]ts$' },
      to: { path: '^(routes|plugins/(?!repositories/|transaction/|outbox/|change-stream/))|node_modules/fastify(-plugin)?/' }
    },
    {
      name: 'routes-know-no-driver',
      severity: 'error',
      from: { path: '^routes/' },
      to: { path: 'node_modules/(pg|mongodb|drizzle-orm|@libsql/client)/|^drizzle/' }
    },
    {
      name: 'routes-take-plugins-by-decorator',
      severity: 'error',
      from: { path: '^routes/' },
      to: { path: '^plugins/', dependencyTypesNot: ['type-only'] }
    },
    { name: 'nobody-imports-routes', severity: 'error', from: { pathNot: '^(routes|test)/' }, to: { path: '^routes/' } },
    {
      name: 'app-is-on-top',
      severity: 'error',
      from: { path: '^(plugins|routes|schemas|drizzle)/' },
      to: { path: '^(app|server)[.]ts$|^(scripts|test|bench)/', pathNot: '^scripts/embedded/types[.]ts$' }
    },
    {
      name: 'production-needs-no-development-package',
      severity: 'error',
      from: { path: '^(app|server|server-options)[.]ts$|^(plugins|routes|schemas|drizzle)/', pathNot: '/test/|[.]config[.]ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|[.]tap|bench/peers/nest)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json'], exportsFields: ['exports'], conditionNames: ['import', 'node', 'default', 'types'] }
  }
}
