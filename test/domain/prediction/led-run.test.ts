/** A series that follows another one is forecast better with it, and no worse where there is nothing to follow. */
import { describe, expect, test } from 'vitest';
import { defaultPredictors } from '../../../domain/prediction/predictors.js';
import { SeriesTrack, type TrackSnapshot } from '../../../domain/prediction/series-track.js';
import { noise } from './series-fixtures.js';

const HOUR = 3_600_000;
const LENGTH = 700;
const FOLLOWED_FROM = 300;
const LAG = 3;

interface Pair {
  readonly a: readonly number[];
  readonly b: readonly (number | null)[];
}
/** A is bursty and unforeseeable; B asks half of it three steps later, beside a load of its own; now and then a value is missing. */
function pair(seed: number, share: number): Pair {
  const gauss = noise(seed);
  const a = Array.from({ length: LENGTH }, () => Math.round(200 * Math.exp(0.8 * gauss())));
  const b = a.map((_, step) =>
    step % 41 === 7 ? null : Math.max(0, Math.round(100 + share * (a[step - LAG] ?? 0) + 10 * gauss())),
  );
  return { a, b };
}

const create = (): SeriesTrack =>
  SeriesTrack.create(defaultPredictors, {
    series: 'b/x',
    seasons: [24, 168],
    stepMs: HOUR,
    alarmsPerWeek: 7,
    similar: [],
  });
const leader = { series: 'a/x', lagSteps: LAG };
/** Runs both over the same values, the second with its leader from the middle on; gives the mean absolute errors by horizon. */
function errors({ a, b }: Pair): { readonly alone: number[]; readonly led: number[]; readonly track: SeriesTrack } {
  const tracks = [create(), create()];
  const sums = tracks.map(() => [0, 0, 0, 0]);
  b.forEach((value, step) => {
    tracks.forEach((track) => track.update((step + 1) * HOUR, value, a[step]));
    if (step === FOLLOWED_FROM) tracks[1].follow((step + 1) * HOUR, leader, a.slice(0, step + 1));
    if (step <= FOLLOWED_FROM) return;
    tracks.forEach((track, index) =>
      track.forecast(4, []).mean.forEach((mean, ahead) => {
        const actual = b[step + 1 + ahead];
        if (actual != null) sums[index][ahead] += Math.abs(actual - mean);
      }),
    );
  });
  return { alone: sums[0], led: sums[1], track: tracks[1] };
}

describe('a series that follows another one', () => {
  test.each([1, 2, 3])('is forecast better as far as the lag reaches, and as before beyond it (seed %i)', (seed) => {
    const { alone, led, track } = errors(pair(seed, 0.5));
    expect(track.championId).toBe('leader');
    expect(track.forecast(1, []).method).toBe('following a/x after 3 steps');
    for (const ahead of [0, 1, 2]) expect(led[ahead] / alone[ahead]).toBeLessThan(0.4);
    // Values that a leader explains are no outliers: the own forecast learns a little more than it did alone.
    expect(led[3] / alone[3]).toBeGreaterThan(0.98);
    expect(led[3] / alone[3]).toBeLessThan(1.02);
  });

  test.each([4, 5, 6])('that does not follow it keeps its own predictor (seed %i)', (seed) => {
    const { alone, led, track } = errors(pair(seed, 0));
    expect(track.championId).not.toBe('leader');
    expect(led).toEqual(alone);
  });

  test('a leader that goes quiet is dropped for the series itself', () => {
    const { a, b } = pair(7, 0.5);
    // From step 400 on, B goes its own way: A says nothing about it.
    const turned = b.map((value, step) => (step < 400 || value === null ? value : 200 + (step % 24)));
    const { track } = errors({ a, b: turned });
    expect(track.changes.map(({ to }) => to)).toContain('leader');
    expect(track.championId).not.toBe('leader');
  });
});

describe('a state with a leader', () => {
  const { a, b } = pair(8, 0.5);
  const upTo = (track: SeriesTrack, from: number, to: number): SeriesTrack => {
    for (let step = from; step < to; step++) track.update((step + 1) * HOUR, b[step], a[step]);
    return track;
  };
  const begun = upTo(create(), 0, 320);
  begun.follow(320 * HOUR, leader, a.slice(0, 320));
  const stored = JSON.parse(JSON.stringify(begun.snapshot())) as TrackSnapshot;
  const restore = (one?: typeof leader): SeriesTrack =>
    SeriesTrack.restore(defaultPredictors, { series: 'b/x', stepMs: HOUR }, stored, one);

  test('goes on identically, and is a few kB larger', () => {
    const [straight, resumed] = [upTo(begun, 320, 500), upTo(restore(leader), 320, 500)];
    expect(resumed.forecast(4, [0.5, 0.9])).toEqual(straight.forecast(4, [0.5, 0.9]));
    expect(resumed.snapshot()).toEqual(straight.snapshot());
    const run = stored.runs.find(({ id }) => id === 'leader');
    expect(JSON.stringify(run).length).toBeLessThan(8_000);
  });

  test('without that leader, or with another one, the series speaks for itself', () => {
    expect(stored.champion).toBe('leader');
    for (const other of [undefined, { ...leader, lagSteps: 2 }, { ...leader, series: 'c/x' }])
      expect(restore(other).championId).toBe('mixture');
  });

  test('forecasts have nested intervals of finite numbers, also where the leader was never seen', () => {
    const blind = upTo(create(), 0, 200);
    blind.follow(200 * HOUR, leader, []);
    for (const track of [blind, begun]) {
      const { mean, quantiles } = track.forecast(6, [0.5, 0.9]);
      expect(mean.every(Number.isFinite)).toBe(true);
      mean.forEach((_, step) => {
        const [inner, outer] = quantiles.map(({ lower, upper }) => [lower[step], upper[step]]);
        expect(outer[0]).toBeLessThanOrEqual(inner[0]);
        expect(inner[0]).toBeLessThanOrEqual(inner[1]);
        expect(inner[1]).toBeLessThanOrEqual(outer[1]);
      });
    }
  });
});
