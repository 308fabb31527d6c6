import { describe, expect, test } from 'vitest';
import { defaultPredictors } from '../../../domain/prediction/predictors.js';
import type { Predictor } from '../../../domain/prediction/predictor.js';
import { SeriesTrack, type TrackOptions, type TrackSnapshot } from '../../../domain/prediction/series-track.js';
import { noise } from './series-fixtures.js';

const HOUR = 3_600_000;
const options = (more: Partial<TrackOptions> = {}): TrackOptions => ({
  ...{ series: 'a/b', seasons: [24, 168], stepMs: HOUR, alarmsPerWeek: 7, similar: [] },
  ...more,
});
const gauss = noise(7);
const daily = (hour: number): number => 1_000 + 400 * Math.sin((hour / 24) * 2 * Math.PI) + 12 * gauss();
const DAILY = Array.from({ length: 2_000 }, (_, hour) => daily(hour));
const follow = (track: SeriesTrack, values: readonly (number | null)[], from = 0): SeriesTrack => {
  values.forEach((value, index) => track.update((from + index + 1) * HOUR, value));
  return track;
};
/** Says the same, whatever it has seen. */
const stubborn = (id: string, value: number): Predictor => ({
  ...{ id, version: 1 },
  create: () => ({
    update: () => undefined,
    snapshot: () => null,
    forecast: (horizon, levels) => {
      const mean = Array.from({ length: horizon }, () => value);
      const quantiles = levels.map((level) => ({ level, lower: mean, upper: mean }));
      return { mean, quantiles, method: id, history: 100, reliable: true };
    },
  }),
  restore: () => stubborn(id, value).create({ seasons: [], similar: [] }),
});

/** Learns the mean of its first fifty values and nothing after. */
const frozen: Predictor = {
  ...{ id: 'frozen', version: 1 },
  create: () => {
    const seen: number[] = [];
    const mean = (): number => seen.reduce((sum, value) => sum + value, 0) / Math.max(1, seen.length);
    return {
      update: (value) => {
        if (seen.length < 50 && value !== null) seen.push(value);
      },
      snapshot: () => null,
      forecast: (horizon, levels) => {
        const line = (shift: number): number[] => Array.from({ length: horizon }, () => mean() + shift);
        const quantiles = levels.map((level) => ({ level, lower: line(-1.3), upper: line(1.3) }));
        return { mean: line(0), quantiles, method: 'frozen', history: seen.length, reliable: seen.length >= 24 };
      },
    };
  },
  restore: () => {
    throw new Error('not stored');
  },
};

describe('champion and challenger', () => {
  test('a challenger that is clearly better takes over, with the reason, and one that is not does not', () => {
    const flat = DAILY.map(() => 500);
    const track = follow(
      SeriesTrack.create([stubborn('wrong', 480), stubborn('right', 500)], options()),
      flat.slice(0, 300),
    );
    expect(track.championId).toBe('right');
    expect(track.changes).toMatchObject([{ kind: 'switch', from: 'wrong', to: 'right', atMs: 100 * HOUR }]);
    expect(track.changes[0].reason).toBe('mean error 0 against 20 over the last 100 steps');
    const equal = follow(SeriesTrack.create([stubborn('a', 480), stubborn('b', 480.1)], options()), flat.slice(0, 300));
    expect(equal.championId).toBe('a');
  });

  test('on a daily rhythm the mixture keeps its place against the seasonal naive', () => {
    const track = follow(SeriesTrack.create(defaultPredictors, options()), DAILY.slice(0, 1_000));
    expect(track.championId).toBe('mixture');
    const [own, naive] = track.accuracy();
    expect(own.errorToNaive!).toBeLessThan(0.5);
    expect(naive.predictor).toBe('seasonal-naive');
    expect(own.errorToNaive!).toBeLessThan(naive.errorToNaive!);
  });

  test('a switch back needs as long again: two that take turns do not flicker', () => {
    const turns = Array.from({ length: 1_200 }, (_, step) => (step % 40 < 20 ? 480 : 500));
    const track = follow(SeriesTrack.create([stubborn('a', 480), stubborn('b', 500)], options()), turns);
    expect(track.changes.length).toBeLessThanOrEqual(12);
  });
});

