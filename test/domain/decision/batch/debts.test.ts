import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import type { WorkItem } from '../../../../domain/decision/work.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const requests = (count: number, rows: number, more: object = {}) =>
  Array.from({ length: count }, (_, index) => {
    return workItem(`r${String(index).padStart(2, '0')}`, { rows, seed: index, attempts: 9, ...more });
  });
const attempts = (items: readonly { readonly id: string }[]) => Object.fromEntries(items.map(({ id }) => [id, 9]));
const quota = (available: number) => ({
  ...{ resource: 'quota:s', source: 's', available, perSecond: 1, burst: 10_000 },
});

describe('what waited for its share', () => {
  test('is granted one at a time: the shares of the cycles that many waited are not theirs many times', () => {
    // Each costs 600 bytes of 1,000: one fits, one goes into debt.
    const items = requests(50, 60);
    const plan = planBatch(batchInputs(items, 1_000, { attempts: attempts(items) }));
    expect(plan.charges['bytes:s']).toBe(1_200);
    expect(plan.waiting).toHaveLength(48);
    // What is in debt already owes no more.
    expect(planBatch(batchInputs(items, -200, { attempts: attempts(items) })).grants).toEqual([]);
  });

  test('so it is for standing needs that no part is worth handing out of', () => {
    const items = requests(20, 100, { minRows: 100 }).map((item) => {
      return { ...item, kind: 'need' as const, needId: `a/${item.id}`, attempts: 20 };
    });
    const plan = planBatch(batchInputs(items, 1_000));
    expect(plan.grants.map(({ rows }) => rows)).toEqual([100]);
  });

  test('never exceeds a quota, whatever it waited', () => {
    const items = requests(3, 80);
    const plan = planBatch(batchInputs(items, 0, { attempts: attempts(items), limits: [quota(1_000)] }));
    expect(plan.charges['quota:s']).toBe(800);
    const needs = requests(2, 150, { kind: 'need', minRows: 150 }).map((item) => ({ ...item, needId: `a/${item.id}` }));
    expect(planBatch(batchInputs(needs, 0, { limits: [quota(1_000)] })).grants).toEqual([]);
  });
});

test('a request that is larger than the whole quota is refused, not left to wait for ever', () => {
  const plan = planBatch(batchInputs(requests(1, 1_000, { fields: ['x', 'y'] }), 0, { limits: [quota(10_000)] }));
  expect(plan.refusals).toMatchObject([
    { itemId: 'r00', type: 'ExceedsQuota', resource: 'quota:s', shortfall: 10_000 },
  ]);
  const cached = { limits: [quota(10_000)], hits: ['r00'] };
  expect(planBatch(batchInputs(requests(1, 1_000, { fields: ['x', 'y'] }), 0, cached)).grants).toHaveLength(1);
});

test.each([-100, 60])('a source in debt, or going into it, keeps no other from what is left of it', (available) => {
  const items = [
    ...[60, 30, 30].map((rows, index) => workItem(`r${index}`, { rows, seed: index, model: index === 0 ? 'a' : 'b' })),
    workItem('other', { dataset: 'e' }),
  ];
  const models = { a: { weight: 1, priority: 3 }, b: { weight: 1, priority: 3 } };
  const inputs = batchInputs(items, 1_000, { models, attempts: { other: 2 } });
  const plan = planBatch({
    ...inputs,
    datasets: [...inputs.datasets, { ...inputs.datasets[0], id: 'e', source: 't' }],
    sources: { ...inputs.sources, t: { scansAtOnce: 2, windows: null } },
    limits: [...inputs.limits, { ...inputs.limits[0], resource: 'bytes:t', source: 't', available }],
  });
  expect(plan.waiting.map(({ itemId }) => itemId)).toEqual(available < 0 ? ['other', 'r2'] : ['r2']);
  expect(plan.charges['bytes:s']).toBe(900);
});

