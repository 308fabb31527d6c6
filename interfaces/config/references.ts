/** What a schema cannot say: names that must exist elsewhere in the file, and needs that must not wait in a circle. */
import { checkLiterals } from './literals.js';
import { checkRule } from '../../domain/quality/column-rule.js';
import type { BalanceError } from '../../domain/types/errors.js';
import { checkCohorts } from './cohorts.js';
import { circlesOf, unknown, type ConfigIssue } from './issues.js';
import type { BalanceConfig, DatasetDefinition, NeedDefinition, PoolDefinition } from '../../domain/types/pool.js';

export function checkReferences(config: BalanceConfig): ConfigIssue[] {
  return Object.entries(config.pools).flatMap(([id, pool]) =>
    checkPool(pool).map((issue) => ({ ...issue, path: ['pools', id, ...issue.path] })),
  );
}

function checkPool(pool: PoolDefinition): ConfigIssue[] {
  return [
    ...Object.entries(pool.datasets).flatMap(([id, dataset]) => checkDataset(id, dataset, pool)),
    ...Object.entries(pool.models).flatMap(([model, { needs, runs }]) => [
      ...runs.flatMap(({ dataset }, index) =>
        pool.datasets[dataset] === undefined
          ? [
              unknown(
                ['models', model, 'runs', String(index), 'dataset'],
                dataset,
                Object.keys(pool.datasets),
                'dataset',
              ),
            ]
          : [],
      ),
      ...duplicates(runs.map(({ id }) => id)).map((id) => ({
        path: ['models', model, 'runs'],
        expected: 'a different id for each run',
        got: `two runs called ${id}`,
      })),
      ...needs.flatMap((need, index) => checkNeed(need, ['models', model, 'needs', String(index)], pool)),
      ...duplicates(needs.map(({ id }) => id)).map((id) => ({
        path: ['models', model, 'needs'],
        expected: 'a different id for each need',
        got: `two needs called ${id}`,
      })),
    ]),
    ...duplicates(pool.schedules.map(({ id }) => id)).map((id) => ({
      path: ['schedules'],
      expected: 'a different id for each schedule',
      got: `two schedules called ${id}`,
    })),
    ...checkCircles(pool),
    ...checkCohorts(pool),
  ];
}

function checkDataset(id: string, dataset: DatasetDefinition, pool: PoolDefinition): ConfigIssue[] {
  const path = ['datasets', id];
  const source = pool.sources[dataset.source];
  if (source === undefined) return [unknown([...path, 'source'], dataset.source, Object.keys(pool.sources), 'source')];
  const issues: ConfigIssue[] = [];
  const want = (key: 'path' | 'table' | 'key', kind: string) => {
    if (dataset[key] === undefined)
      issues.push({
        path,
        expected: `\`${key}\`, because source ${dataset.source} is of kind ${kind}`,
        got: 'nothing',
      });
  };
  const refuse = (key: 'path' | 'table' | 'format' | 'load', kind: string) => {
    if (dataset[key] !== undefined)
      issues.push({
        path: [...path, key],
        expected: `no \`${key}\`: source ${dataset.source} is of kind ${kind}`,
        got: JSON.stringify(dataset[key]),
      });
  };
  if (source.kind === 'files') {
    want('path', 'files');
    refuse('table', 'files');
    refuse('load', 'files');
  } else {
    want('table', 'postgres');
    want('key', 'postgres');
    refuse('path', 'postgres');
    refuse('format', 'postgres');
  }
  issues.push(...checkFallback([...path, 'fallback'], id, dataset, pool));
  issues.push(...checkColumns([...path, 'columns'], dataset));
  for (const [index, { when, then }] of (dataset.rules ?? []).entries())
    issues.push(...checkLiterals([...path, 'rules', String(index)], [...when, ...then], dataset.columns));
  for (const [index, { dataset: referred }] of (dataset.references ?? []).entries()) {
    if (pool.datasets[referred] === undefined)
      issues.push(unknown([...path, 'references', String(index)], referred, Object.keys(pool.datasets), 'dataset'));
  }
  return issues;
}

/** What is declared of one column must not contradict itself. */
function checkColumns(path: readonly string[], { columns }: DatasetDefinition): ConfigIssue[] {
  return Object.entries(columns).flatMap(([name, { type, unit, format, min, max, values }]): ConfigIssue[] => {
    try {
      checkRule(name, { type, unit, format, min, max, values: values?.map(String) });
      return [];
    } catch (error) {
      const { message, expected, got } = error as BalanceError;
      return [{ path: [...path, name], expected: `${expected} (${message})`, got: String(got) }];
    }
  });
}

