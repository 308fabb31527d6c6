/** What a schema cannot say of cohorts: that they are a tree over declared limits, and that their guarantees can be kept. */
import { declaredLimits } from '../../domain/types/limits.js';
import type { CohortDefinition, PoolDefinition } from '../../domain/types/pool.js';
import { circlesOf, unknown, type ConfigIssue } from './issues.js';

export function checkCohorts(pool: PoolDefinition): ConfigIssue[] {
  const cohorts = pool.cohorts ?? {};
  const known = Object.keys(cohorts);
  const circles = circlesOf(
    new Map(known.map((id) => [id, cohorts[id].parent === undefined ? [] : [cohorts[id].parent]])),
  );
  return [
    ...Object.entries(pool.models).flatMap(([model, { cohort }]) =>
      cohort === undefined || known.includes(cohort)
        ? []
        : [unknown(['models', model, 'cohort'], cohort, known, 'cohort')],
    ),
    ...Object.entries(cohorts).flatMap(([id, cohort]) => checkCohort(id, cohort, known, pool)),
    ...circles.map((circle) => ({
      path: ['cohorts', circle[0], 'parent'],
      expected: 'cohorts that are a tree, none of them above itself',
      got: circle.join(' in '),
    })),
    // Sums over a circle have no end, and those of unknown limits no bound.
    ...(circles.length === 0 ? checkSums(cohorts, declaredLimits(pool)) : []),
  ];
}

function checkCohort(
  id: string,
  { parent, ...amounts }: CohortDefinition,
  known: readonly string[],
  pool: PoolDefinition,
): ConfigIssue[] {
  const limits = declaredLimits(pool);
  const issues: ConfigIssue[] = [];
  if (parent !== undefined && !known.includes(parent))
    issues.push(unknown(['cohorts', id, 'parent'], parent, known, 'cohort'));
  for (const key of ['nominal', 'lendingLimit', 'borrowingLimit'] as const) {
    for (const [name, amount] of Object.entries(amounts[key])) {
      const path = ['cohorts', id, key, name];
      const limit = limits.get(name);
      if (limit === undefined) {
        const quota = name.startsWith('quota:') ? ' (a quota counts for its source as a whole)' : '';
        const issue = unknown(path, name, [...limits.keys()], 'limit (bytes:SOURCE, rows:SOURCE or a pool resource)');
        issues.push({ ...issue, expected: issue.expected + quota });
      } else if (key === 'nominal' && amount > limit)
        issues.push({ path, expected: `at most what ${name} gives: ${limit}`, got: String(amount) });
    }
  }
  return issues;
}

/** A guarantee is for all below: the larger of its own and the sum of its children's. Those of the pool must fit each limit. */
function checkSums(
  cohorts: Readonly<Record<string, CohortDefinition>>,
  limits: ReadonlyMap<string, number>,
): ConfigIssue[] {
  const below = (parent: string | undefined): string[] =>
    Object.keys(cohorts).filter((id) => cohorts[id].parent === parent);
  const guaranteed = (id: string, limit: string): number =>
    Math.max(
      cohorts[id].nominal[limit] ?? 0,
      below(id).reduce((sum, child) => sum + guaranteed(child, limit), 0),
    );
  return [...limits].flatMap(([limit, most]) => {
    const parts = below(undefined).map((id) => ({ id, amount: guaranteed(id, limit) }));
    const sum = parts.reduce((total, { amount }) => total + amount, 0);
    // Decimal fractions round, and one alone that is too large is told where it stands.
    if (sum <= most * (1 + 1e-12) || parts.some(({ amount }) => amount > most)) return [];
    const named = parts.filter(({ amount }) => amount > 0).map(({ id, amount }) => `${id} ${amount}`);
    return [
      {
        path: ['cohorts'],
        expected: `guarantees of ${limit} that add up to at most what it gives: ${most}`,
        got: `${sum} (${named.join(', ')})`,
      },
    ];
  });
}
