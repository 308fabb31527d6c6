import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { batchInputs, workItem } from './batch-inputs.js';

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
