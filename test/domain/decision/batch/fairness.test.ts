import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { OVERTAKE_MS_MAX } from '../../../../domain/decision/batch/item-priority.js';
import { batchInputs, workItem } from './batch-inputs.js';

const need = (model: string, rows: number, more: object = {}) =>
  workItem(`${model}-need`, { model, kind: 'need', needId: `${model}/n`, rows, seed: model.charCodeAt(0), ...more });
const rowsOf = (plan: ReturnType<typeof planBatch>, model: string): number =>
  plan.grants.filter(({ itemId }) => itemId.startsWith(model)).reduce((sum, { rows }) => sum + rows, 0);

describe('fairness over time', () => {
  const models = { a: { weight: 1, priority: 3 }, b: { weight: 1, priority: 3 } };

  test('who went short is served first later, until it is even; without scarcity nobody owes anybody', () => {
    // a asks for little in the first five cycles and for much in the next five; b always asks for all.
    let credits: Record<string, number> = {};
    const total = { a: 0, b: 0 };
    const shares: number[] = [];
    for (let cycle = 0; cycle < 10; cycle++) {
      const items = [need('a', cycle < 5 ? 10 : 1_000), need('b', 1_000)];
      const limits = [{ resource: 'bytes:s', source: 's', available: 1_000, perSecond: 100, burst: 1_000 }];
      const plan = planBatch(batchInputs(items, 0, { models, limits, credits }));
      credits = { ...credits, ...plan.credits };
      total.a += rowsOf(plan, 'a');
      total.b += rowsOf(plan, 'b');
      shares.push(rowsOf(plan, 'a'));
      expect(credits['a@s'] + credits['b@s']).toBeCloseTo(0, 5);
    }
    // Sharing each cycle for itself would give a 50 rows in each of the last five: 300 of 1,000. It was owed more.
    expect(shares[5]).toBeGreaterThan(70);
    expect(total.a).toBeGreaterThan(350);
    expect(total.a + total.b).toBe(1_000);
    const plenty = planBatch(batchInputs([need('a', 10), need('b', 20)], 100_000, { models }));
    expect(plenty.credits).toEqual({});
  });

  test('a model alone owes nobody, however much it takes', () => {
    const plan = planBatch(batchInputs([need('a', 1_000)], 5_000, { models }));
    expect(plan.credits).toEqual({ 'a@s': 0 });
  });

  test('balances sum to zero and stay within two full buckets, whatever is asked for', () => {
    const cycles = fc.array(fc.record({ a: fc.nat(500), b: fc.nat(500), bytes: fc.nat(5_000) }), { maxLength: 12 });
    fc.assert(
      fc.property(cycles, (asked) => {
        let credits: Record<string, number> = {};
        for (const { a, b, bytes } of asked) {
          const items = [need('a', a + 1), need('b', b + 1)];
          const limits = [{ resource: 'bytes:s', source: 's', available: bytes, perSecond: 100, burst: 5_000 }];
          const plan = planBatch(batchInputs(items, 0, { models, limits, credits }));
          credits = { ...credits, ...plan.credits };
          expect(plan.charges['bytes:s'] ?? 0).toBeLessThanOrEqual(bytes * (1 + 1e-6) + 1e-6);
        }
        const [x, y] = [credits['a@s'] ?? 0, credits['b@s'] ?? 0];
        expect(x + y).toBeCloseTo(0, 4);
        expect(Math.abs(x)).toBeLessThanOrEqual(2);
      }),
      { numRuns: 50 },
    );
  });
});

