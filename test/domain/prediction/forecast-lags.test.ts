import { describe, expect, it } from 'vitest';
import { fitLags, forecastLags, solveCholesky, supportedLags } from '../../../domain/prediction/forecast-lags.js';
import { noise } from './series-fixtures.js';

const allKnown = (n: number): Uint8Array => new Uint8Array(n).fill(1);

describe('supportedLags', () => {
  it.each([
    ['keeps lags within half of the series', [1, 2, 40], 0, 60, [1, 2]],
    ['counts the difference', [1, 20], 12, 60, [1]],
    ['drops the longest lags until three rows stand for each coefficient', [1, 2, 3, 4, 5, 6], 0, 20, [1, 2, 3, 4]],
    ['sorts and removes repetitions', [3, 1, 3], 0, 100, [1, 3]],
    ['has none for two values', [1], 0, 2, []],
  ])('%s', (_, lags, difference, length, expected) => {
    expect(supportedLags(lags, difference, length)).toEqual(expected);
  });
});

describe('solveCholesky', () => {
  it('solves a system worked by hand', () => {
    // [[4, 2], [2, 3]] x = [8, 7] has x = [1.25, 1.5].
    const x = solveCholesky(Float64Array.from([4, 0, 2, 3]), Float64Array.from([8, 7]));
    expect(x[0]).toBeCloseTo(1.25, 12);
    expect(x[1]).toBeCloseTo(1.5, 12);
  });
});

describe('fitLags', () => {
  const random = noise(3);
  const values = new Float64Array(2000);
  for (let t = 2; t < values.length; t++) values[t] = 0.6 * values[t - 1] - 0.3 * values[t - 2] + random();

  it('recovers the coefficients of a second-order process', () => {
    const model = fitLags(values, allKnown(2000), [1, 2], 0);
    // Standard error of such coefficients is about sqrt((1 - 0.09) / 2000) = 0.02.
    expect(Math.abs(model!.coefficients[0] - 0.6)).toBeLessThan(0.07);
    expect(Math.abs(model!.coefficients[1] + 0.3)).toBeLessThan(0.07);
  });

  it('has no model for a series that is too short', () => {
    expect(fitLags(Float64Array.from([1, 2, 3]), allKnown(3), [1], 0)).toBeUndefined();
  });
});

describe('forecastLags', () => {
  it('repeats an exact cycle and stays in bounds', () => {
    const values = Float64Array.from({ length: 60 }, (_, t) => [3, 1, 2][t % 3]);
    const model = { lags: [3], difference: 0, coefficients: Float64Array.from([1, 0]) };
    expect(Array.from(forecastLags(values, 60, 4, model, 0, 9))).toEqual([3, 1, 2, 3]);
    expect(Array.from(forecastLags(values, 60, 4, model, 0, 2.5))).toEqual([2.5, 1, 2, 2.5]);
  });

  it('undoes the seasonal difference', () => {
    // Each cycle is one higher than the last: the difference is 1 throughout.
    const values = Float64Array.from({ length: 9 }, (_, t) => (t % 3) * 10 + Math.floor(t / 3));
    const model = { lags: [1], difference: 3, coefficients: Float64Array.from([1, 0]) };
    expect(Array.from(forecastLags(values, 9, 3, model, -100, 100))).toEqual([3, 13, 23]);
  });
});
