/** The import law of docs/ARCHITECTURE.md, checked. Each rule's comment is the sentence a violation prints. */
const pure = '^node_modules/(franc-min|heap-js|zod)/';
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-circular', 'Modules must not import each other in a circle.', {}, { circular: true }),
    rule(
      'domain-is-pure',
      'domain/ imports only domain/ and the listed pure libraries: no I/O, no clock, no other room.',
      { path: '^domain/', pathNot: '^domain/prediction/regression\\.ts$' },
      { pathNot: ['^domain/', pure] },
    ),
    rule(
      'one-door-to-ml-regression',
      'Only domain/prediction/regression.ts may import ml-regression.',
      { pathNot: ['^domain/prediction/regression\\.ts$', '^test/', '^bench/'] },
      { path: '^node_modules/ml-regression' },
    ),
    rule(
      'workflows-are-deterministic',
      'workflows/ imports @temporalio/workflow, @temporalio/common, domain/decision, domain/types, and types of activities only.',
      { path: '^workflows/' },
      {
        pathNot: [
          '^workflows/',
          '^domain/(decision|types)/',
          '^node_modules/@temporalio/(workflow|common)/',
          '^activities/',
        ],
      },
    ),
    rule(
      'workflows-take-only-types-of-activities',
      'workflows/ may import activities/ with `import type` only.',
      { path: '^workflows/' },
      { path: '^activities/', dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'activities-reach-the-world-through-ports',
      'activities/ imports domain/ and Temporal; stores and sources arrive through activities/ports.',
      { path: '^activities/' },
      {
        pathNot: [
          '^activities/',
          '^domain/',
          '^node_modules/@temporalio/(activity|common)/',
          '^(node:)?(crypto|timers)',
        ],
      },
    ),
    rule(
      'db-knows-domain-and-ports',
      'db/ imports domain/, types of activities/ports and its own drivers.',
      { path: '^db/' },
      { path: '^(workflows|workers|cli|interfaces|bench|test)/' },
    ),
    rule(
      'interfaces-know-contracts',
      'interfaces/ imports domain/, types of activities/ports, workflows/contract and stores through ports.',
      { path: '^interfaces/' },
      { path: ['^(workers|cli|bench|test)/', '^workflows/(?!contract)', '^db/'] },
    ),
    rule(
      'only-cli-and-test-start-workers',
      'Only cli/, test/ and bench/ may import workers/.',
      { path: '^(domain|workflows|activities|db|interfaces)/' },
      { path: '^workers/' },
    ),
    rule(
      'production-never-imports-test',
      'Production code never imports test/ or bench/.',
      { path: '^(domain|workflows|activities|workers|db|interfaces|cli)/' },
      { path: '^(test|bench)/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};
