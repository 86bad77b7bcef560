// Imports point one way: schemas <- drizzle, packages <- repositories <- other plugins <- routes <- app <- server, scripts, tests.
const OURS = '^(app|server)[.]ts$|^(plugins|routes|schemas|drizzle|packages|scripts|test|bench|examples)/'

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'schemas-know-nothing', severity: 'error', from: { path: '^schemas/' }, to: { path: OURS, pathNot: '^schemas/' } },
    { name: 'drizzle-knows-schemas-only', severity: 'error', from: { path: '^drizzle/' }, to: { path: OURS, pathNot: '^(drizzle|schemas)/' } },
    {
      name: 'packages-stand-alone',
      comment: 'What a package needs of the service is given to it as options.',
      severity: 'error',
      from: { path: '^packages/([^/]+)/src/' },
      to: { path: OURS, pathNot: '^packages/$1/' }
    },
    {
      name: 'packages-by-name',
      comment: 'The service imports what a package exports, never a file of it.',
      severity: 'error',
      from: { pathNot: '^packages/' },
      to: { path: '^packages/[^/]+/src/', dependencyTypes: ['local'], dependencyTypesNot: ['aliased-workspace'] }
    },
    {
      name: 'package-tests-know-no-service',
      comment: 'They stay when the example domain goes; helpers of test/ that reach no code of the service are welcome.',
      severity: 'error',
      from: { path: '^packages/[^/]+/test/' },
      to: { path: '^(app|server)[.]ts$|^(plugins|routes|schemas|drizzle)/', reachable: true }
    },
    {
      name: 'transaction-core-knows-no-store',
      comment: 'A transaction\'s life is the same in every store, and outside of HTTP.',
      severity: 'error',
      from: { path: '^packages/transaction/src/core/' },
      to: { path: '^packages/transaction/src/(http|payload|plugin|postgres|mongo|options/plugin)' }
    },
    {
      name: 'transaction-stores-know-no-http',
      severity: 'error',
      from: { path: '^packages/transaction/src/(postgres|mongo|sql-text)/' },
      to: { path: '^packages/transaction/src/(http|payload|plugin)/' }
    },
    {
      name: 'production-starts-no-database',
      severity: 'error',
      from: { path: '^(app|server)[.]ts$|^(plugins|routes|schemas|drizzle)/|^packages/(?!dev-databases/)[^/]+/src/' },
      to: { path: '^packages/dev-databases/' }
    },
    {
      name: 'repositories-know-no-http',
      severity: 'error',
      from: { path: '^plugins/repositories/', pathNot: '/index[.]ts$' },
      to: { path: '^(routes|plugins/(?!repositories/|(mongo|sql)/(json|lists)/|paging/(page|cursor)[.]ts))|node_modules/fastify(-plugin)?/' }
    },
    {
      name: 'routes-know-no-driver',
      severity: 'error',
      from: { path: '^routes/' },
      to: { path: 'node_modules/(pg|mongodb|drizzle-orm|libsql)/|^drizzle/' }
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
      to: { path: '^(app|server)[.]ts$|^(scripts|test|bench|examples)/' }
    },
    {
      name: 'production-needs-no-development-package',
      severity: 'error',
      from: { path: '^(app|server)[.]ts$|^(plugins|routes|schemas|drizzle)/', pathNot: '/test/|[.]config[.]ts$' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|[.]tap|bench/peers/nest|scripts/clients/programs|packages/[^/]+/examples)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.mjs', '.json'], exportsFields: ['exports'], conditionNames: ['tandem-source', 'import', 'node', 'default', 'types'] }
  }
}
