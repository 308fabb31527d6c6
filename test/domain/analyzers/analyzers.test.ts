import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnalysisSnapshot, NeedMeasurement, NeedView } from '../../../domain/analyzers/analyzer.js';
import { defaultAnalyzers, runAnalyzers } from '../../../domain/analyzers/registry.js';

const HOUR_MS = 3_600_000;
const NOW_MS = 100 * HOUR_MS;

function need(over: Partial<NeedView> = {}): NeedView {
  return {
    id: 'm/n',
    model: 'm',
    dataset: 'd',
    fields: ['a', 'b'],
    rowsPerCycle: 100,
    classColumn: null,
    classTarget: null,
    maxAgeMs: null,
    minCompleteness: null,
    critical: 1,
    weight: 1,
    ...over,
  };
}
function measured(over: Partial<NeedMeasurement> = {}): NeedMeasurement {
  return {
    needId: 'm/n',
    rowsAvailable: 100,
    classCounts: null,
    completeness: { a: 1, b: 1 },
    newestEventMs: NOW_MS,
    ...over,
  };
}
function snapshot(needs: NeedView[], measurements: NeedMeasurement[]): AnalysisSnapshot {
  return { asOfMs: NOW_MS, needs, datasets: [], measurements };
}
const analyze = (n: Partial<NeedView>, m: Partial<NeedMeasurement>) =>
  runAnalyzers(defaultAnalyzers, snapshot([need(n)], [measured(m)]));

