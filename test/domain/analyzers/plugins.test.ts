import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type {
  AnalysisSnapshot,
  DatasetView,
  NeedMeasurement,
  NeedView,
  SegmentCounts,
} from '../../../domain/analyzers/analyzer.js';
import { coverageAnalyzer, segmentTables, SEGMENT_ROWS_MIN } from '../../../domain/analyzers/coverage.js';
import { driftAnalyzer } from '../../../domain/analyzers/drift.js';
import { classMeter, completenessMeter, freshnessMeter } from '../../../domain/analyzers/meters.js';
import { qualityAnalyzer } from '../../../domain/analyzers/quality.js';
import { defaultAnalyzers, runAnalyzers } from '../../../domain/analyzers/registry.js';
import { describeMeter, expectAnalyzerLaws } from './conformance.js';

describeMeter(completenessMeter, fc.anything({ maxDepth: 0 }));
describeMeter(classMeter, fc.constantFrom('a', 'b', 'constructor', '__proto__', 1, true));
describeMeter(freshnessMeter, fc.integer({ min: 0, max: 2e12 }));

const need = (id: string, over: Partial<NeedView> = {}): NeedView => ({
  id,
  model: id.split('/')[0],
  dataset: 'd',
  fields: ['c', 'x'],
  rowsPerCycle: 100,
  classColumn: 'c',
  classTarget: 'uniform',
  maxAgeMs: 1000,
  minCompleteness: 0.9,
  critical: 1,
  weight: 1,
  ...over,
});
const measurement = (needId: string, over: Partial<NeedMeasurement> = {}): NeedMeasurement => ({
  needId,
  rowsAvailable: 80,
  classCounts: { a: 60, b: 20 },
  completeness: { c: 1, x: 0.5 },
  newestEventMs: 0,
  ...over,
});
const dataset = (id: string, over: Partial<DatasetView> = {}): DatasetView => ({
  id,
  version: '1',
  rows: 1000,
  newestEventMs: 0,
  asOfMs: 5000,
  completeness: {},
  classCounts: { c: { a: 500, b: 500 } },
  ...over,
});
const drifted = dataset('d', {
  referenceClassCounts: { c: { a: 900, b: 100 } },
  histograms: { x: { edges: [0, 1], counts: [100, 100, 800] }, y: { edges: [1], counts: [0, 100] } },
  referenceHistograms: { x: { edges: [0, 1], counts: [300, 400, 300] }, y: { edges: [2], counts: [100, 0] } },
});
const snapshot = (over: Partial<AnalysisSnapshot> = {}): AnalysisSnapshot => ({
  asOfMs: 5000,
  needs: [need('m/n'), need('k/n', { dataset: 'e' })],
  datasets: [drifted, dataset('e')],
  measurements: [measurement('m/n'), measurement('k/n', { rowsAvailable: 0, classCounts: {} })],
  ...over,
});
const empty: AnalysisSnapshot = { asOfMs: 0, needs: [], datasets: [], measurements: [] };

describe('every registered analyzer', () => {
  it.each(defaultAnalyzers.map((analyzer) => [analyzer.id, analyzer] as const))(
    '%s keeps the laws',
    (_id, analyzer) => {
      expectAnalyzerLaws(analyzer, [empty, snapshot(), snapshot({ measurements: [] }), snapshot({ datasets: [] })]);
    },
  );
  it('has an id of its own', () => {
    expect(new Set(defaultAnalyzers.map((analyzer) => analyzer.id)).size).toBe(defaultAnalyzers.length);
  });
});

describe('driftAnalyzer', () => {
  it('names the drifted columns that a need reads, and no others', () => {
    const outcome = driftAnalyzer.analyze(snapshot());
    if (!outcome.ok) throw new Error(outcome.message);
    expect(outcome.findings.map((finding) => [finding.needId, finding.column, finding.blocking])).toEqual([
      ['m/n', 'c', false],
      ['m/n', 'x', false],
    ]);
    expect(outcome.scores).toEqual([{ needId: 'm/n', dimension: 'stability', score: 0 }]);
  });
  it('does not compare histograms over other edges', () => {
    const outcome = driftAnalyzer.analyze(snapshot({ needs: [need('m/n', { fields: ['y'], classColumn: null })] }));
    expect(outcome).toEqual({ ok: true, findings: [], scores: [] });
  });
});

