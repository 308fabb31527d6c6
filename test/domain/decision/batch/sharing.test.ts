import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emptySizeModel, observeBatch } from '../../../../domain/batch/size-model.js';
import { planBatch, type BatchOutcome } from '../../../../domain/decision/batch/batch.js';
import type { BatchInputs } from '../../../../domain/decision/batch/batch-inputs.js';
import { OVERTAKE_MS_MAX } from '../../../../domain/decision/batch/item-priority.js';
import { needStates } from '../../../../domain/decision/coordinate/need-states.js';
import type { WorkItem } from '../../../../domain/decision/work.js';
import { anyInputs, batchInputs, workItem } from './batch-inputs.js';

const equal = { weight: 1, priority: 3 };
const limit = (available: number, burst: number) => [
  { resource: 'bytes:s', source: 's', available, perSecond: burst / 10, burst },
];
/** Ten bytes a row, and nothing shared: each item has a seed of its own. */
const need = (id: string, rows: number, more: Partial<WorkItem> = {}): WorkItem =>
  workItem(id, { kind: 'need', needId: `a/${id}`, rows, seed: id.charCodeAt(id.length - 1), ...more });

describe('balances between models', () => {
  test('sum to zero and keep their bounds, however many models ask for whatever', () => {
    const names = ['a', 'b', 'c', 'e'];
    const models = Object.fromEntries(names.map((name, index) => [name, { weight: 1 + index, priority: 3 }]));
    const cycle = fc.record({
      asked: fc.array(fc.nat(2_000), { minLength: 4, maxLength: 4 }),
      part: fc.double({ min: 0.05, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.array(cycle, { minLength: 1, maxLength: 30 }), (cycles) => {
        let credits: Record<string, number> = {};
        for (const { asked, part } of cycles) {
          const items = names.flatMap((model, index) =>
            asked[index] === 0 ? [] : [need(`${model}-need`, asked[index], { model, seed: index })],
          );
          const plan = planBatch(batchInputs(items, 0, { models, limits: limit(5_000 * part, 5_000), credits }));
          credits = { ...credits, ...plan.credits };
          const balances = Object.values(credits);
          expect(balances.reduce((sum, balance) => sum + balance, 0)).toBeCloseTo(0, 9);
          for (const balance of balances) expect(Math.abs(balance)).toBeLessThanOrEqual(2);
        }
      }),
      { numRuns: 40 },
    );
  });

  test('what cannot be read before its source closes is nobody going short', () => {
    // A read of d takes minutes, of which one is left; of e nothing is known.
    const slow = [1, 2, 3, 4].reduce(
      (state, items) => observeBatch(state, { items, ms: 100_000 * items, bytes: null }),
      emptySizeModel,
    );
    const items = [need('a-1', 300, { model: 'a' }), need('b-2', 300, { model: 'b', dataset: 'e' })];
    const inputs = batchInputs(items, 0, { limits: limit(3_000, 3_000), models: { a: equal, b: equal } });
    const datasets = [inputs.datasets[0], { ...inputs.datasets[0], id: 'e' }];
    const windows = [{ fromMs: 0, toMs: 120_000 }];
    const closing = { ...inputs, datasets, readCosts: { d: slow }, sources: { s: { scansAtOnce: 2, windows } } };
    const { waiting, grants, credits } = planBatch(closing);
    expect(waiting).toMatchObject([{ itemId: 'a-1', resource: 'window:s' }]);
    expect(grants).toMatchObject([{ itemId: 'b-2' }]);
    expect(credits).toEqual({ 'b@s': 0 });
  });
});

test('a need that waits for its source to open is owed nothing: it is due as before', () => {
  const item = need('a-1', 300, { attempts: 2 });
  const inputs = batchInputs([item], 10_000, {
    sources: { s: { scansAtOnce: 1, windows: [{ fromMs: 3_600_000, toMs: 7_200_000 }] } },
  });
  const { waiting } = planBatch(inputs);
  expect(waiting).toMatchObject([{ resource: 'window:s' }]);
  expect(needStates({ items: inputs.items, facts: inputs.facts, grants: [], waiting }, [], new Map())).toEqual([]);
});

describe('what shares leave', () => {
  test('nobody who could use any of it goes without', () => {
    fc.assert(
      fc.property(anyInputs, fc.array(fc.nat(60), { minLength: 12, maxLength: 12 }), (inputs, leasts) => {
        const items = inputs.items.map((item, seed) => {
          return { ...item, seed, fields: ['x'], where: [], minRows: item.kind === 'need' ? leasts[seed] : 0 };
        });
        const plan = planBatch({ ...inputs, items });
        const left = inputs.limits[0].available - (plan.charges['bytes:s'] ?? 0);
        const rowsOf = new Map(plan.grants.map((grant) => [grant.itemId, grant.rows]));
        for (const { id, kind, rows, minRows } of items) {
          if (kind === 'request') continue;
          const granted = rowsOf.get(id);
          if (granted === rows) continue;
          // One row more of a part, or the least part of what waits.
          const more = granted === undefined ? Math.min(rows!, Math.max(1, minRows)) : 1;
          expect(more * 10).toBeGreaterThan(left - 1e-3);
        }
      }),
    );
  });

  test('a least part that is a whole cycle’s share is served in turn, one need in each cycle', () => {
    let waited: Record<string, number> = { 'n-1': 1, 'n-2': 1, 'n-3': 1, 'n-4': 1 };
    const served: string[] = [];
    for (let cycle = 0; cycle < 8; cycle++) {
      const items = Object.entries(waited).map(([id, attempts]) => need(id, 100, { minRows: 100, attempts }));
      const { grants } = planBatch(batchInputs(items, 0, { limits: limit(1_000, 1_000) }));
      expect(grants.map(({ rows }) => rows)).toEqual([100]);
      served.push(grants[0].itemId);
      waited = Object.fromEntries(
        Object.entries(waited).map(([id, attempts]) => [id, id === grants[0].itemId ? 1 : attempts + 1]),
      );
    }
    expect(served.slice(0, 4).sort()).toEqual(Object.keys(waited));
    expect(served.slice(4)).toEqual(served.slice(0, 4));
  });

  test('what is larger than a bucket that is full, and of use to nobody else, does not wait for shares to add up', () => {
    const large = workItem('large', { rows: 500 });
    const granted = (available: number, others: readonly WorkItem[] = []) =>
      planBatch(batchInputs([large, ...others], 0, { limits: limit(available, 1_000) })).grants;
    expect(granted(1_000)).toMatchObject([{ itemId: 'large', rows: 500, beyondShare: true }]);
    expect(granted(900)).toEqual([]);
    expect(granted(1_000, [workItem('small', { rows: 50, seed: 1 })]).map(({ itemId }) => itemId)).toEqual(['small']);
  });
});

describe('the declared bound on waiting', () => {
  const BURST = 1_000;
  const WINDOW_MS = 60_000;
  const OVERTAKE_CYCLES = Math.ceil(OVERTAKE_MS_MAX / WINDOW_MS);

  interface Asker {
    readonly id: string;
    readonly item: WorkItem;
    readonly since: number;
    attempts: number;
  }

  /** Cycles one after the other, each with a full bucket or with what a debt leaves of it; gives who was served when. */
  function simulate(arrivals: readonly (readonly Asker[])[], cycles: number, inputs: Partial<BatchInputs>) {
    let pending: Asker[] = [];
    let tokens = BURST;
    let credits: Record<string, number> = {};
    const served = new Map<string, number>();
    for (let cycle = 0; cycle < cycles; cycle++) {
      const nowMs = cycle * WINDOW_MS;
      pending.push(...(arrivals[cycle] ?? []));
      const items = pending.map(({ item, since, attempts }): WorkItem => {
        return { ...item, attempts, createdMs: item.kind === 'need' ? nowMs : since * WINDOW_MS };
      });
      const attempts = Object.fromEntries(pending.map((one) => [one.id, one.attempts]));
      const plan: BatchOutcome = planBatch(
        batchInputs(items, 0, {
          ...{ nowMs, windowMs: WINDOW_MS, attempts, credits, limits: limit(tokens, BURST) },
          ...inputs,
        }),
      );
      credits = { ...credits, ...plan.credits };
      tokens = Math.min(BURST, tokens - (plan.charges['bytes:s'] ?? 0) + BURST);
      const done = new Set(plan.grants.map(({ itemId }) => itemId));
      for (const { itemId } of plan.grants) served.set(itemId, cycle);
      pending = pending.filter(({ id }) => !done.has(id));
      for (const one of pending) one.attempts++;
    }
    return served;
  }

  /** Up to 40 cycles of arrivals, requests and needs whose least part is all that they ask, each within the bucket. */
  const anyArrivals = (models: readonly string[]) =>
    fc
      .array(
        fc.array(
          fc.record({
            kind: fc.constantFrom('request' as const, 'need' as const),
            rows: fc.integer({ min: 1, max: 100 }),
            priority: fc.integer({ min: 1, max: 5 }),
            model: fc.constantFrom(...models),
          }),
          { maxLength: 3 },
        ),
        { minLength: 1, maxLength: 12 },
      )
      .map((cycles) =>
        cycles.map((asked, since) =>
          asked.map(({ kind, rows, priority, model }, index): Asker => {
            const id = `i${String(since).padStart(2, '0')}-${index}`;
            const more = { model, rows, priority, seed: since * 10 + index };
            const item = kind === 'need' ? need(id, rows, { ...more, minRows: rows }) : workItem(id, more);
            return { id, item, since, attempts: 1 };
          }),
        ),
      );

  test('holds for requests and needs alike: as many cycles as came before, or within the bound after', () => {
    fc.assert(
      fc.property(anyArrivals(['a']), (arrivals) => {
        const all = arrivals.flat();
        const served = simulate(arrivals, all.length + arrivals.length + OVERTAKE_CYCLES + 1, {});
        for (const { id, since } of all) {
          const before = all.filter((other) => other.since <= since + OVERTAKE_CYCLES).length;
          expect(served.get(id) ?? Infinity).toBeLessThanOrEqual(since + before);
        }
      }),
      { numRuns: 30 },
    );
  });

  test('holds beside a model that always takes all that it can: in cycles of the guaranteed half of a fair share', () => {
    fc.assert(
      fc.property(anyArrivals(['a']), (arrivals) => {
        const greedy = (since: number): Asker => {
          const id = `z${String(since).padStart(3, '0')}`;
          return { id, item: workItem(id, { model: 'b', rows: 100, seed: 1_000 + since }), since, attempts: 1 };
        };
        const all = arrivals.flat();
        // A quarter of the bucket is guaranteed to each of two: four cycles fill what is as large as the bucket.
        const cyclesEach = 4 + 1;
        const cycles = (all.length + 1) * cyclesEach + arrivals.length + OVERTAKE_CYCLES;
        const beside = Array.from({ length: cycles }, (_, since) => [...(arrivals[since] ?? []), greedy(since)]);
        const served = simulate(beside, cycles, { models: { a: equal, b: equal } });
        for (const { id, since } of all) {
          const before = all.filter((other) => other.since <= since + OVERTAKE_CYCLES).length;
          expect(served.get(id) ?? Infinity).toBeLessThanOrEqual(since + before * cyclesEach);
        }
      }),
      { numRuns: 15 },
    );
  });
});
