/** Demand is what is newly asked: however scarcity puts it off, each row is counted once. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import { backlogRows, newlyAskedRows } from '../../../../domain/decision/analyze/demand.js';
import { needStates } from '../../../../domain/decision/coordinate/need-states.js';
import type { ArrivalWindow } from '../../../../domain/decision/work.js';
import { batchInputs, workItem } from '../batch/batch-inputs.js';

/** Rows that arrive before each cycle (the time of a row is the number of its cycle), bytes it may take, whether it is good. */
const anyCycles = fc.array(
  fc.record({ arrived: fc.nat(50), bytes: fc.nat(600), good: fc.boolean(), down: fc.boolean() }),
  { minLength: 1, maxLength: 12 },
);

describe('rows: new', () => {
  test('every row that arrives is demand in one cycle, whatever is granted, held back or cannot be measured', () => {
    fc.assert(
      fc.property(anyCycles, (cycles) => {
        let state = { servedUpToMs: 0, askedRows: 0 };
        let counted = 0;
        cycles.forEach(({ bytes, good, down }, index) => {
          const times = cycles.slice(0, index + 1).map(({ arrived }, cycle) => ({ upToMs: cycle + 1, rows: arrived }));
          const open = times.filter(({ upToMs }) => upToMs > state.servedUpToMs);
          const cuts = open.map(({ upToMs }, at) => ({
            upToMs,
            rows: open.slice(0, at + 1).reduce((sum, { rows }) => sum + rows, 0),
          }));
          const rows = cuts.at(-1)?.rows ?? 0;
          const window: ArrivalWindow = {
            ...{ column: 'at', fromMs: state.servedUpToMs, toMs: index + 1, before: null },
            askedRows: state.askedRows,
          };
          const item = workItem('n', { kind: 'need', needId: 'a/n', rows: null, window });
          const inputs = batchInputs([item], bytes);
          const facts = down ? [] : [{ ...inputs.facts[0], rows, cuts }];
          const plan = down ? { grants: [], waiting: [] } : planBatch({ ...inputs, facts });
          const deliver = good ? plan.grants.map(({ itemId }) => ({ itemId, use: 'slice' as const })) : [];
          const matched = down ? undefined : rows;
          counted += newlyAskedRows(item, matched);
          expect(newlyAskedRows(item, matched) + backlogRows(item, matched)).toBe(matched ?? 0);
          const [next] = needStates({ ...inputs, ...plan, facts }, deliver, new Map());
          state = {
            servedUpToMs: next?.servedUpToMs ?? state.servedUpToMs,
            askedRows: next?.askedRows ?? state.askedRows,
          };
          const arrived = times.reduce((sum, one) => sum + one.rows, 0);
          if (!down) expect(counted).toBe(arrived);
        });
      }),
    );
  });
});

describe('a request', () => {
  test('is demand of the first cycle that looked at it, not of those that it waited for', () => {
    const asked = [1, 2, 3].map((attempts) => workItem('r', { rows: 40, attempts }));
    expect(asked.map((item) => newlyAskedRows(item, 100))).toEqual([40, 0, 0]);
    expect(asked.map((item) => backlogRows(item, 100))).toEqual([0, 40, 40]);
  });
});

describe('a need of a fixed size', () => {
  test('asks its rows anew in each cycle; what it is owed comes on top and is no new demand', () => {
    const item = workItem('n', { kind: 'need', needId: 'a/n', rows: 100, owedRows: 60, attempts: 4 });
    expect([newlyAskedRows(item, 1_000), backlogRows(item, 1_000)]).toEqual([100, 60]);
  });
});