describe('coverageAnalyzer', () => {
  it('gives the rows that each thin segment misses, interactions included, up to three columns', () => {
    const segments: SegmentCounts[] = [
      { columns: ['city'], counts: { rome: 100, oslo: 10 } },
      { columns: ['city', 'year'], counts: { 'rome | 1': 50, 'rome | 2': 50, 'oslo | 1': 10, 'oslo | 2': 0 } },
      { columns: ['a', 'b', 'c', 'd'], counts: { x: 0 } },
    ];
    const outcome = coverageAnalyzer.analyze(snapshot({ measurements: [measurement('m/n', { segments })] }));
    if (!outcome.ok) throw new Error(outcome.message);
    expect(outcome.findings.map((finding) => [finding.column, finding.severity, finding.shortfall])).toEqual([
      ['city', 0.5, { oslo: SEGMENT_ROWS_MIN - 10 }],
      ['city x year', 0.5, { 'oslo | 1': SEGMENT_ROWS_MIN - 10, 'oslo | 2': SEGMENT_ROWS_MIN }],
    ]);
    expect(outcome.scores).toEqual([{ needId: 'm/n', dimension: 'coverage', score: 0.5 }]);
    expect(outcome.findings.every(({ blocking }) => blocking)).toBe(true);
  });

  it('counts every column and combination, with those that never occur together', () => {
    const cells = [
      { values: ['rome', '1', 'x'], rows: 40 },
      { values: ['rome', '2', 'x'], rows: 5 },
      { values: ['oslo', '1', 'x'], rows: 7 },
    ];
    expect(segmentTables(['city', 'year', 'kind'], cells)).toEqual([
      { columns: ['city'], counts: { rome: 45, oslo: 7 } },
      { columns: ['year'], counts: { 1: 47, 2: 5 } },
      { columns: ['kind'], counts: { x: 52 } },
      { columns: ['city', 'year'], counts: { 'rome | 1': 40, 'rome | 2': 5, 'oslo | 1': 7, 'oslo | 2': 0 } },
      { columns: ['city', 'kind'], counts: { 'rome | x': 45, 'oslo | x': 7 } },
      { columns: ['year', 'kind'], counts: { '1 | x': 47, '2 | x': 5 } },
      {
        columns: ['city', 'year', 'kind'],
        counts: { 'rome | 1 | x': 40, 'rome | 2 | x': 5, 'oslo | 1 | x': 7, 'oslo | 2 | x': 0 },
      },
    ]);
  });

  it('keeps the rows of every table, whatever the cells', () => {
    const cell = fc.record({
      values: fc.tuple(fc.constantFrom('a', 'b', '__proto__'), fc.constantFrom('1', '2')),
      rows: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 12 }), (cells) => {
        const rows = cells.reduce((sum, one) => sum + one.rows, 0);
        for (const { counts } of segmentTables(['x', 'y'], cells))
          expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(rows);
      }),
    );
  });
});

describe('meters', () => {
  it('measure what they say', () => {
    const half = completenessMeter.update(completenessMeter.empty(), [1, null, 2, null]);
    expect(completenessMeter.metric(half)).toEqual({ ok: true, value: 0.5, n: 4, standardError: 0.25 });
    const even = classMeter.update(classMeter.empty(), ['a', 'b', null, 'a', 'b']);
    expect(classMeter.metric(even)).toMatchObject({ ok: true, value: 1, n: 4 });
    expect(freshnessMeter.metric(freshnessMeter.update(freshnessMeter.empty(), [3, 9, null]))).toMatchObject({
      value: 9,
    });
  });
});

describe('the quality analyzer', () => {
  const column = (over: object) => ({
    ...{ rows: 1_000, blank: 0, implicitMissing: 0, distinct: 10, inferredType: 'integer', typed: 1 },
    ...{ min: 0, median: 1, max: 2, mean: 1, ...over },
  });
  const profiled = (x: object, c: object = {}) =>
    dataset('d', {
      completeness: { c: 1, x: 1 },
      profile: {
        ...{ rows: 1_000, omitted: [], run: { kind: 'full' as const, rowsRead: 1_000, reason: null } },
        columns: { c: column({ inferredType: 'string', ...c }), x: column(x), other: column({ blank: 1_000 }) },
      },
    });
  const judge = (data: DatasetView, over: Partial<NeedView> = {}) => {
    const outcome = qualityAnalyzer.analyze(snapshot({ needs: [need('m/n', over)], datasets: [data] }));
    if (!outcome.ok) throw new Error(outcome.message);
    return outcome;
  };

  it('tells nulls that are spelled out among numbers, and blocks where the need asks for more than is left', () => {
    const { findings, scores } = judge(profiled({ implicitMissing: 200, typed: 0.99 }));
    // Of 80 % present where 90 % are asked for, a ninth is missing; the score is the mean of 1 and .8 x .99.
    expect(findings).toMatchObject([
      {
        kind: 'hidden-missing',
        column: 'x',
        blocking: true,
        severity: expect.closeTo(1 / 9, 12) as number,
        got: '80 % present of 1000 rows',
      },
    ]);
    expect(scores).toEqual([{ needId: 'm/n', dimension: 'quality', score: expect.closeTo((1 + 0.8 * 0.99) / 2, 12) }]);
    const found = judge(profiled({ implicitMissing: 200 }), { minCompleteness: null }).findings;
    expect(found).toMatchObject([{ blocking: false, severity: expect.closeTo(0.2, 12) }]);
    const [urgent] = runAnalyzers(
      [qualityAnalyzer],
      snapshot({ needs: [need('m/n')], datasets: [profiled({ implicitMissing: 200 })] }),
    ).criticalNeeds;
    expect(urgent.urgency).toBeCloseTo(1 / 9, 12);
  });

  it('takes a spelled-out null among texts for a value, a blank for missing, and NULL for what it says', () => {
    expect(judge(profiled({}, { implicitMissing: 500 })).findings).toEqual([]);
    expect(judge(profiled({}, { blank: 500 })).findings).toMatchObject([{ column: 'c', blocking: true }]);
    const stated = { ...profiled({}, { blank: 500 }), completeness: { c: 0.5, x: 1 } };
    expect(judge(stated).findings).toEqual([]);
  });

  it('judges nothing without a profile', () => {
    expect(judge(dataset('d'))).toEqual({ ok: true, findings: [], scores: [] });
  });
});
