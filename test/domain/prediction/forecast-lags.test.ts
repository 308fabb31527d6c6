import { describe, expect, it } from 'vitest';
import {
  fitLags,
  forecastLags,
  solveCholesky,
  supportedLags,
  type LagShape,
} from '../../../domain/prediction/forecast-lags.js';
import { noise } from './series-fixtures.js';

const allKnown = (n: number): Uint8Array => new Uint8Array(n).fill(1);
const shape = (lags: number[], cycle = 0, halfLife = 0): LagShape => ({ lags, difference: 0, cycle, halfLife });
const none = new Float64Array(0);

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
    const model = fitLags(values, allKnown(2000), shape([1, 2]));
    // Standard error of such coefficients is about sqrt((1 - 0.09) / 2000) = 0.02.
    expect(Math.abs(model!.coefficients[0] - 0.6)).toBeLessThan(0.07);
    expect(Math.abs(model!.coefficients[1] + 0.3)).toBeLessThan(0.07);
  });

  it('separates the mean of each phase from the memory', () => {
    // Phase means 0, 3, 6, 9 and a first-order memory of 0.7: x(t) = m(t) + 0.7 (x(t - 1) - m(t - 1)) + noise.
    const shocks = noise(5);
    const mean = (t: number): number => 3 * (t % 4);
    const x = new Float64Array(2000);
    for (let t = 1; t < x.length; t++) x[t] = mean(t) + 0.7 * (x[t - 1] - mean(t - 1)) + shocks();
    const model = fitLags(x, allKnown(2000), shape([1], 4))!;
    // Standard error of the coefficient is sqrt((1 - 0.49) / 2000) = 0.016.
    expect(Math.abs(model.coefficients[0] - 0.7)).toBeLessThan(0.06);
    // What is left for phase p is m(p) - 0.7 m(p - 1); their differences do not depend on the intercept.
    const step = (p: number): number => mean(p) - 0.7 * mean(p + 3);
    for (const p of [1, 2, 3]) {
      expect(Math.abs(model.phases[p] - model.phases[0] - (step(p) - step(0)))).toBeLessThan(0.4);
    }
  });

  it('gives the coefficients of dummy variables with a ridge, worked by the full normal equations', () => {
    const x = Float64Array.from({ length: 40 }, (_, t) => Math.sin(t) + (t % 3));
    const { coefficients, phases } = fitLags(x, allKnown(40), shape([1], 3, 0))!;
    // The solution leaves no gradient: for each phase, ridge x mean = weighted sum of its residuals (weights at most 1).
    const residual = (t: number): number => x[t] - coefficients[0] * x[t - 1] - coefficients[1] - phases[t % 3];
    for (let p = 0; p < 3; p++) {
      let sum = 0;
      for (let t = 1; t < 40; t++) if (t % 3 === p) sum += residual(t);
      expect(Math.abs(sum - 0.1 * phases[p])).toBeLessThan(0.5);
    }
  });

  it('follows a recent change sooner with a half-life', () => {
    const shocks = noise(8);
    const x = new Float64Array(1200);
    for (let t = 1; t < x.length; t++) x[t] = (t < 900 ? 0.1 : 0.8) * x[t - 1] + shocks();
    const plain = fitLags(x, allKnown(1200), shape([1]))!;
    const recent = fitLags(x, allKnown(1200), shape([1], 0, 100))!;
    expect(recent.coefficients[0]).toBeGreaterThan(plain.coefficients[0] + 0.1);
  });

  it('has no model for a series that is too short', () => {
    expect(fitLags(Float64Array.from([1, 2, 3]), allKnown(3), shape([1]))).toBeUndefined();
  });
});

describe('forecastLags', () => {
  it('repeats an exact cycle and stays in bounds', () => {
    const values = Float64Array.from({ length: 60 }, (_, t) => [3, 1, 2][t % 3]);
    const model = { lags: [3], difference: 0, coefficients: Float64Array.from([1, 0]), phases: none };
    expect(Array.from(forecastLags(values, 60, 4, model, 0, 9))).toEqual([3, 1, 2, 3]);
    expect(Array.from(forecastLags(values, 60, 4, model, 0, 2.5))).toEqual([2.5, 1, 2, 2.5]);
  });

  it('adds the mean of the phase that the forecast step has', () => {
    const values = new Float64Array(10);
    const model = {
      lags: [1],
      difference: 0,
      coefficients: Float64Array.from([0, 1]),
      phases: Float64Array.from([0, 5, 9]),
    };
    // Ten values have been seen, so step 1 has phase 10 mod 3 = 1.
    expect(Array.from(forecastLags(values, 10, 4, model, -100, 100))).toEqual([6, 10, 1, 6]);
    expect(Array.from(forecastLags(values, 8, 2, model, -100, 100))).toEqual([10, 1]);
  });

  it('undoes the seasonal difference', () => {
    // Each cycle is one higher than the last: the difference is 1 throughout.
    const values = Float64Array.from({ length: 9 }, (_, t) => (t % 3) * 10 + Math.floor(t / 3));
    const model = { lags: [1], difference: 3, coefficients: Float64Array.from([1, 0]), phases: none };
    expect(Array.from(forecastLags(values, 9, 3, model, -100, 100))).toEqual([3, 13, 23]);
  });
});
