import { describe, expect, test } from 'vitest';
import { movedCredits, unused } from '../../activities/unused-charges.js';
import type { QualityStageInputs } from '../../activities/quality-stage.js';
import type { CycleContext } from '../../activities/store-ports.js';
import type { BatchOutcome } from '../../domain/decision/batch/batch.js';

/** Three reads of two sources, one request each; the requests `b` and `c` are not served by this cycle. */
const read = (source: string, id: string) => ({ source, slices: [{ id }] });
const grant = (itemId: string, cost: object) => ({ itemId, cost, bytes: 0, rows: 0 });
const plan = {
  reads: [read('lake', 'a'), read('lake', 'b'), read('pond', 'c')],
  grants: [
    grant('a', { 'bytes:lake': 100 }),
    grant('b', { 'bytes:lake': 300 }),
    grant('c', { 'bytes:pond': 700, 'rows:pond': 70 }),
  ],
  charges: { 'bytes:lake': 400, 'bytes:pond': 700, 'rows:pond': 70 },
  credits: { 'x@lake': 0.25, 'y@lake': -0.25, 'x@pond': 1, 'y@pond': -1 },
} as unknown as BatchOutcome;
const context = { definition: { sources: { lake: {}, pond: {} } } } as unknown as CycleContext;
const results = [{ itemId: 'a', chargedBytes: 90, slice: { rows: 9, bytes: 90 } }];
const checked = (waits: Readonly<Record<string, string>>) =>
  ({
    results,
    underWay: Object.entries(waits).map(([itemId, resource]) => ({ itemId, resource })),
  }) as unknown as QualityStageInputs;

describe('a cycle that goes on without some of its reads', () => {
  test('gives back what it was charged for those that never began, and keeps what is of those that go on', () => {
    expect(unused(context, plan, checked({ b: 'read:b', c: 'read:c' }))).toEqual({
      ...{ 'bytes:lake': 10, 'rows:lake': -9, 'bytes:pond': 0, 'rows:pond': 0 },
    });
    expect(unused(context, plan, checked({ b: 'read:b', c: 'reads' }))).toEqual({
      ...{ 'bytes:lake': 10, 'rows:lake': -9, 'bytes:pond': 700, 'rows:pond': 70 },
    });
  });

  test('moves no credits on the source of one that never began; those that go on were granted', () => {
    expect(movedCredits(plan, checked({}))).toEqual(plan.credits);
    expect(movedCredits(plan, checked({ b: 'read:b', c: 'read:c' }))).toEqual(plan.credits);
    expect(movedCredits(plan, checked({ b: 'read:b', c: 'reads' }))).toEqual({ 'x@lake': 0.25, 'y@lake': -0.25 });
  });
});