describe('the bound of what is taken', () => {
  const tries = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 12, maxLength: 12 });
  const gpus = fc.array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 12, maxLength: 12 });

  test('of a bucket: what is available and one item of each model; of a quota and of the pool: never more', () => {
    fc.assert(
      fc.property(anyInputs, tries, gpus, fc.boolean(), (inputs, waited, gpu, leasts) => {
        const items = inputs.items.map((item, seed) => {
          const need = item.kind === 'need' ? { minRows: leasts ? item.rows! : 0, resources: { gpu: gpu[seed] } } : {};
          return { ...item, seed, fields: ['x'], attempts: waited[seed], ...need };
        });
        const [bytes] = inputs.limits;
        const pool = { resource: 'gpu', source: null, available: 2, perSecond: 0, burst: 2 };
        const { charges } = planBatch({
          ...inputs,
          items,
          attempts: Object.fromEntries(items.map((item) => [item.id, item.attempts])),
          limits: [bytes, { ...bytes, resource: 'quota:s', available: 2 * bytes.available }, pool],
        });
        const largest = ['a', 'b', 'c'].map((model) =>
          Math.max(0, ...items.map((item) => (item.model === model ? item.rows! * 10 : 0))),
        );
        const debts = largest.reduce((sum, one) => sum + one, 0);
        expect(charges['bytes:s'] ?? 0).toBeLessThanOrEqual((bytes.available + debts) * (1 + 1e-9));
        expect(charges['quota:s'] ?? 0).toBeLessThanOrEqual(2 * bytes.available * (1 + 1e-3));
        expect(charges.gpu ?? 0).toBeLessThanOrEqual(2 * (1 + 1e-6));
      }),
      { numRuns: 200 },
    );
  });

  test('a need that takes most of the pool has its turn, though the others would always use a part of it', () => {
    const large = fc.array(
      fc.record({ model: fc.constantFrom('a', 'b', 'c'), gpu: fc.double({ min: 0.1, max: 2, noNaN: true }) }),
      { minLength: 2, maxLength: 6 },
    );
    fc.assert(
      fc.property(large, (wishes) => {
        const models = Object.fromEntries(['a', 'b', 'c'].map((id) => [id, { weight: 1, priority: 3 }]));
        const waited = wishes.map(() => 1);
        let credits: Record<string, number> = {};
        // A third of the pool is guaranteed to each of three: three cycles add up to all of it, and each has its turn.
        const cyclesMax = 3 * wishes.length + 1;
        for (let cycle = 0; cycle < 2 * cyclesMax; cycle++) {
          const items = wishes.map(({ model, gpu }, seed): WorkItem => {
            const more = { kind: 'need' as const, needId: `${model}/${seed}`, minRows: 10, resources: { gpu } };
            return workItem(`n${seed}`, { model, seed, attempts: waited[seed], ...more });
          });
          const limits = [{ resource: 'gpu', source: null, available: 2, perSecond: 0, burst: 2 }];
          const plan = planBatch(batchInputs(items, 0, { models, limits, credits }));
          credits = { ...credits, ...plan.credits };
          expect(plan.charges.gpu ?? 0).toBeLessThanOrEqual(2 * (1 + 1e-6));
          const served = new Set(plan.grants.map(({ itemId }) => itemId));
          items.forEach(({ id }, seed) => (waited[seed] = served.has(id) ? 1 : waited[seed] + 1));
          expect(Math.max(...waited)).toBeLessThanOrEqual(cyclesMax);
        }
      }),
      {
        numRuns: 15,
        // The turns of one model's two took the share of the other's for ever.
        examples: [
          [
            [
              { model: 'a', gpu: 1.72 },
              { model: 'c', gpu: 0.75 },
              { model: 'a', gpu: 1.86 },
            ],
          ],
        ],
      },
    );
  });

  test('what is larger than all of a pool resource is misconfigured, not waiting for its turn', () => {
    const item = workItem('n', { kind: 'need', needId: 'a/n', minRows: 10, resources: { gpu: 3 } });
    const limits = [{ resource: 'gpu', source: null, available: 2, perSecond: 0, burst: 2 }];
    expect(planBatch(batchInputs([item], 0, { limits })).waiting).toMatchObject([
      { tier: 'misconfigured', resource: 'gpu', shortfall: 1 },
    ]);
  });
});
