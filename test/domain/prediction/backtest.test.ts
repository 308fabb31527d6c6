import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backtestSeries } from '../../../domain/prediction/backtest.js';
import { createSeriesForecaster } from '../../../domain/prediction/series-forecaster.js';
import { noise } from './series-fixtures.js';

const random = noise(7);
const series = Array.from({ length: 400 }, (_, t) => 50 + 20 * Math.sin((2 * Math.PI * t) / 24) + 3 * random());

describe('backtestSeries', () => {
  it('forecasts the value at the origin in step 1 and stops at the end of the series', () => {
    const { rows } = backtestSeries([1, 2, 3, 4, 5], { horizon: 2, from: 2, step: 2 });
    expect(rows.map(({ origin, step, actual }) => [origin, step, actual])).toEqual([
      [2, 1, 3],
      [2, 2, 4],
      [4, 1, 5],
    ]);
  });

  it('forecasts what a forecaster that saw only the past does', () => {
    const { rows } = backtestSeries(series, { horizon: 3, from: 200, step: 50, seasons: [24] });
    const forecaster = createSeriesForecaster({ seasons: [24] });
    for (const value of series.slice(0, 250)) forecaster.update(value);
    const { mean } = forecaster.forecast(3);
    expect(rows.filter(({ origin }) => origin === 250).map((row) => row.mean)).toEqual(mean);
  });

  it('never looks ahead: what follows an origin does not change its forecasts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 350 }), fc.double({ min: -1e6, max: 1e6, noNaN: true }), (cut, value) => {
        const options = { horizon: 4, from: 80, step: 9, seasons: [24] };
        const forecasts = (values: readonly number[]): number[][] =>
          backtestSeries(values, options)
            .rows.filter(({ origin, step }) => origin <= cut && step <= 1)
            .map(({ mean, q10, q50, q90 }) => [mean, q10, q50, q90]);
        const changed = series.map((old, t) => (t >= cut ? value : old));
        expect(forecasts(changed)).toEqual(forecasts(series));
      }),
      { numRuns: 15 },
    );
  });

  it('reports accuracy against the last value', () => {
    const { accuracy } = backtestSeries(series, { horizon: 12, from: 150, step: 5, seasons: [24] });
    expect(accuracy.errorToNaive).toBeLessThan(0.6);
    expect(accuracy.coverage80).toBeGreaterThan(0.65);
  });

  it('has no rows for a short series and skips missing values in the accuracy', () => {
    expect(backtestSeries([1, 2], { horizon: 1, from: 5, step: 1 })).toEqual({
      rows: [],
      accuracy: { forecasts: 0, errorToNaive: null, coverage90: null, coverage80: null },
    });
    expect(backtestSeries([1, null, 3], { horizon: 1, from: 1, step: 1 }).accuracy.forecasts).toBe(1);
  });

  it.each([
    [-1, 1],
    [0, 0],
    [1.5, 1],
  ])('refuses origins %d:%d', (from, step) => {
    expect(() => backtestSeries(series, { horizon: 1, from, step })).toThrow(/origins/);
  });
});