describe('runAnalyzers', () => {
  it('finds nothing where everything is as asked', () => {
    const result = analyze({ maxAgeMs: HOUR_MS, minCompleteness: 0.9 }, {});
    expect(result.findings).toEqual([]);
    expect(result.criticalNeeds).toEqual([]);
    expect(result.scores.map((score) => [score.dimension, score.score])).toEqual([
      ['completeness', 1],
      ['freshness', 1],
      ['volume', 1],
    ]);
  });

  const cases: [string, Partial<NeedView>, Partial<NeedMeasurement>, string, number, unknown][] = [
    ['names the rows that miss', {}, { rowsAvailable: 75 }, 'volume', 0.25, { '*': 25 }],
    ['wants at least one row even without a count', { rowsPerCycle: 0 }, { rowsAvailable: 0 }, 'volume', 1, { '*': 1 }],
    [
      'calls twice the age half lost',
      { maxAgeMs: HOUR_MS },
      { newestEventMs: NOW_MS - 2 * HOUR_MS },
      'freshness',
      0.5,
      undefined,
    ],
    ['refuses an unknown age', { maxAgeMs: HOUR_MS }, { newestEventMs: null }, 'freshness', 1, undefined],
    [
      'judges the worst field',
      { minCompleteness: 0.8 },
      { completeness: { a: 0.9, b: 0.4 } },
      'completeness',
      0.5,
      { '*': 40 },
    ],
    [
      'counts a field that was not measured as missing',
      { minCompleteness: 0.5 },
      { completeness: { a: 1 } },
      'completeness',
      1,
      { '*': 50 },
    ],
    [
      'gives the class shortfall in rows',
      { classColumn: 'c', classTarget: 'uniform' },
      { classCounts: { x: 90, y: 10 } },
      'class-shortfall',
      0.4,
      { y: 40 },
    ],
    [
      'names a wanted class that does not occur',
      { classColumn: 'c', classTarget: { x: 1, z: 1 }, rowsPerCycle: 10 },
      { classCounts: { x: 100 } },
      'class-shortfall',
      0.5,
      { z: 5 },
    ],
  ];
  it.each(cases)('%s', (_name, n, m, kind, severity, shortfall) => {
    const finding = analyze(n, m).findings.find((candidate) => candidate.kind === kind);
    expect(finding?.severity).toBeCloseTo(severity, 12);
    expect(finding?.shortfall).toEqual(shortfall);
    expect(finding?.blocking).toBe(true);
  });

  it('still wants a class that vanished, when the reference knows it', () => {
    const view = snapshot(
      [need({ classColumn: 'c', classTarget: 'uniform' })],
      [measured({ classCounts: { x: 100 } })],
    );
    const dataset = {
      id: 'd',
      version: '1',
      rows: 100,
      newestEventMs: null,
      asOfMs: NOW_MS,
      completeness: {},
      classCounts: {},
    };
    const datasets = [{ ...dataset, referenceClassCounts: { c: { x: 50, y: 50 } } }];
    const found = runAnalyzers(defaultAnalyzers, { ...view, datasets }).findings;
    expect(found.map((finding) => [finding.kind, finding.shortfall])).toEqual([
      ['class-mix', undefined],
      ['class-shortfall', { y: 50 }],
    ]);
  });

  it('does not take chance for a gap: 52:48 of 100 rows is a uniform mix', () => {
    const kinds = analyze({ classTarget: 'uniform', rowsPerCycle: 10 }, { classCounts: { x: 52, y: 48 } }).findings;
    expect(kinds).toEqual([]);
  });

  it('reports a mix that a stratified draw repairs, without calling the need critical', () => {
    const result = analyze({ classTarget: 'uniform', rowsPerCycle: 20 }, { classCounts: { x: 90, y: 10 } });
    expect(result.findings.map((finding) => [finding.kind, finding.blocking, finding.severity])).toEqual([
      ['class-mix', false, 0.4],
    ]);
    expect(result.criticalNeeds).toEqual([]);
  });

  it('warns of rows that the forecast will ask for', () => {
    const view = snapshot([need()], [measured({ rowsAvailable: 150 })]);
    const result = runAnalyzers(defaultAnalyzers, {
      ...view,
      forecasts: [{ needId: 'm/n', rowsMedian: 120, rowsHigh: 200 }],
    });
    expect(result.findings.map((finding) => [finding.kind, finding.severity, finding.blocking])).toEqual([
      ['future-volume', 0.25, false],
    ]);
    expect(result.findings[0].message).toContain('may miss 50 rows');
  });

  it('names a need that could not be measured', () => {
    const result = runAnalyzers(defaultAnalyzers, snapshot([need()], []));
    expect(result.findings.map((finding) => finding.kind)).toEqual(['unmeasured']);
    expect(result.criticalNeeds[0].urgency).toBe(1);
  });

  it('ranks by critical x weight x blocked, with reasons', () => {
    const needs = [
      need({ id: 'm/a', critical: 0.5 }),
      need({ id: 'm/b', critical: 1, weight: 2 }),
      need({ id: 'm/c', critical: 0.5 }),
    ];
    const lacking = needs.map((entry) => measured({ needId: entry.id, rowsAvailable: 50 }));
    const { criticalNeeds } = runAnalyzers(defaultAnalyzers, snapshot(needs, lacking));
    expect(criticalNeeds.map((entry) => [entry.needId, entry.urgency])).toEqual([
      ['m/b', 0.5],
      ['m/a', 0.125],
      ['m/c', 0.125],
    ]);
    expect(criticalNeeds[0].reasons).toEqual(['m/b misses 50 of 100 rows']);
  });

  it('counts a missing row once: that it is also missing of a class makes its need no more urgent', () => {
    const half = { rowsAvailable: 50, classCounts: { x: 25, y: 25 } };
    const even = { classColumn: 'c', classTarget: { x: 1, y: 1 } };
    const [both, plain] = [even, {}].map((of) => analyze(of, half).criticalNeeds[0]);
    expect([both.urgency, plain.urgency]).toEqual([0.5, 0.5]);
    expect(both.reasons).toHaveLength(2);
    // A class that is short beyond that counts.
    expect(analyze(even, { ...half, classCounts: { x: 50, y: 0 } }).criticalNeeds[0].urgency).toBe(0.5);
    expect(analyze(even, { ...half, classCounts: { x: 40, y: 10 } }).criticalNeeds[0].urgency).toBe(0.5);
    expect(analyze(even, { rowsAvailable: 100, classCounts: { x: 90, y: 10 } }).criticalNeeds[0].urgency).toBe(0.4);
  });

  it('ranks as it did then where a record is of older rules', () => {
    const half = measured({ rowsAvailable: 50, classCounts: { x: 25, y: 25 } });
    const even = need({ classColumn: 'c', classTarget: { x: 1, y: 1 } });
    expect(runAnalyzers(defaultAnalyzers, snapshot([even], [half]), 1).criticalNeeds[0].urgency).toBe(0.75);
  });

  it('catches and names an analyzer that throws, keeps a failure value, and still runs the others', () => {
    const result = runAnalyzers(
      [
        {
          id: 'boom',
          version: 1,
          analyze: () => {
            throw new Error('no luck');
          },
        },
        { id: 'value', version: 1, analyze: () => ({ ok: false, type: 'NoReference', message: 'none' }) },
        ...defaultAnalyzers,
      ],
      snapshot([need()], [measured({ rowsAvailable: 1 })]),
    );
    expect(result.failed).toEqual([
      { analyzer: 'boom', type: 'AnalyzerThrew', message: 'no luck' },
      { analyzer: 'value', type: 'NoReference', message: 'none' },
    ]);
    expect(result.findings).toHaveLength(1);
  });

  it('does not depend on the order of its input', () => {
    const ids = ['m/a', 'm/b', 'k/c', 'k/d'];
    const needs = ids.map((id) => need({ id, model: id[0], classTarget: 'uniform', classColumn: 'c' }));
    const arbitrary = fc.array(fc.nat(120), { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(arbitrary, fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (counts, order) => {
        const found = ids.map((needId, i) =>
          measured({
            needId,
            rowsAvailable: counts[2 * i] + counts[2 * i + 1],
            classCounts: { x: counts[2 * i], y: counts[2 * i + 1] },
          }),
        );
        const forward = runAnalyzers(defaultAnalyzers, snapshot(needs, found));
        const shuffled = runAnalyzers(
          [...defaultAnalyzers].reverse(),
          snapshot(
            order.map((i) => needs[i]),
            order.map((i) => found[i]).reverse(),
          ),
        );
        expect(shuffled).toEqual(forward);
        for (const finding of forward.findings) {
          expect(finding.severity).toBeGreaterThan(0);
          expect(finding.severity).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});
