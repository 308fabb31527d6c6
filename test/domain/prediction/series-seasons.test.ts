import { describe, expect, it } from 'vitest';
import { calendarSeasons, detectSeasons } from '../../../domain/prediction/series-seasons.js';
import { noise } from './series-fixtures.js';

describe('calendarSeasons', () => {
  it.each([
    ['ten minutes', 600, [144, 1008]],
    ['five minutes', 300, [288, 2016]],
    ['an hour', 3600, [24, 168]],
    ['a day', 86_400, [7, 365]],
    ['a minute, whose week is too long', 60, [1440]],
    ['seven minutes, which do not divide a day', 420, [1440]],
    ['a second, which is a row number', 1, []],
    ['nothing', 0, []],
  ])('knows the seasons of steps of %s', (_, seconds, expected) => {
    expect(calendarSeasons(seconds)).toEqual(expected);
  });
});

describe('detectSeasons', () => {
  const random = noise(2);
  const day = (t: number): number => Math.sin((2 * Math.PI * t) / 24) + 0.3 * random();

  it('finds a day', () => {
    expect(detectSeasons(Array.from({ length: 600 }, (_, t) => day(t)))).toEqual([24]);
  });

  it('finds a day and a week', () => {
    const values = Array.from({ length: 168 * 5 }, (_, t) => day(t) - (Math.floor(t / 24) % 7 >= 5 ? 1 : 0));
    expect(detectSeasons(values)).toEqual([24, 168]);
  });

  it.each([
    ['noise', Array.from({ length: 500 }, () => random())],
    ['a constant', new Array<number>(300).fill(4)],
    ['a line', Array.from({ length: 300 }, (_, t) => 2 * t)],
    ['too few values', [1, 2, 1, 2, 1]],
    ['nothing', []],
    ['missing values', [null, null]],
  ])('finds none in %s', (_, values) => {
    expect(detectSeasons(values)).toEqual([]);
  });
});
