/** What will be short is told before it is, ranks, and is asked for; where the future holds, nothing changes. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { defaultAnalyzers } from '../../../../domain/analyzers/registry.js';
import { analyze, type AnalyzeInputs } from '../../../../domain/decision/analyze/analyze.js';
import { dueAsks } from '../../../../domain/decision/coordinate/ask.js';
import { forecastNeeds, type Supply } from '../../../../domain/decision/analyze/future-supply.js';
import type { WorkItem } from '../../../../domain/decision/work.js';
import { batchInputs, workItem } from '../batch/batch-inputs.js';

const HOUR = 3_600_000;
const need = (more: Partial<WorkItem> = {}) => workItem('n', { kind: 'need', needId: 'a/n', rows: 60, ...more });
/** Twelve hours of history that end an hour before `asOfMs` (12 h), the next four steps. */
const supplyOf = (values: readonly number[], more: Partial<Supply> = {}): Supply => ({
  stepEndsMs: [13, 14, 15, 16].map((hour) => hour * HOUR),
  matched: { 'a/n': values.map((value, hour) => ({ atMs: (12 - values.length + hour) * HOUR, value })) },
  next: null,
  ...more,
});
const inputsOf = (item: WorkItem, rows: number, supply: Supply): AnalyzeInputs => {
  const { datasets, facts } = batchInputs([item], 1e6);
  return {
    ...{ nowMs: 0, asOfMs: 12 * HOUR, items: [item], weights: { a: 1 }, datasets, classCounts: {}, failures: [] },
    facts: [{ ...facts[0], rows }],
    ...{ rejected: [], restricted: {}, mayRead: {}, supply },
  };
};
const decide = (item: WorkItem, rows: number, supply: Supply) =>
  analyze(inputsOf(item, rows, supply), defaultAnalyzers);
const falling = Array.from({ length: 12 }, (_, hour) => 130 - 5 * hour - (hour % 2));
const steady = falling.map((_, hour) => 72 - (hour % 2));

describe('a need of a fixed size', () => {
  test('whose rows dwindle will be short: by when, of how many, and it ranks and is asked for', () => {
    const { analysis, criticality } = decide(need({ critical: 1 }), 70, supplyOf(falling));
    const [finding] = analysis.findings.filter(({ kind }) => kind === 'future-volume');
    // Five rows an hour: 55 are left at 15:00.
    expect(finding.message).toMatch(/a\/n will probably miss [456] rows by 1970-01-01T15:00:00.000Z \(\d+ to \d+\)/);
    expect(analysis.criticalNeeds.map(({ needId }) => needId)).toEqual(['a/n']);
    expect(criticality.n).toBeGreaterThanOrEqual(0.5);
    expect(dueAsks(analysis.findings, { d: 'owner' }, {}, 0)).toMatchObject([{ needId: 'a/n', owner: 'owner' }]);
  });

  test('whose rows stay is not short, does not rank and asks nobody: the same rows now, another past', () => {
    const { analysis } = decide(need({ critical: 1 }), 70, supplyOf(steady));
    expect(analysis.findings.filter(({ kind, blocking }) => kind === 'future-volume' && blocking)).toEqual([]);
    expect(analysis.criticalNeeds).toEqual([]);
    expect(dueAsks(analysis.findings, { d: 'owner' }, {}, 0)).toEqual([]);
  });

  test('says nothing of the future before it has a past, nor where it is short already', () => {
    expect(decide(need(), 70, supplyOf(falling.slice(-6))).analysis.findings).toEqual([]);
    expect(decide(need(), 50, supplyOf(falling)).analysis.findings.map(({ kind }) => kind)).toEqual(['volume']);
  });

  test('the interval holds the median, widens with time and is never below no rows', () => {
    const value = fc.integer({ min: 0, max: 1_000 });
    fc.assert(
      fc.property(fc.array(value, { minLength: 9, maxLength: 30 }), value, (past, now) => {
        const { facts } = batchInputs([need()], 1e6);
        const widths = [13, 14, 15, 16].map((hour) => {
          const supply = supplyOf(past, { stepEndsMs: [hour * HOUR] });
          const [{ available }] = forecastNeeds([need()], [{ ...facts[0], rows: now }], supply, 12 * HOUR);
          const { low, median, high } = available!;
          expect(low).toBeGreaterThanOrEqual(0);
          expect(median).toBeGreaterThanOrEqual(low);
          expect(high).toBeGreaterThanOrEqual(median);
          return low > 0 ? high - low : null;
        });
        const known = widths.filter((width) => width !== null);
        known.slice(1).forEach((width, index) => expect(width).toBeGreaterThanOrEqual(known[index] - 1e-9));
      }),
    );
  });
});

