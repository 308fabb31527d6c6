import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forecastSeries } from '../../../domain/prediction/forecast-batch.js';
import { noise } from './series-fixtures.js';

/** Hourly demand with a day and a week: the weekend is half as high. */
const hourly = (n: number, seed = 1): number[] => {
  const random = noise(seed);
  return Array.from({ length: n }, (_, t) => {
    const weekend = Math.floor(t / 24) % 7 >= 5 ? 0.5 : 1;
    return weekend * (100 + 40 * Math.sin((2 * Math.PI * t) / 24)) * Math.exp(0.03 * random());
  });
};

const error = (forecast: readonly number[], actual: readonly number[]): number =>
  forecast.reduce((sum, value, i) => sum + Math.abs(value - actual[i]), 0) / forecast.length;

describe('forecastSeries', () => {
  it('forecasts a day and a week better than repeating the last week', () => {
    let ours = 0;
    let naive = 0;
    for (let seed = 1; seed <= 10; seed++) {
      const values = hourly(24 * 7 * 5, seed);
      const past = values.slice(0, -48);
      const actual = values.slice(-48);
      const { mean, reliable } = forecastSeries(past, { horizon: 48, seasons: [24, 168] });
      expect(reliable).toBe(true);
      ours += error(mean, actual);
      naive += error(past.slice(-168, -120), actual);
    }
    // A perfect model has 1 / sqrt(2) = 0.71 of the error: it repeats no noise.
    expect(ours).toBeLessThan(0.9 * naive);
  });

  it('finds the day by itself', () => {
    const values = hourly(24 * 7 * 5);
    const { mean } = forecastSeries(values.slice(0, -48), { horizon: 48 });
    expect(error(mean, values.slice(-48))).toBeLessThan(6);
  });

  it('encloses about ninety-five of a hundred unseen values in its 95 percent interval', () => {
    let inside = 0;
    for (let seed = 1; seed <= 12; seed++) {
      const values = hourly(24 * 7 * 4, seed);
      const { quantiles } = forecastSeries(values.slice(0, -24), { horizon: 24, seasons: [24, 168], levels: [0.95] });
      const [{ lower, upper }] = quantiles;
      values.slice(-24).forEach((value, i) => (inside += value >= lower[i] && value <= upper[i] ? 1 : 0));
    }
    expect(inside / (12 * 24)).toBeGreaterThan(0.9);
    expect(inside / (12 * 24)).toBeLessThan(0.995);
  });

  it('continues through missing values', () => {
    const values: (number | null)[] = hourly(24 * 7 * 5);
    const actual = values.slice(-24) as number[];
    const past = values.slice(0, -24).map((value, t) => (t % 10 === 3 || (t > 500 && t < 530) ? null : value));
    expect(error(forecastSeries(past, { horizon: 24, seasons: [24, 168] }).mean, actual)).toBeLessThan(8);
  });

  it.each([
    ['nothing', [], 0, 'too-little-history'],
    ['only missing values', [null, null], 0, 'too-little-history'],
    ['one value', [5], 5, 'too-little-history'],
    ['a short constant', [4, 4, 4], 4, 'too-little-history'],
    ['a long constant', new Array<number>(60).fill(-2), -2, 'constant'],
  ])('answers %s with a constant and says so', (_, values, expected, method) => {
    const forecast = forecastSeries(values, { horizon: 3 });
    expect(forecast.method).toBe(method);
    forecast.mean.forEach((value) => expect(value).toBeCloseTo(expected, 10));
  });

  it('never forecasts below zero what was never below zero', () => {
    const values = hourly(300).map((value) => Math.max(0, value - 90));
    const { mean, quantiles } = forecastSeries(values, { horizon: 48, seasons: [24] });
    expect(Math.min(...mean, ...quantiles.flatMap(({ lower }) => lower))).toBeGreaterThanOrEqual(0);
  });

  it('answers any finite series with ordered finite intervals around its forecast', () => {
    const value = fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { freq: 8 });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 80 }), fc.integer({ min: 1, max: 30 }), (values, horizon) => {
        const { mean, quantiles } = forecastSeries(values, { horizon, seasons: [5, 10], levels: [0.5, 0.9] });
        return mean.every((middle, i) => {
          const [narrow, wide] = quantiles;
          const chain = [wide.lower[i], narrow.lower[i], middle, narrow.upper[i], wide.upper[i]];
          return chain.every(Number.isFinite) && chain.every((q, j) => j === 0 || q >= chain[j - 1]);
        });
      }),
      { numRuns: 60 },
    );
  });

  it('uses the last values of a very long series, also where these begin with a gap', () => {
    const values: (number | null)[] = Array.from({ length: 20_300 }, (_, t) =>
      t < 100 ? 1 : t < 300 ? null : 5 + (t % 7),
    );
    const { mean, history } = forecastSeries(values, { horizon: 2, seasons: [7] });
    expect(history).toBe(20_300 - 300);
    mean.forEach((value, i) => expect(value).toBeCloseTo(5 + ((20_300 + i) % 7), 3));
  });

  it.each([
    ['two values', [5, 6]],
    ['ten values on a line', Array.from({ length: 10 }, (_, t) => t)],
    ['three values of eight digits', [10_000_001, 10_000_003, 10_000_002]],
  ])('claims no precision from %s', (_, values) => {
    const { mean, quantiles, reliable } = forecastSeries(values, { horizon: 5, levels: [0.95] });
    expect(reliable).toBe(false);
    const spread = Math.max(...values) - Math.min(...values);
    mean.forEach((value, i) => {
      expect(quantiles[0].upper[i] - value).toBeGreaterThan(spread / 2);
      expect(value - quantiles[0].lower[i]).toBeGreaterThan(Math.min(spread / 2, value));
    });
  });

  it('refuses NaN and impossible horizons', () => {
    expect(() => forecastSeries([1, Number.NaN], { horizon: 1 })).toThrow(/not finite/);
    expect(() => forecastSeries([1], { horizon: 0 })).toThrow(/horizon/);
  });
});
