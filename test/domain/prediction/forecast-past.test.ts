import { describe, expect, it } from 'vitest';
import { combineForecasts, type EnsembleMember } from '../../../domain/prediction/forecast-ensemble.js';
import { forecastPast, memberWeights, unseenRatio } from '../../../domain/prediction/forecast-past.js';

const rows = (...values: number[]): Float64Array => Float64Array.from(values);

describe('combineForecasts', () => {
  it.each([
    ['the middle of three', [rows(1), rows(9), rows(2)], [1, 1, 1], 2],
    ['the mean of the middle two of four', [rows(1), rows(9), rows(2), rows(4)], [1, 1, 1, 1], 3],
    ['the only one', [rows(7)], [0.3], 7],
    ['the heaviest, where it outweighs the rest', [rows(1), rows(5), rows(9)], [1, 1000, 1], 5],
    // Weights 1 and 3 lie around 0 and 8: cumulated to their middles 0.5 and 2.5; half of 4 is 2, three quarters between.
    ['between two by their weights', [rows(0), rows(8)], [1, 3], 6],
  ])('is %s', (_, forecasts, weights, expected) => {
    expect(combineForecasts(forecasts, weights)[0]).toBeCloseTo(expected, 12);
  });

  it('sorts each step anew', () => {
    const forecasts = [rows(1, 3, 9), rows(2, 2, 1), rows(3, 1, 5)];
    expect(Array.from(combineForecasts(forecasts, [1, 1, 1]))).toEqual([2, 2, 5]);
  });
});

describe('memberWeights', () => {
  const off = (error: number, parameters = 0): EnsembleMember => ({
    since: 1,
    parameters,
    forecast: (_, horizon) => new Float64Array(horizon).fill(error),
  });
  const values = new Float64Array(100);
  const weigh = (members: EnsembleMember[], known = new Uint8Array(100).fill(1)): readonly number[] =>
    memberWeights(values, known, members, forecastPast(100, members, 24, 10));

  it('is the inverse square of the error', () => {
    const [one, two, four] = weigh([off(1), off(2), off(-4)]);
    expect(one).toBe(1);
    expect(two).toBeCloseTo(1 / 4, 12);
    expect(four).toBeCloseTo(1 / 16, 12);
  });

  it('expects more error of a member with more fitted numbers', () => {
    const [few, many] = weigh([off(1), off(1, 50)]);
    // (100 + 50) / (100 - 50) = 3 times the squared error.
    expect(few / many).toBeCloseTo(3, 12);
    expect(unseenRatio(100, 1000)).toBeCloseTo(Math.sqrt(3), 12);
  });

  it('is equal where there is no past, or only filled-in values', () => {
    expect(
      weigh([
        { ...off(1), since: 100 },
        { ...off(2), since: 100 },
      ]),
    ).toEqual([1, 1]);
    expect(weigh([off(1), off(2)], new Uint8Array(100))).toEqual([1, 1]);
  });
});

describe('forecastPast', () => {
  const last: EnsembleMember = {
    since: 30,
    parameters: 0,
    forecast: (end, horizon) => new Float64Array(horizon).fill(end),
  };

  it('visits every phase of the season, never beyond the series', () => {
    const origins = forecastPast(500, [last], 24, 48);
    expect(new Set(origins.map(({ end }) => end % 24)).size).toBe(24);
    for (const { end, forecasts } of origins) {
      expect(end).toBeGreaterThanOrEqual(30);
      expect(end + forecasts[0].length).toBeLessThanOrEqual(500);
      expect(forecasts[0][0]).toBe(end);
    }
  });
});
