/** Requests that can wait are read when a source is asked for less, and only then. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planBatch } from '../../../../domain/decision/batch/batch.js';
import type { BatchInputs } from '../../../../domain/decision/batch/batch-inputs.js';
import type { SeriesPrediction } from '../../../../domain/decision/predict/series-outcome.js';
import { batchInputs, workItem } from './batch-inputs.js';

const HOUR = 3_600_000;
/** A quarter of an hour into the step that runs. */
const NOW = 100 * HOUR + HOUR / 4;
/** Bytes that a step can give: 1,000 a second. */
const CAPACITY = 3_600_000;

/** Upper ends of the forecast of source `s`, from the step that runs now. */
function forecast(shares: readonly number[], reliable = true): SeriesPrediction {
  const steps = shares.map((share, index) => {
    const upper = share * CAPACITY;
    return { targetMs: (101 + index) * HOUR, mean: upper * 0.9, lower: upper * 0.8, upper };
  });
  const told = { predictor: 'p', method: 'm', history: 99, errorToNaive: null, coverage: null, trend: null };
  return { series: 'source:s', reliable, ...told, steps };
}
const peakNow = forecast([1.2, 0.9, 0.2, 0.5]);
/** 300,000 rows of `x` are 3 MB, most of what one step can give. */
const large = (id: string, more: Parameters<typeof workItem>[1] = {}) =>
  workItem(id, { rows: 300_000, deadlineMs: NOW + 24 * HOUR, where: [{ column: 'k', op: '=', value: id }], ...more });
function plan(items: BatchInputs['items'], more: Partial<BatchInputs> = {}) {
  const inputs = batchInputs(items, 1e9, { nowMs: NOW, asOfMs: NOW, predictions: [peakNow], levelled: true });
  return planBatch({
    ...inputs,
    windowsPerStep: 360,
    facts: inputs.facts.map((fact) => ({ ...fact, rows: 1_000_000 })),
    limits: [{ resource: 'bytes:s', source: 's', available: 10_000, perSecond: 1_000, burst: 10_000 }],
    ...more,
  });
}
const waits = (items: BatchInputs['items'], more: Partial<BatchInputs> = {}) =>
  plan(items, more).waiting.filter(({ reason }) => reason.startsWith('put off'));

describe('a request that can wait, in a step that is asked for more than it can give', () => {
  test('is read in the low step, and is told which, when, and why', () => {
    const [wait, ...others] = waits([large('a')]);
    expect(others).toEqual([]);
    expect(wait).toMatchObject({ itemId: 'a', tier: 'waiting', resource: 'bytes:s', earliestMs: 102 * HOUR });
    const window = `${new Date(102 * HOUR).toISOString()} to ${new Date(103 * HOUR).toISOString()}`;
    expect(wait.reason).toContain(`put off to the step from ${window}: 720 kB of s are expected then at most`);
    expect(wait.shortfall).toBeGreaterThan(0);
  });

  test('is read now when that step has come', () => {
    const there = { nowMs: 102 * HOUR, asOfMs: 102 * HOUR, predictions: [forecast([1.2, 0.9, 0.2, 0.5])] };
    expect(waits([large('a')], there)).toEqual([]);
  });

  test.each<[string, Partial<BatchInputs>]>([
    ['no forecast', { predictions: [] }],
    ['a forecast that is not reliable', { predictions: [forecast([1.2, 0.9, 0.2, 0.5], false)] }],
    ['a forecast without a peak now', { predictions: [forecast([0.1, 0.9, 0.2, 0.5])] }],
    ['no low step ahead', { predictions: [forecast([1.2, 1, 1, 1])] }],
    ['no limit', { limits: [] }],
    ['opening times', { sources: { s: { scansAtOnce: 2, windows: [{ fromMs: 0, toMs: 86_400_000 }] } } }],
    [
      'a replay clock',
      {
        asOfMs: 5 * HOUR,
        predictions: [
          { ...peakNow, steps: peakNow.steps.map((step, index) => ({ ...step, targetMs: (6 + index) * HOUR })) },
        ],
      },
    ],
    ['a record of an older version', { levelled: undefined }],
  ])('counterfactual: with %s it is not put off', (_, more) => {
    expect(waits([large('a')], more)).toEqual([]);
  });

  test.each<[string, Parameters<typeof workItem>[1]]>([
    ['says no deadline', { deadlineMs: null }],
    ['has a deadline before the low step has ended', { deadlineMs: 103 * HOUR - 1 }],
    ['is urgent', { priority: 2 }],
    ['is pinned to a version', { datasetVersion: 'c' }],
    ['is a standing need', { kind: 'need', needId: 'a/n' }],
  ])('one that %s is not put off', (_, more) => {
    expect(waits([large('a', more)])).toEqual([]);
  });

  test('what shares its read with somebody who cannot wait is read with it', () => {
    const where = [{ column: 'k', op: '=' as const, value: 1 }];
    const together = [large('a', { where }), large('b', { where, deadlineMs: null })];
    expect(waits(together)).toEqual([]);
    expect(waits([large('a', { where }), large('b', { where })]).map(({ itemId }) => itemId)).toEqual(['a', 'b']);
  });

  test('those that can wait make way for one that cannot', () => {
    const ids = waits([large('a', { deadlineMs: NOW + 1 }), large('b')]).map(({ itemId }) => itemId);
    expect(ids).toEqual(['b']);
  });
});

describe('laws', () => {
  const requests = fc.array(
    fc.record({
      rows: fc.integer({ min: 1, max: 400_000 }),
      hours: fc.integer({ min: 0, max: 6 }),
      priority: fc.integer({ min: 1, max: 5 }),
    }),
    { minLength: 1, maxLength: 8 },
  );
  const shares = fc.array(fc.double({ min: 0, max: 1.5, noNaN: true }), { minLength: 4, maxLength: 4 });
  const itemsOf = (asked: readonly { rows: number; hours: number; priority: number }[]) =>
    asked.map(({ rows, hours, priority }, index) =>
      large(`r${index}`, { rows, priority, deadlineMs: NOW + hours * HOUR }),
    );

  test('whoever is put off is put off to a step that ends by its deadline and is forecast below what can be given', () => {
    fc.assert(
      fc.property(requests, shares, (asked, loads) => {
        const items = itemsOf(asked);
        const put = waits(items, { predictions: [forecast(loads)] });
        const bytesIn = new Map<number, number>();
        for (const { itemId, earliestMs } of put) {
          const item = items.find(({ id }) => id === itemId)!;
          const slot = earliestMs / HOUR - 100;
          expect(slot).toBeGreaterThanOrEqual(1);
          expect(earliestMs + HOUR).toBeLessThanOrEqual(item.deadlineMs!);
          expect(item.priority).toBeGreaterThan(2);
          bytesIn.set(slot, (bytesIn.get(slot) ?? 0) + item.rows! * 10);
        }
        for (const [slot] of bytesIn) expect(loads[slot]).toBeLessThan(1);
      }),
    );
  });

  test('the order of the items changes nothing', () => {
    fc.assert(
      fc.property(requests, shares, (asked, loads) => {
        const items = itemsOf(asked);
        const more = { predictions: [forecast(loads)] };
        expect(plan([...items].reverse(), more)).toEqual(plan(items, more));
      }),
    );
  });
});
