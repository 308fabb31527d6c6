/** What changed between two definitions of a pool. */
import { describe, expect, test } from 'vitest';
import { poolSchema } from '../../../domain/types/pool.js';
import { diffDefinitions } from '../../../interfaces/config/diff.js';

const pool = (needs: readonly object[], weight = 1) =>
  poolSchema.parse({
    sources: { lake: { kind: 'files', root: '/data' } },
    datasets: { events: { source: 'lake', path: 'events.csv' } },
    models: { trainer: { kind: 'training', weight, needs } },
  });
const need = (id: string, rows = 10) => ({ id, dataset: 'events', fields: ['id'], rows });

describe('diffDefinitions', () => {
  test('the same definition has no changes, whatever the order of its keys', () => {
    const one = pool([need('a')]);
    const reordered = Object.fromEntries(Object.entries(one).reverse()) as typeof one;
    expect(diffDefinitions(one, reordered)).toEqual([]);
  });

  test('a changed leaf is told with both values; needs are matched by id, not by place', () => {
    expect(diffDefinitions(pool([need('a'), need('b')]), pool([need('b', 20), need('a')], 2))).toEqual([
      { path: 'models.trainer.needs.b.rows', kind: 'changed', before: 10, after: 20 },
      { path: 'models.trainer.weight', kind: 'changed', before: 1, after: 2 },
    ]);
  });

  test('what came and what went is told as a whole', () => {
    const [added] = diffDefinitions(pool([need('a')]), pool([need('a'), need('b')]));
    expect(added).toMatchObject({ path: 'models.trainer.needs.b', kind: 'added', after: { id: 'b', rows: 10 } });
    const [removed] = diffDefinitions(pool([need('a'), need('b')]), pool([need('a')]));
    expect(removed).toMatchObject({ path: 'models.trainer.needs.b', kind: 'removed', before: { id: 'b' } });
  });

  test('of a new pool everything is added, in path order', () => {
    const changes = diffDefinitions(null, pool([]));
    expect(new Set(changes.map(({ kind }) => kind))).toEqual(new Set(['added']));
    const paths = changes.map(({ path }) => path);
    expect(paths).toEqual([...paths].sort());
  });
});