describe('what is not as it was', () => {
  test('an outlier is named, told once, and not learned', () => {
    const usual = DAILY.slice(0, 600);
    const clean = follow(SeriesTrack.create(defaultPredictors, options()), usual);
    const track = follow(SeriesTrack.create(defaultPredictors, options()), usual);
    // The hour after: a hundred times as much, then as usual.
    follow(track, [100_000, ...DAILY.slice(601, 612)], 600);
    follow(clean, [null, ...DAILY.slice(601, 612)], 600);
    expect(track.withheld).toBe(1);
    expect(track.alarms).toMatchObject([{ type: 'spike', severity: 'high' }]);
    expect(track.forecast(24, [0.8])).toEqual(clean.forecast(24, [0.8]));
  });

  test('what stays is the new normal after three steps', () => {
    const track = follow(SeriesTrack.create(defaultPredictors, options()), DAILY.slice(0, 600));
    follow(
      track,
      DAILY.slice(600, 700).map((value) => 10 * value),
      600,
    );
    expect(track.withheld).toBeGreaterThanOrEqual(1);
    const { mean } = track.forecast(1, [0.8]);
    expect(Math.abs(mean[0] - 10 * DAILY[700]) / (10 * DAILY[700])).toBeLessThan(0.25);
  });

  test('a champion that is wrong, with no better one about, is learned again from the recent steps, its cost counted', () => {
    const track = follow(
      SeriesTrack.create([frozen], options()),
      DAILY.slice(0, 300).map(() => 100 + gauss()),
    );
    follow(
      track,
      DAILY.slice(0, 500).map(() => 300 + gauss()),
      300,
    );
    expect(track.changes.length).toBeGreaterThanOrEqual(1);
    expect(track.changes.every(({ kind }) => kind === 'retune')).toBe(true);
    expect(track.changes[0].reason).toMatch(/^learned again from the last 312 steps/);
    expect(track.tuned).toBeGreaterThanOrEqual(312);
    expect(track.forecast(1, [0.8]).mean[0]).toBeCloseTo(300, -1);
  });
});

describe('a stored track', () => {
  test('goes on identically, and a new or gone predictor is no end of it', () => {
    const track = follow(SeriesTrack.create(defaultPredictors, options()), DAILY.slice(0, 500));
    const snapshot = JSON.parse(JSON.stringify(track.snapshot())) as TrackSnapshot;
    const restored = SeriesTrack.restore(defaultPredictors, options(), snapshot);
    follow(track, DAILY.slice(500, 700), 500);
    follow(restored, DAILY.slice(500, 700), 500);
    expect(restored.snapshot()).toEqual(track.snapshot());
    const more = [...defaultPredictors, stubborn('new', 1)];
    expect(SeriesTrack.restore(more, options(), snapshot).championId).toBe(snapshot.champion);
    const [, naive] = defaultPredictors;
    expect(SeriesTrack.restore([naive], options(), snapshot).championId).toBe('seasonal-naive');
  });

  test('one that begins with similar tracks forecasts better at first than one that begins with nothing', () => {
    const donor = follow(SeriesTrack.create(defaultPredictors, options()), DAILY.slice(0, 1_000)).snapshot();
    const errorWith = (similar: readonly TrackSnapshot[]): number => {
      const track = SeriesTrack.create(defaultPredictors, options({ similar }));
      return DAILY.slice(0, 96).reduce((sum, value, index) => {
        const missed = Math.abs(track.forecast(1, [0.8]).mean[0] - value / 3);
        track.update((index + 1) * HOUR, value / 3);
        return index < 30 ? sum : sum + missed;
      }, 0);
    };
    expect(errorWith([donor])).toBeLessThan(errorWith([]));
  });
});

describe('seasons found in a longer past', () => {
  test.each([
    [40, 300, 60],
    [50, 300, 100],
    [90, 300, 60],
    [36, 100, 30],
  ])('of %i steps are tried once and forecast better', (period, size, spread) => {
    const rough = noise(11);
    const values = Array.from(
      { length: 700 },
      (_, step) => 500 + size * Math.sign(Math.sin((step / period) * 2 * Math.PI) + 0.3) + spread * rough(),
    );
    const [as, with_] = [false, true].map((proposes) => {
      const track = SeriesTrack.create(defaultPredictors, options());
      let error = 0;
      values.forEach((value, step) => {
        if (step > 500) error += Math.abs(value - track.forecast(1, []).mean[0]);
        track.update((step + 1) * HOUR, value);
        if (step === 500 && proposes) expect(track.propose(step * HOUR, [period])).toBe(true);
      });
      return { error, track };
    });
    expect(with_.error / as.error).toBeLessThan(0.85);
    expect(with_.track.propose(701 * HOUR, [period])).toBe(false);
    expect(as.track.changes).toEqual([]);
  });

  test('that forecast no better are left alone', () => {
    const track = follow(SeriesTrack.create(defaultPredictors, options()), DAILY.slice(0, 400));
    expect(track.propose(401 * HOUR, [31])).toBe(true);
    expect(track.changes.filter(({ kind }) => kind === 'retune')).toEqual([]);
    expect(track.snapshot().seasons).toEqual([24, 168]);
  });
});
