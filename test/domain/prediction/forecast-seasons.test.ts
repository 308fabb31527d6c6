import { describe, expect, it } from 'vitest';
import { findBatchSeasons } from '../../../domain/prediction/forecast-seasons.js';
import { noise } from './series-fixtures.js';

describe('findBatchSeasons', () => {
  const random = noise(4);
  const cycle =
    (length: number) =>
    (t: number): number =>
      Math.sin((2 * Math.PI * t) / length) + 0.3 * random();
  const series = (n: number, value: (t: number) => number): number[] => Array.from({ length: n }, (_, t) => value(t));

  it.each([
    ['a day of hours, to which a week belongs', 24, 460, [24, 168]],
    ['a day of hours in less than two weeks', 24, 300, [24]],
    ['a day of half hours', 48, 1000, [48, 336]],
    ['a length that is no day', 23, 600, [23]],
    ['seven', 7, 200, [7]],
  ])('finds %s', (_, length, n, expected) => {
    expect(findBatchSeasons(series(n, cycle(length)))).toEqual(expected);
  });

  it('finds the multiple of a season that repeats better than the season does', () => {
    const day = cycle(10);
    const values = series(600, (t) => 3 * day(t) + (Math.floor(t / 10) % 4 === 0 ? 2 : 0));
    expect(findBatchSeasons(values)).toEqual([10, 40]);
  });

  it.each([
    ['noise', series(500, random)],
    ['a constant', new Array<number>(300).fill(4)],
    ['a line', series(300, (t) => 2 * t)],
    ['too few values', [1, 2, 1, 2, 1]],
    ['nothing', []],
    ['missing values', [null, null]],
  ])('finds none in %s', (_, values) => {
    expect(findBatchSeasons(values)).toEqual([]);
  });
});
