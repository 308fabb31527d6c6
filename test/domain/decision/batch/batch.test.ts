import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('a plan', () => {
  test('puts every item in exactly one place: granted, waiting or refused; every granted read in one read', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const plan = planBatch(inputs);
        const placed = [...plan.grants, ...plan.waiting, ...plan.refusals].map(({ itemId }) => itemId);
        expect([...placed].sort()).toEqual(inputs.items.map(({ id }) => id));
        const read = plan.reads.flatMap(({ slices }) => slices.map(({ id }) => id));
        expect([...read].sort()).toEqual(plan.grants.map(({ itemId }) => itemId).sort());
        expect(plan.reads.map(({ ordinal }) => ordinal)).toEqual(plan.reads.map((_, index) => index));
      }),
    );
  });

  test('takes no more than is available, and grants no more rows than are asked', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const plan = planBatch(inputs);
        const { available } = inputs.limits[0];
        expect(plan.charges['bytes:s'] ?? 0).toBeLessThanOrEqual(available * (1 + 1e-6) + 1e-6);
        expect(sum(plan.grants.map(({ cost }) => cost['bytes:s'] ?? 0))).toBeCloseTo(plan.charges['bytes:s'] ?? 0, 3);
        const rows = new Map(inputs.items.map((item) => [item.id, item.rows ?? 0]));
        for (const grant of plan.grants) expect(grant.rows).toBeLessThanOrEqual(rows.get(grant.itemId)!);
      }),
    );
  });

  test('each model stays within what was allotted to it', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        // Own seeds and one field: nothing is shared, so that an item's cost is its rows times ten bytes.
        const items = inputs.items.map((item, seed) => ({ ...item, seed, fields: ['x'], where: [] }));
        const plan = planBatch({ ...inputs, items });
        for (const { id, units } of plan.allocation?.allocations ?? []) {
          const mine = items.filter(({ model }) => `${model}@s` === id);
          const asked = sum(mine.map(({ rows }) => (rows ?? 0) * 10));
          // What the others left is nobody's share.
          const granted = plan.grants.filter(
            ({ itemId, beyondShare }) => !beyondShare && mine.some((item) => item.id === itemId),
          );
          expect(sum(granted.map(({ cost }) => cost['bytes:s']))).toBeLessThanOrEqual(
            units * asked * (1 + 1e-6) + 1e-6,
          );
        }
      }),
    );
  });

  test('leaves no request waiting that would fit whole into what is left', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        const items = inputs.items.map((item, seed) => ({ ...item, seed, fields: ['x'], where: [] }));
        const plan = planBatch({ ...inputs, items });
        const left = inputs.limits[0].available - (plan.charges['bytes:s'] ?? 0);
        for (const { itemId } of plan.waiting) {
          const item = items.find(({ id }) => id === itemId)!;
          if (item.kind === 'request') expect(item.rows! * 10).toBeGreaterThan(left);
        }
      }),
    );
  });

  test('does not depend on the order of the items, the facts or the limits', () => {
    fc.assert(
      fc.property(anyInputs, fc.func(fc.nat()), (inputs, keyOf) => {
        const mixed = <T extends object>(values: readonly T[]) =>
          [...values].sort((a, b) => keyOf(JSON.stringify(a)) - keyOf(JSON.stringify(b)));
        const other = { ...inputs, items: mixed(inputs.items), facts: mixed(inputs.facts) };
        expect(JSON.stringify(planBatch(other))).toBe(JSON.stringify(planBatch(inputs)));
      }),
    );
  });

  test('says of everything that waits what is missing, by how much, and when to look again', () => {
    fc.assert(
      fc.property(anyInputs, (inputs) => {
        for (const wait of planBatch(inputs).waiting) {
          expect(wait).toMatchObject({ tier: 'over-quota', resource: 'bytes:s' });
          expect(wait.shortfall).toBeGreaterThan(0);
          expect(wait.earliestMs).toBeGreaterThan(inputs.nowMs);
          expect(wait.reason).toContain('bytes:s');
        }
      }),
    );
  });

  test('nothing asked is nothing planned', () => {
    expect(planBatch(batchInputs([], 100))).toMatchObject({
      grants: [],
      waiting: [],
      refusals: [],
      reads: [],
      charges: {},
    });
  });

  test('an empty bucket grants nothing; without a limit everything is granted', () => {
    const items = [workItem('one'), workItem('two', { model: 'b', kind: 'need', needId: 'b/n' })];
    const dry = planBatch(batchInputs(items, 0));
    expect(dry.grants).toEqual([]);
    expect(dry.waiting.map(({ itemId }) => itemId)).toEqual(['one', 'two']);
    expect(planBatch(batchInputs(items, 0, { limits: [] })).grants.map(({ rows }) => rows)).toEqual([10, 10]);
  });

  test('weights decide what each model gets of what is scarce', () => {
    const items = ['a', 'b', 'c'].map((model, seed) =>
      workItem(model, { model, seed, kind: 'need', needId: `${model}/n`, rows: 1_000 }),
    );
    const plan = planBatch(batchInputs(items, 7_000));
    // 7,000 bytes at 10 a row, by weights 1 : 2 : 4.
    expect(plan.grants.map(({ rows }) => rows)).toEqual([100, 200, 400]);
  });

  test('the same rows for two models are paid once, by halves', () => {
    const items = ['a', 'b'].map((model) => workItem(model, { model, kind: 'need', needId: `${model}/n`, rows: 100 }));
    const plan = planBatch(batchInputs(items, 10_000));
    expect(plan.reads).toHaveLength(1);
    expect(plan.grants.map(({ cost }) => cost['bytes:s'])).toEqual([500, 500]);
  });

  test('a request that waited until its shares add up to its cost is granted, whatever is left', () => {
    const items = [workItem('big', { rows: 1_000, attempts: 3 })];
    expect(planBatch(batchInputs(items, 4_000)).waiting.map(({ itemId }) => itemId)).toEqual(['big']);
    expect(planBatch(batchInputs(items, 4_000, { attempts: { big: 3 } })).grants).toMatchObject([
      { itemId: 'big', rows: 1_000 },
    ]);
  });
});

describe('demand beyond all expectation', () => {
  const needs = ['a', 'c'].map((model, seed) => {
    return workItem(`${model}0`, { kind: 'need', needId: `${model}/n`, model, rows: 800, seed, fields: ['x'] });
  });
  const rowsOf = (surges: readonly { series: string; asked: number; upper: number }[]) =>
    planBatch(batchInputs(needs, 8_000, { surges })).grants.map(({ rows }) => rows);

  test('counts with the base weight: 4 to 1 becomes 1.6 to 1 when a fifth of it was to be expected', () => {
    // Weights 1 and 4; 800 rows in all; 4 + (1 - 4) x 4/5 = 1.6: 307.7 and 492.3, and the row that both parts make is a's.
    expect(rowsOf([])).toEqual([160, 640]);
    expect(rowsOf([{ series: 'c/d', asked: 800, upper: 160 }])).toEqual([308, 492]);
  });

  test('takes nothing from a model that has no more than the base weight', () => {
    expect(rowsOf([{ series: 'a/d', asked: 800, upper: 160 }])).toEqual([160, 640]);
  });
});