/** What stands in must be another dataset with the same notion of time, and its reads must be countable. */
function checkFallback(
  path: readonly string[],
  id: string,
  { fallback, eventTime }: DatasetDefinition,
  pool: PoolDefinition,
): ConfigIssue[] {
  if (fallback === undefined) return [];
  const others = Object.keys(pool.datasets).filter((name) => name !== id);
  if (!others.includes(fallback)) return [unknown(path, fallback, others, 'other dataset')];
  const other = pool.datasets[fallback];
  if (other.eventTime !== eventTime) {
    const expected = `a dataset with ${eventTime === undefined ? 'no eventTime' : `eventTime ${eventTime}`}, as this one has`;
    return [{ path, expected, got: `${fallback} with ${other.eventTime ?? 'none'}` }];
  }
  if (pool.sources[other.source]?.limits.quota === undefined) return [];
  const expected = 'a dataset of a source without `quota`: reads in the place of others are not counted in it';
  return [{ path, expected, got: `${fallback} of source ${other.source}` }];
}

function checkNeed(need: NeedDefinition, path: readonly string[], pool: PoolDefinition): ConfigIssue[] {
  const dataset = pool.datasets[need.dataset];
  if (dataset === undefined)
    return [unknown([...path, 'dataset'], need.dataset, Object.keys(pool.datasets), 'dataset')];
  const issues = checkLiterals([...path, 'where'], need.where, dataset.columns);
  if (need.rows === 'new' && dataset.eventTime === undefined) {
    issues.push({
      path: [...path, 'rows'],
      expected: `a number: dataset ${need.dataset} declares no eventTime, so nothing is known to be new`,
      got: '"new"',
    });
  }
  if ((need.classColumn === undefined) !== (need.target === undefined)) {
    issues.push({
      path,
      expected: '`classColumn` and `target` together',
      got: need.classColumn === undefined ? 'only target' : 'only classColumn',
    });
  }
  issues.push(...checkReference(need, path, pool));
  if (typeof need.target === 'object' && !Object.values(need.target).some((share) => share > 0)) {
    issues.push({
      path: [...path, 'target'],
      expected: 'at least one share above 0',
      got: JSON.stringify(need.target),
    });
  }
  if (typeof need.rows === 'number' && need.minRows > need.rows) {
    issues.push({ path: [...path, 'minRows'], expected: `at most rows (${need.rows})`, got: String(need.minRows) });
  }
  const needs = needIds(pool);
  for (const [index, after] of need.after.entries()) {
    if (!needs.includes(after)) issues.push(unknown([...path, 'after', String(index)], after, needs, 'need'));
  }
  for (const resource of Object.keys(need.resources)) {
    if (pool.resources[resource] === undefined)
      issues.push(unknown([...path, 'resources', resource], resource, Object.keys(pool.resources), 'pool resource'));
  }
  return issues;
}

/** What a model was trained on is another dataset, all of whose columns that are compared the model may read. */
function checkReference(
  { dataset, fields, where, classColumn, target, reference }: NeedDefinition,
  path: readonly string[],
  pool: PoolDefinition,
): ConfigIssue[] {
  const model = path[1];
  if (reference === undefined)
    return target === 'reference'
      ? [{ path: [...path, 'target'], expected: '`uniform` or shares: the need has no `reference`', got: 'reference' }]
      : [];
  const others = Object.keys(pool.datasets).filter((name) => name !== dataset);
  if (!others.includes(reference)) return [unknown([...path, 'reference'], reference, others, 'other dataset')];
  const { columns } = pool.datasets[reference];
  const { mayRead } = pool.models[model];
  const read = new Set([
    ...fields,
    ...where.map(({ column }) => column),
    ...(classColumn === undefined ? [] : [classColumn]),
  ]);
  const forbidden = [...read].filter(
    (name) =>
      Object.hasOwn(columns, name) &&
      columns[name].sensitivity === 'restricted' &&
      !mayRead.includes(`${reference}.${name}`),
  );
  if (forbidden.length === 0) return [];
  const named = forbidden.map((name) => `${reference}.${name}`).join(', ');
  const got = mayRead.length === 0 ? 'none' : mayRead.join(', ');
  return [{ path: [...path, 'reference'], expected: `${named} in the \`mayRead\` of model ${model}`, got }];
}

/** A need that comes after itself, by whatever way, could never be handed out: the members of the circle are named. */
function checkCircles(pool: PoolDefinition): ConfigIssue[] {
  const after = new Map<string, readonly string[]>(
    Object.entries(pool.models).flatMap(([model, { needs }]) =>
      needs.map((need) => [`${model}/${need.id}`, need.after] as const),
    ),
  );
  return circlesOf(after).map((circle) => ({
    path: ['models', circle[0].split('/')[0]],
    expected: 'needs that do not wait for each other in a circle',
    got: circle.join(' after '),
  }));
}

function needIds(pool: PoolDefinition): string[] {
  return Object.entries(pool.models).flatMap(([model, { needs }]) => needs.map(({ id }) => `${model}/${id}`));
}
function duplicates(ids: readonly string[]): string[] {
  return [...new Set(ids.filter((id, index) => ids.indexOf(id) !== index))];
}