describe('one jump', () => {
  test.each([
    ['deleted at once', [100, -30]],
    ['deleted at once, from rows that come and go', [100, -30, 3]],
    ['twice', [130, -30, 0, -30]],
  ])(
    'of matching rows (%s) is an event, and no drift: what stays is enough',
    (_, [first, jump, noise = 0, again = 0]) => {
      const values = Array.from(
        { length: 16 },
        (_, hour) => first + (hour > 5 ? jump : 0) + (hour > 11 ? again : 0) + noise * (hour % 2),
      );
      const { analysis } = decide(need({ critical: 1 }), 70, supplyOf(values));
      expect(analysis.findings.filter(({ blocking }) => blocking)).toEqual([]);
      expect(analysis.criticalNeeds).toEqual([]);
    },
  );

  test('on top of a drift does not hide it, and a drift in regular batches is one', () => {
    const refilled = Array.from({ length: 24 }, (_, hour) => 130 - 5 * hour + (hour > 10 ? 55 : 0));
    expect(decide(need(), 65, supplyOf(refilled)).analysis.findings[0]).toMatchObject({
      kind: 'future-volume',
      blocking: true,
    });
    const batches = Array.from({ length: 24 }, (_, hour) => 210 - 24 * Math.floor(hour / 4));
    expect(decide(need(), 66, supplyOf(batches)).analysis.findings[0]).toMatchObject({
      kind: 'future-volume',
      blocking: true,
    });
  });
});

describe('a need of new rows with a minimum', () => {
  const item = need({ rows: null, minRows: 100, window: { column: 'at', fromMs: 0, toMs: 12 * HOUR, before: null } });
  /** Six hours until the next cycle, and what came in 60 stretches of six hours. */
  const arrivals = (rows: (stretch: number) => number, stretches = 60): Supply =>
    supplyOf([], {
      next: {
        byMs: 18 * HOUR,
        stretchMs: 6 * HOUR,
        arrived: { 'a/n': Array.from({ length: stretches }, (_, stretch) => rows(stretch)) },
      },
    });

  test('will be short when fewer arrive until its next cycle, and is not where a step is shorter than that', () => {
    const [finding] = decide(
      item,
      500,
      arrivals((stretch) => 40 + (stretch % 2)),
    ).analysis.findings;
    expect(finding.message).toMatch(/a\/n will probably miss (59|60) rows by 1970-01-01T18:00:00.000Z/);
    expect(finding.blocking).toBe(true);
    // What is too little to be handed out now is there then, too.
    expect(
      decide(
        item,
        70,
        arrivals((stretch) => 40 + (stretch % 2)),
      ).analysis.findings.filter(({ kind }) => kind === 'future-volume'),
    ).toEqual([]);
    // 20 rows an hour are 120 in six: enough, however few come in one step.
    expect(
      decide(
        item,
        500,
        arrivals((stretch) => 120 + (stretch % 2)),
      ).analysis.findings,
    ).toEqual([]);
  });

  test('knows the stretches of a day: few rows at night are foreseen at night alone', () => {
    const atNight = (next: number): Supply =>
      arrivals((stretch) => ((60 - stretch) % 4 === next ? 30 : 300) + (stretch % 3));
    expect(decide(item, 500, atNight(0)).analysis.findings).toMatchObject([{ kind: 'future-volume', blocking: true }]);
    expect(decide(item, 500, atNight(1)).analysis.findings.filter(({ blocking }) => blocking)).toEqual([]);
  });

  test('says nothing without a past, nor where nobody knows when it is served again', () => {
    expect(
      decide(
        item,
        500,
        arrivals(() => 40, 10),
      ).analysis.findings,
    ).toEqual([]);
    expect(
      decide(
        item,
        500,
        arrivals(() => 0),
      ).analysis.findings,
    ).toEqual([]);
    expect(decide(item, 500, supplyOf([])).analysis.findings).toEqual([]);
  });
});
