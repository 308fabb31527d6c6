import { describe, expect, it } from 'vitest';
import type { AnalysisSnapshot } from '../../../domain/analyzers/analyzer.js';
import { analyzeImpact } from '../../../domain/analyzers/impact.js';

const NOW_MS = 1_000_000;
const view: AnalysisSnapshot = {
  asOfMs: NOW_MS,
  needs: [
    {
      id: 'b/n',
      model: 'b',
      dataset: 'd',
      fields: [],
      rowsPerCycle: 100,
      classColumn: 'c',
      classTarget: 'uniform',
      maxAgeMs: 1000,
      minCompleteness: null,
      critical: 1,
      weight: 1,
    },
    {
      id: 'a/n',
      model: 'a',
      dataset: 'd',
      fields: [],
      rowsPerCycle: 100,
      classColumn: null,
      classTarget: null,
      maxAgeMs: null,
      minCompleteness: null,
      critical: 0.5,
      weight: 1,
    },
  ],
  datasets: [],
  measurements: [
    { needId: 'b/n', rowsAvailable: 100, classCounts: { x: 80, y: 20 }, completeness: {}, newestEventMs: NOW_MS - 500 },
    { needId: 'a/n', rowsAvailable: 50, classCounts: null, completeness: {}, newestEventMs: null },
  ],
};

describe('analyzeImpact', () => {
  it('shows rows, class gap and age before and after, models by id', () => {
    const [a, b] = analyzeImpact(
      view,
      [{ needId: 'b/n', rows: 40, classRows: { x: 20, y: 20 }, bytes: 7 }],
      [{ needId: 'b/n', rows: 10, classCounts: { x: 10, y: 0 }, newestEventMs: NOW_MS - 5000 }],
    );
    expect(a.model).toBe('a');
    expect(a.needs[0].unmet).toBe(1);
    expect(a.risk).toBe('high');
    expect(b.needs[0]).toEqual({
      needId: 'b/n',
      rowsWanted: 100,
      rows: { before: 10, after: 40 },
      classGap: { before: 0.5, after: 0 },
      classGapUncertainty: 0,
      ageMs: { before: 5000, after: 500 },
      bytes: 7,
      unmet: 0.6,
    });
    expect(b.reasons).toEqual(['b/n: 40 of 100 rows, class gap 0.000, up to date']);
  });
  it('expects a plain draw to have the mix of what matches, with its chance error', () => {
    const b = analyzeImpact(view, [{ needId: 'b/n', rows: 100 }])[1];
    expect(b.needs[0].classGap.after).toBeCloseTo(0.3, 12);
    // sum of sqrt(p(1-p)) = 1 at p = 1/2 twice: 1 / sqrt(2 pi 100)
    expect(b.needs[0].classGapUncertainty).toBeCloseTo(0.0399, 4);
    expect(b.risk).toBe('medium');
  });
  it('never hands out rows that are not there', () => {
    expect(analyzeImpact(view, [{ needId: 'a/n', rows: 500 }])[0].needs[0].rows.after).toBe(50);
  });
  it('rates a full grant as low risk without reasons', () => {
    const b = analyzeImpact(view, [{ needId: 'b/n', rows: 100, classRows: { x: 50, y: 50 } }])[1];
    expect([b.risk, b.reasons]).toEqual(['low', []]);
  });
});
