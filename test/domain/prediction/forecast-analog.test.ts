import { describe, expect, it } from 'vitest';
import { forecastAnalogs } from '../../../domain/prediction/forecast-analog.js';
import { runningSums } from '../../../domain/prediction/forecast-profile.js';

const forecast = (values: readonly number[], horizon: number, season: number): number[] => {
  const series = Float64Array.from(values);
  return Array.from(forecastAnalogs(series, runningSums(series), series.length, horizon, season));
};

describe('forecastAnalogs', () => {
  it('continues an exact cycle, also beyond what is known', () => {
    const values = Array.from({ length: 40 }, (_, t) => [3, 1, 2, 7][t % 4]);
    forecast(values, 60, 4).forEach((value, step) => expect(value).toBeCloseTo([3, 1, 2, 7][step % 4], 9));
  });

  it('takes the level of now and the shape of the past', () => {
    // Each day is one higher than the last: so was each analog's next day.
    const values = Array.from({ length: 80 }, (_, t) => [3, 1, 2, 7][t % 4] + Math.floor(t / 4));
    forecast(values, 4, 4).forEach((value, step) => expect(value).toBeCloseTo([23, 21, 22, 27][step], 9));
  });

  it('prefers the days that were like the last one', () => {
    // Flat days are followed by high ones, wavy days by low ones; the last day is flat.
    const shapes = [
      [0, 0, 0, 0],
      [9, 8, 9, 10],
      [1, -1, 1, -1],
      [-9, -8, -9, -10],
    ];
    const values = Array.from({ length: 41 }, (_, day) => shapes[day % 4]).flat();
    forecast(values, 4, 4).forEach((value, step) => expect(value).toBeCloseTo(shapes[1][step], 9));
  });
});