describe('priority', () => {
  const anyRequest = fc.record({
    createdMs: fc.integer({ min: 0, max: 2_000_000 }),
    priority: fc.integer({ min: 1, max: 5 }),
    deadlineMs: fc.option(fc.integer({ min: 2_000_001, max: 4_000_000 }), { nil: null }),
    critical: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  test('nobody is before one of its model that came more than the declared bound earlier', () => {
    fc.assert(
      fc.property(fc.array(anyRequest, { minLength: 2, maxLength: 12 }), (requests) => {
        const items = requests.map(({ critical: _, ...one }, index) => workItem(`r${index}`, { ...one, seed: index }));
        const criticality = Object.fromEntries(requests.map(({ critical }, index) => [`r${index}`, critical]));
        const plan = planBatch(batchInputs(items, 1e9, { nowMs: 2_000_000, criticality }));
        expect(plan.priority.overtakeMsMax).toBe(OVERTAKE_MS_MAX);
        const order = [...plan.grants].sort((a, b) => b.score - a.score).map(({ itemId }) => itemId);
        const created = new Map(items.map(({ id, createdMs }) => [id, createdMs]));
        order.forEach((id, index) => {
          for (const later of order.slice(index + 1))
            expect(created.get(id)! - created.get(later)!).toBeLessThanOrEqual(OVERTAKE_MS_MAX);
        });
      }),
    );
  });

  test('the score is the sum of its terms, and each says what it stands for', () => {
    const item = workItem('r', { priority: 2, createdMs: 0, deadlineMs: 120_000 });
    const [grant] = planBatch(batchInputs([item], 1e9, { criticality: { r: 0.5 }, credits: { 'a@s': 0.25 } })).grants;
    // 5 - 2 levels and the half that analyze finds; a minute of slack is a half; owed a quarter; waited a minute.
    expect(grant.terms).toEqual({ criticality: 3.5, urgency: 0.5, fairnessDebt: 0.25, waiting: 1 });
    expect(grant.score).toBeCloseTo(5.25, 9);
  });
});

describe('why a request waits', () => {
  /** Requests of one model, all of other rows, ten bytes a row; its share is what is there. */
  const queue = fc.record({
    rows: fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 10 }),
    bytes: fc.integer({ min: 0, max: 3_000 }),
    gpus: fc.integer({ min: 0, max: 3 }),
  });
  const grantedOf = (items: ReturnType<typeof workItem>[], available: Readonly<Record<string, number>>) => {
    const limit = { perSecond: 1, burst: 1e6 };
    const limits = [
      { ...limit, resource: 'bytes:s', source: 's', available: available['bytes:s'] },
      { ...limit, resource: 'gpu', source: null, available: available.gpu },
    ];
    const asking = items.map((item) => ({ ...item, resources: { gpu: item.priority % 2 } }));
    return planBatch(batchInputs(asking, 0, { limits }));
  };
  const itemsOf = (rows: readonly number[]) =>
    rows.map((count, index) =>
      workItem(`r${index}`, { rows: count, seed: index, createdMs: index, priority: 1 + (index % 2) }),
    );

  test('granted exactly what it is said to lack it runs, with the others as they were; with less it does not', () => {
    fc.assert(
      fc.property(queue, ({ rows, bytes, gpus }) => {
        const allotted = { 'bytes:s': bytes, gpu: gpus };
        const { grants, waiting } = grantedOf(itemsOf(rows), allotted);
        const [wait] = waiting;
        if (wait === undefined) return;
        const given = (part: number) =>
          Object.fromEntries(
            Object.entries(allotted).map(([name, amount]) => [name, amount + (wait.short![name] ?? 0) * part]),
          );
        // All that is granted, and it: nobody else that waits takes what it is granted.
        const before = new Set(grants.map(({ itemId }) => itemId));
        const first = itemsOf(rows).filter(({ id }) => before.has(id) || id === wait.itemId);
        const ids = (part: number) =>
          grantedOf(first, given(part))
            .grants.map(({ itemId }) => itemId)
            .sort();
        expect(ids(1)).toEqual([...before, wait.itemId].sort());
        expect(ids(0.99)).not.toEqual([...before, wait.itemId].sort());
      }),
    );
  });

  test('without one that is not named it still waits', () => {
    fc.assert(
      fc.property(queue, ({ rows, bytes, gpus }) => {
        const allotted = { 'bytes:s': bytes, gpu: gpus };
        const items = itemsOf(rows);
        const { grants, waiting } = grantedOf(items, allotted);
        for (const wait of waiting)
          for (const gone of items) {
            if (gone.id === wait.itemId || wait.blockers.includes(gone.id)) continue;
            const had = new Set([...grants.map(({ itemId }) => itemId), wait.itemId].filter((id) => id !== gone.id));
            const rest = grantedOf(
              items.filter(({ id }) => had.has(id)),
              allotted,
            );
            expect(rest.waiting).not.toEqual([]);
          }
      }),
    );
  });

  test('other models that hold what is short are named, the largest holder first', () => {
    // Both needs can use what c's share leaves: b, of twice the weight, twice as much.
    const items = [need('a', 500), need('b', 500), workItem('r', { model: 'c', rows: 500, seed: 7 })];
    const { waiting } = planBatch(batchInputs(items, 6_000));
    expect(waiting).toMatchObject([{ itemId: 'r', blockers: ['b@s', 'a@s'] }]);
  });

  test('at the time that it is told it runs, when the bucket has refilled until then and nothing else came', () => {
    fc.assert(
      fc.property(queue, ({ rows, bytes }) => {
        const perSecond = 50;
        const at = (nowMs: number) => {
          const items = rows.map((count, index) => workItem(`r${index}`, { rows: count, seed: index, fields: ['x'] }));
          const available = bytes + ((nowMs - 60_000) / 1_000) * perSecond;
          const limits = [{ resource: 'bytes:s', source: 's', available, perSecond, burst: 100_000 }];
          return planBatch(batchInputs(items, 0, { nowMs, limits, windowMs: 1e9 }));
        };
        const now = at(60_000);
        // The most urgent of those that wait: the others are behind it.
        const [first] = now.waiting;
        if (first === undefined) return;
        expect(first.earliestMs).toBeGreaterThan(60_000);
        expect(at(first.earliestMs).grants.map(({ itemId }) => itemId)).toContain(first.itemId);
      }),
    );
  });
});
