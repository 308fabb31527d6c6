/** What a cycle leaves behind for the next: new rows are never skipped, and only scarcity owes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { waitForSource } from '../../../../domain/decision/coordinate/coordinate.js';
import { needStates, owedAfter } from '../../../../domain/decision/coordinate/need-states.js';
import { batchInputs, workItem } from '../batch/batch-inputs.js';

const window = { column: 'at', fromMs: 0, toMs: 1_000, before: null };
const news = (attempts: number, minRows = 0) =>
  workItem('n', { kind: 'need', needId: 'a/n', rows: null, window, attempts, minRows });

/** Rows at a few event times: the inputs of a cycle that may take so many bytes (10 a row), and every cut there is. */
const anyWindow = fc
  .record({
    groups: fc.array(fc.tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: 1, max: 50 })), {
      minLength: 1,
      maxLength: 20,
    }),
    share: fc.double({ min: 0, max: 1.2, noNaN: true }),
    attempts: fc.integer({ min: 1, max: 40 }),
    minRows: fc.nat(30),
  })
  .map(({ groups, share, attempts, minRows }) => {
    const byTime = new Map<number, number>();
    for (const [ms, rows] of groups) byTime.set(ms, (byTime.get(ms) ?? 0) + rows);
    const sorted = [...byTime].sort(([a], [b]) => a - b);
    const cuts = sorted.map(([upToMs], index) => ({
      upToMs,
      rows: sorted.slice(0, index + 1).reduce((sum, [, rows]) => sum + rows, 0),
    }));
    const total = cuts.at(-1)!.rows;
    const item = news(attempts, Math.min(minRows, total));
    const inputs = batchInputs([item], total * 10 * share);
    const facts = [{ ...inputs.facts[0], rows: total, cuts }];
    return { item, total, cuts, share, inputs: { ...inputs, facts } };
  });

describe('rows: new', () => {
  test('what is handed out ends at an event time that parts no row from the others of that time', () => {
    fc.assert(
      fc.property(anyWindow, ({ item, total, cuts, share, inputs }) => {
        const { grants, reads } = planBatch(inputs);
        for (const { rows, upToMs } of grants) {
          if (upToMs == null) expect(rows).toBe(total);
          else {
            expect(rows).toBe(cuts.find((cut) => cut.upToMs === upToMs)?.rows);
            // The read takes the whole of it: rows that came meanwhile are in it, too.
            expect(reads[0].slices[0]).toMatchObject({ rows: null, quotas: null });
            expect(reads[0].slices[0].where).toContainEqual({
              column: 'at',
              op: '<=',
              value: new Date(upToMs).toISOString(),
            });
          }
          expect(rows).toBeGreaterThanOrEqual(Math.max(1, item.minRows));
          // More than its share only after waiting for it.
          if (item.attempts === 1) expect(rows).toBeLessThanOrEqual(total * Math.min(1, share) * 1.002 + 1e-6);
        }
      }),
    );
  });

  test('nobody waits for ever: a need that waited long enough is granted, whatever its groups are', () => {
    fc.assert(
      fc.property(anyWindow, ({ item, inputs, share }) => {
        fc.pre(share > 0.05);
        const patient = { ...item, attempts: 40 };
        expect(planBatch({ ...inputs, items: [patient] }).grants).toHaveLength(1);
      }),
    );
  });

  test('a draw by class leaves rows out: they did not come late', () => {
    const item = { ...news(1), classColumn: 'label', target: 'uniform' as const };
    const inputs = batchInputs([item], 1e6);
    const drawn = { itemId: 'n', short: 10, quotas: { rare: 5, common: 5 } };
    const state = needStates(
      { ...inputs, grants: [drawn], waiting: [] },
      [{ itemId: 'n', use: 'slice' }],
      new Map([['n', 10]]),
    );
    expect(state[0].lastRows).toBe(inputs.facts[0].rows - 10);
  });

  test('of a part that another source gave, what was granted was handed out: what is left of the window is still to come', () => {
    const inputs = batchInputs([news(1)], 1e6);
    const matched = inputs.facts[0].rows;
    const part = { itemId: 'n', rows: matched - 600, short: 600, upToMs: 400 };
    const state = needStates({ ...inputs, grants: [part], waiting: [] }, [{ itemId: 'n', use: 'slice' }], new Map());
    expect(state[0]).toMatchObject({ servedUpToMs: 400, lastRows: matched - 600, askedRows: 600 });
  });

  test('a cycle that hands nothing out moves nothing', () => {
    const inputs = batchInputs([news(3)], 0);
    const plan = planBatch(inputs);
    expect(plan.grants).toEqual([]);
    const unmoved = { needId: 'a/n', servedUpToMs: null, lastFromMs: null, lastRows: null, lastQuestion: null };
    expect(needStates({ ...inputs, ...plan }, [], new Map())).toEqual([
      { ...unmoved, owedRows: 0, shortCycles: 3, askedRows: inputs.facts[0].rows },
    ]);
  });
});

describe('a need of a fixed size', () => {
  const fixed = (owedRows: number) => workItem('n', { kind: 'need', needId: 'a/n', rows: 100, owedRows });
  const after = (owedRows: number, bytes: number, handed = true) => {
    const inputs = batchInputs([fixed(owedRows)], bytes);
    const plan = planBatch(inputs);
    const deliver = handed ? [{ itemId: 'n', use: 'slice' as const, verdict: 'pass' as const, score: 1 }] : [];
    return { plan, states: needStates({ ...inputs, ...plan }, deliver, new Map()) };
  };

  test('is owed what scarcity kept back, and no longer once it got it', () => {
    expect(after(0, 400).states[0]).toMatchObject({ owedRows: 60 });
    const paid = after(60, 1e6);
    expect(paid.plan.grants[0].rows).toBe(160);
    expect(paid.states[0]).toMatchObject({ owedRows: 0 });
  });

  test('is owed at most one cycle’s worth, however long it starves', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.integer({ min: 1, max: 1_000 }), (short, rows) => {
        expect(owedAfter({ rows }, short)).toBeLessThanOrEqual(rows);
      }),
    );
    expect(after(100, 0).states[0]).toMatchObject({ owedRows: 100, shortCycles: 1 });
  });

  test('is owed nothing for data that was not good enough', () => {
    expect(after(0, 400, false).states).toEqual([]);
  });

  test('is owed nothing, and was not short, while its source is down', () => {
    const inputs = batchInputs([fixed(0)], 1e6);
    const waiting = [waitForSource(inputs.items[0], 'connection refused', inputs.nowMs)];
    expect(needStates({ ...inputs, grants: [], waiting }, [], new Map())).toEqual([]);
    const wanted = { ...inputs, items: [news(3)], grants: [], waiting };
    expect(needStates(wanted, [], new Map())[0]).toMatchObject({ owedRows: null, shortCycles: null });
  });

  test('takes nothing from the others by being owed: what they ask within their share they get', () => {
    const rows = (owedRows: number) => {
      const other = workItem('o', { kind: 'need', needId: 'b/o', model: 'b', rows: 50, fields: ['y'] });
      const greedy = workItem('n', { kind: 'need', needId: 'c/n', model: 'c', rows: 400, seed: 1, owedRows });
      const plan = planBatch(batchInputs([greedy, other], 3_000));
      return plan.grants.find(({ itemId }) => itemId === 'o')!.rows;
    };
    expect(rows(400)).toBe(rows(0));
    expect(rows(0)).toBe(50);
  });
});
