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
  arrivals: {},
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

describe('a need of new rows with a minimum', () => {
  const item = need({ rows: null, minRows: 100, window: { column: 'at', fromMs: 0, toMs: 12 * HOUR, before: null } });
  const arrivals = (mean: number, reliable = true): Supply =>
    supplyOf([], {
      arrivals: {
        'a/d': {
          reliable,
          steps: [12, 13, 14].map((hour) => ({ targetMs: hour * HOUR, mean, lower: mean - 20, upper: mean + 20 })),
        },
      },
    });

  test('will be short when fewer are forecast to arrive; what is forecast of steps gone by does not count', () => {
    const { analysis } = decide(item, 500, arrivals(40));
    expect(analysis.findings.map(({ message }) => message)).toEqual([
      'a/n will probably miss 60 rows by 1970-01-01T13:00:00.000Z (40 to 80)',
    ]);
    expect(decide(item, 500, arrivals(110)).analysis.findings.map(({ blocking }) => blocking)).toEqual([false]);
    expect(decide(item, 500, arrivals(130)).analysis.findings).toEqual([]);
    expect(decide(item, 500, arrivals(40, false)).analysis.findings).toEqual([]);
  });
});
