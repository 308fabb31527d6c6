import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainedVariance, linearModel, linearTrend } from '../../../domain/prediction/regression.js';

describe('linearTrend', () => {
  it('finds the line 2x + 1', () => {
    const trend = linearTrend([1, 3, 5, 7]);
    expect(trend).toMatchObject({ n: 4 });
    if ('failure' in trend) throw new Error(trend.failure);
    expect(trend.slope).toBeCloseTo(2, 10);
    expect(trend.intercept).toBeCloseTo(1, 10);
    expect(trend.r2).toBeCloseTo(1, 10);
  });

  it('agrees with hand-worked least squares on scattered points', () => {
    // x = 0..3, y = 1, 2, 2, 4: slope = sum((x-1.5)(y-2.25)) / 5 = 4.5 / 5, intercept = 2.25 - 0.9 x 1.5.
    const trend = linearTrend([1, 2, 2, 4]);
    if ('failure' in trend) throw new Error(trend.failure);
    expect(trend.slope).toBeCloseTo(0.9, 10);
    expect(trend.intercept).toBeCloseTo(0.9, 10);
    // Residuals .1, .2, -.7, .4: squares sum to .7; total 4.75.
    expect(trend.r2).toBeCloseTo(1 - 0.7 / 4.75, 10);
  });

  it.each([
    ['an empty series', [], 'too-few-points'],
    ['one point', [5], 'too-few-points'],
    ['NaN', [1, Number.NaN, 2], 'not-finite'],
    ['infinity', [1, Infinity], 'not-finite'],
  ])('fails as a value on %s', (_, values, failure) => {
    expect(linearTrend(values)).toEqual({ failure });
  });

  it('is flat and exact on a constant series, however large', () => {
    expect(linearTrend([1e308, 1e308, 1e308])).toEqual({ slope: 0, intercept: 1e308, n: 3, r2: 1 });
  });

  it('recovers any exact line', () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, number, fc.integer({ min: 2, max: 60 }), (slope, intercept, n) => {
        const trend = linearTrend(Array.from({ length: n }, (_, x) => intercept + slope * x));
        if ('failure' in trend) return false;
        const size = Math.abs(intercept) + Math.abs(slope) * n;
        return Math.abs(trend.slope - slope) <= 1e-9 * size && Math.abs(trend.intercept - intercept) <= 1e-9 * size;
      }),
    );
  });
});

describe('linearModel', () => {
  const rows = [
    [1, 2],
    [2, 1],
    [3, 5],
    [4, 4],
    [0, 1],
  ];

  it('recovers 1 + 2a + 3b', () => {
    const model = linearModel(
      rows,
      rows.map(([a, b]) => 1 + 2 * a + 3 * b),
    );
    if ('failure' in model) throw new Error(model.failure);
    expect(model.coefficients[0]).toBeCloseTo(2, 9);
    expect(model.coefficients[1]).toBeCloseTo(3, 9);
    expect(model.intercept).toBeCloseTo(1, 9);
  });

  it.each([
    ['no rows', [], [], 'too-few-points'],
    ['as many rows as coefficients', rows.slice(0, 3), [1, 2, 3], 'too-few-points'],
    ['rows of different length', [...rows, [1]], [1, 2, 3, 4, 5, 6], 'ragged-rows'],
    ['fewer targets than rows', rows, [1, 2], 'ragged-rows'],
    ['NaN in a row', [...rows, [Number.NaN, 1]], [1, 2, 3, 4, 5, 6], 'not-finite'],
    ['NaN in a target', rows, [1, 2, 3, 4, Number.NaN], 'not-finite'],
  ])('fails as a value on %s', (_, given, targets, failure) => {
    expect(linearModel(given, targets)).toEqual({ failure });
  });
});

describe('explainedVariance', () => {
  it('calls predictions that are half the truth worse than the mean, not perfect', () => {
    // Total 2; residuals 0.5, 1, 1.5: squares sum to 3.5.
    expect(explainedVariance([1, 2, 3], [0.5, 1, 1.5])).toBeCloseTo(1 - 3.5 / 2, 12);
  });
});
