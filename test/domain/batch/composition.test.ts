import fc from 'fast-check';
import highsLoader, { type Highs } from 'highs';
import { describe, expect, it } from 'vitest';
import { composeBatches, type ComposeProblem } from '../../../domain/batch/composition.js';
import { composeLp } from './compose-milp.js';

const problem = (
  items: readonly [string, string[], number[]][],
  more: Partial<ComposeProblem> = {},
): ComposeProblem => ({
  items: items.map(([id, sources, demand]) => ({ id, sources, demand })),
  limits: [10],
  batchCost: 1,
  sourceCosts: {},
  defaultSourceCost: 5,
  ...more,
});

describe('composeBatches', () => {
  it('puts together what shares a source', () => {
    const result = composeBatches(
      problem([
        ['a', ['s'], [5]],
        ['b', ['t'], [5]],
        ['c', ['s'], [5]],
        ['d', ['t'], [5]],
      ]),
    );
    expect(result).toEqual({
      batches: [
        ['a', 'c'],
        ['b', 'd'],
      ],
      cost: 12,
      peak: 1,
    });
  });
  it('charges each source its own cost, a listed one even if it is called like an object method', () => {
    expect(composeBatches(problem([['a', ['s', 'toString'], [1]]], { sourceCosts: { s: 7 } })).cost).toBe(1 + 7 + 5);
  });
  it('evens out the loads when it costs nothing', () => {
    const six = ['a', 'b', 'c', 'd', 'e', 'f'].map((id): [string, string[], number[]] => [id, [], [3]]);
    const { batches, cost, peak } = composeBatches(problem(six));
    expect(batches.map((batch) => batch.length)).toEqual([3, 3]);
    expect(cost).toBe(2);
    expect(peak).toBeCloseTo(0.9, 12);
  });
  it('leaves alone what fits nowhere, and has an empty composition for nothing', () => {
    expect(
      composeBatches(
        problem([
          ['big', [], [30]],
          ['a', [], [1]],
        ]),
      ).batches,
    ).toEqual([['a'], ['big']]);
    expect(composeBatches(problem([]))).toEqual({ batches: [], cost: 0, peak: 0 });
    expect(() => composeBatches(problem([['a', [], [1, 2]]]))).toThrow('one demand per limit');
  });

  const items = (min: number, max: number) =>
    fc
      .array(
        fc.record({
          sources: fc.uniqueArray(fc.constantFrom('p', 'q', 'r', 's'), { maxLength: 2 }),
          demand: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
        }),
        { minLength: min, maxLength: max },
      )
      .map((list) => list.map((item, i) => ({ ...item, id: `i${String(i).padStart(2, '0')}` })));
  const costs = fc.record({ batchCost: fc.integer({ min: 1, max: 20 }), defaultSourceCost: fc.nat(10) });

  it('is a partition within the limits, whatever the order of the items', () => {
    fc.assert(
      fc.property(items(0, 18), costs, (list, prices) => {
        const instance = { items: list, limits: [15, 15], sourceCosts: {}, ...prices };
        const result = composeBatches(instance);
        expect(result.batches.flat().sort()).toEqual(list.map(({ id }) => id));
        for (const batch of result.batches) {
          for (const r of [0, 1]) {
            const used = list.filter(({ id }) => batch.includes(id)).reduce((sum, { demand }) => sum + demand[r], 0);
            expect(used).toBeLessThanOrEqual(15);
          }
        }
        expect(composeBatches({ ...instance, items: [...list].reverse() })).toEqual(result);
      }),
      { numRuns: 25 },
    );
  });

  it('is within 5 % of the MILP optimum', async () => {
    const highs = await (highsLoader as unknown as () => Promise<Highs>)();
    fc.assert(
      fc.property(items(2, 8), costs, (list, prices) => {
        const instance = { items: list, limits: [15, 15], sourceCosts: {}, ...prices };
        const optimum = highs.solve(composeLp(instance, list.length)).ObjectiveValue;
        const { cost } = composeBatches(instance);
        expect(cost).toBeGreaterThanOrEqual(optimum - 1e-6);
        expect(cost).toBeLessThanOrEqual(optimum * 1.05 + 1e-6);
      }),
      { numRuns: 12 },
    );
  });
});
