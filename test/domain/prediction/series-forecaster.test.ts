import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createSeriesForecaster,
  restoreSeriesForecaster,
  type SeriesForecaster,
  type SeriesSnapshot,
} from '../../../domain/prediction/series-forecaster.js';
import { noise } from './series-fixtures.js';

function fed(values: readonly (number | null)[], seasons: readonly number[] = []): SeriesForecaster {
  const forecaster = createSeriesForecaster({ seasons });
  for (const value of values) forecaster.update(value);
  return forecaster;
}

/** Daily wave of hourly steps with noise. */
const wave = (n: number, seed = 1, noisy = 4): number[] => {
  const random = noise(seed);
  return Array.from({ length: n }, (_, t) => 100 + 40 * Math.sin((2 * Math.PI * t) / 24) + noisy * random());
};

describe('a series forecaster without history', () => {
  it('forecasts zeros and says that it knows too little', () => {
    expect(createSeriesForecaster().forecast(2)).toMatchObject({
      mean: [0, 0],
      method: 'too-little-history',
      history: 0,
      reliable: false,
    });
  });

  it('repeats a single value', () => {
    const { mean, quantiles, reliable } = fed([7]).forecast(3, [0.8]);
    for (const value of [...mean, ...quantiles[0].lower, ...quantiles[0].upper]) expect(value).toBeCloseTo(7, 5);
    expect(reliable).toBe(false);
  });

  it('ignores missing values before the first one', () => {
    expect(fed([null, null, 5]).forecast(1).mean[0]).toBeCloseTo(5, 5);
  });
});

describe('a series forecaster', () => {
  it.each([0, 3, -250, 1e-9, 1e12])('keeps a constant series of %d constant', (level) => {
    const { mean, quantiles } = fed(new Array<number>(300).fill(level), [24]).forecast(24, [0.95]);
    const tolerance = Math.abs(level) * 1e-5;
    for (const value of [...mean, ...quantiles[0].lower, ...quantiles[0].upper]) {
      expect(Math.abs(value - level)).toBeLessThanOrEqual(tolerance);
    }
  });

  it('has less than half the error of the last value on a noisy wave', () => {
    const values = wave(24 * 40);
    const forecaster = fed(values.slice(0, 24 * 20), [24]);
    let ours = 0;
    let naive = 0;
    for (let origin = 24 * 20; origin + 12 < values.length; origin++) {
      const { mean } = forecaster.forecast(12, []);
      ours += Math.abs(values[origin + 11] - mean[11]);
      naive += Math.abs(values[origin + 11] - values[origin - 1]);
      forecaster.update(values[origin]);
    }
    expect(ours).toBeLessThan(naive / 2);
  });

  it('encloses eighty percent of unseen values in its eighty percent interval', () => {
    const values = wave(24 * 60, 5);
    const forecaster = fed(values.slice(0, 24 * 20), [24]);
    let inside = 0;
    let count = 0;
    for (let origin = 24 * 20; origin + 6 < values.length; origin++, count++) {
      const { lower, upper } = forecaster.forecast(6, [0.8]).quantiles[0];
      if (values[origin + 5] >= lower[5] && values[origin + 5] <= upper[5]) inside++;
      forecaster.update(values[origin]);
    }
    expect(inside / count).toBeGreaterThan(0.74);
    expect(inside / count).toBeLessThan(0.88);
  });

  it('finds the season by itself where none is given', () => {
    const values = wave(24 * 40);
    const forecaster = createSeriesForecaster();
    for (const value of values) forecaster.update(value);
    expect(forecaster.snapshot().seasons[0]).toBe(24);
    const expected = wave(24 * 40 + 12).slice(24 * 40);
    forecaster.forecast(12, []).mean.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(15));
  });

  it('keeps 85 of 100 values below its 90 percent quantile again 200 steps after a swap of series', () => {
    const steady = noise(8);
    const before = wave(1200);
    const after = Array.from({ length: 600 }, (_, t) => 5000 + 300 * steady() + (t % 24 > 12 ? 900 : 0));
    const forecaster = fed(before, [24]);
    let below = 0;
    after.forEach((value, t) => {
      const { upper } = forecaster.forecast(1, [0.8]).quantiles[0];
      if (t >= 200 && value <= upper[0]) below++;
      forecaster.update(value);
    });
    expect(below / 400).toBeGreaterThan(0.85);
  });

  const uneven = noise(21);
  let position = 1000;
  const kinds: Record<string, (t: number) => number> = {
    'a daily wave': (t) => 100 + 40 * Math.sin((2 * Math.PI * t) / 24) + 4 * uneven(),
    bursts: () => 20 * Math.exp(1.2 * uneven()),
    'mostly zeros': (t) => (t % 5 === 0 ? Math.round(8 * Math.abs(uneven())) : 0),
    // Mean-reverting, so that 400 steps are more than a handful of independent looks.
    'a slow wander': () => (position += 10 * uneven() - 0.1 * (position - 1000)),
    'a far higher level': () => 5e5 + 2e4 * uneven(),
  };
  const pairs = Object.keys(kinds).flatMap((one) =>
    Object.keys(kinds)
      .filter((other) => other !== one)
      .map((other) => [one, other] as const),
  );
  it('covers again 200 steps after a series turned into another', () => {
    const shares = pairs.map(([one, other]) => {
      const forecaster = fed(
        Array.from({ length: 800 }, (_, t) => kinds[one](t)),
        [24],
      );
      const after = Array.from({ length: 612 }, (_, t) => kinds[other](t));
      let below = 0;
      for (let t = 0; t < 600; t++) {
        const { upper } = forecaster.forecast(12, [0.8]).quantiles[0];
        if (t >= 200) for (const step of [1, 4, 12]) below += after[t + step - 1] <= upper[step - 1] ? 1 : 0;
        forecaster.update(after[t]);
      }
      return below / 1200;
    });
    expect(shares.reduce((sum, share) => sum + share, 0) / shares.length).toBeGreaterThan(0.87);
    // The slowest: zeros have taught an error scale that the first step of a high level blows up for hundreds of steps.
    expect(Math.min(...shares)).toBeGreaterThan(0.82);
    expect(shares.filter((share) => share >= 0.85).length).toBeGreaterThanOrEqual(0.85 * shares.length);
  });

  it('recovers from an outage that was recorded as zeros', () => {
    const values = wave(24 * 30);
    for (let t = 24 * 20; t < 24 * 21; t++) values[t] = 0;
    const forecaster = fed(values.slice(0, 24 * 24), [24]);
    let ours = 0;
    let naive = 0;
    for (let t = 24 * 24; t + 12 < values.length; t++) {
      ours += Math.abs(values[t + 11] - forecaster.forecast(12, []).mean[11]);
      naive += Math.abs(values[t + 11] - values[t - 1]);
      forecaster.update(values[t]);
    }
    expect(ours).toBeLessThan(naive / 2);
  });

  it('follows a change of level a hundredfold', () => {
    const values = [...wave(480), ...wave(480, 2).map((value) => 100 * value)];
    const forecaster = fed(values, [24]);
    const expected = wave(960 + 12).slice(960);
    forecaster.forecast(12, []).mean.forEach((value, i) => {
      expect(Math.abs(value / 100 - expected[i])).toBeLessThan(20);
    });
  });

  it('forecasts nothing below zero for a series that never was', () => {
    const sparse = noise(31);
    const values = Array.from({ length: 300 }, (_, t) => (t % 7 === 0 ? null : Math.max(0, Math.round(3 * sparse()))));
    const { mean, quantiles } = fed(values, [24]).forecast(48, [0.8, 0.99]);
    expect(Math.min(...mean, ...quantiles.flatMap(({ lower }) => lower))).toBeGreaterThanOrEqual(0);
  });

  it('is not confused by an outage of missing values', () => {
    const values: (number | null)[] = wave(24 * 20);
    for (let t = 24 * 18; t < 24 * 19; t++) values[t] = null;
    const expected = wave(24 * 20 + 12).slice(24 * 20);
    const { mean, history } = fed(values, [24]).forecast(12, []);
    expect(history).toBe(24 * 19);
    mean.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(15));
  });

  it('scales with the unit of the series', () => {
    fc.assert(
      fc.property(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 1, max: 99 }), (exponent, seed) => {
        const values = wave(120, seed);
        const factor = 2 ** exponent;
        const plain = fed(values, [24]).forecast(6, [0.8]);
        const scaled = fed(
          values.map((value) => factor * value),
          [24],
        ).forecast(6, [0.8]);
        return plain.mean.every((value, i) => Math.abs(scaled.mean[i] / factor - value) < 1e-6 * value);
      }),
      { numRuns: 20 },
    );
  });

  it('has ordered, finite quantiles around any finite series', () => {
    const value = fc.option(fc.double({ min: -1e9, max: 1e9, noNaN: true }), { freq: 8 });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 150 }), fc.integer({ min: 1, max: 60 }), (values, horizon) => {
        const { mean, quantiles } = fed(values, [7, 28]).forecast(horizon, [0, 0.5, 0.9]);
        const chains = mean.map((_, i) => [
          quantiles[2].lower[i],
          quantiles[1].lower[i],
          quantiles[0].lower[i],
          quantiles[1].upper[i],
          quantiles[2].upper[i],
        ]);
        return (
          mean.every(Number.isFinite) &&
          chains.every((chain) => chain.every((q, i) => Number.isFinite(q) && (i === 0 || q >= chain[i - 1])))
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('a series like others', () => {
  const similar = [5, 6, 7].map((seed) => fed(wave(500, seed, 1), [24]).snapshot());

  it('begins better with what they have learned than without', () => {
    let plain = 0;
    let experienced = 0;
    for (let seed = 20; seed < 30; seed++) {
      const values = wave(90, seed, 1);
      const forecasters = [
        createSeriesForecaster({ seasons: [24] }),
        createSeriesForecaster({ seasons: [24], similar }),
      ];
      values.forEach((value, t) => {
        if (t >= 2 && t < 80) {
          const misses = forecasters.map((one) => Math.abs(values[t + 5] - one.forecast(6, []).mean[5]));
          plain += misses[0];
          experienced += misses[1];
        }
        for (const forecaster of forecasters) forecaster.update(value);
      });
    }
    expect(experienced).toBeLessThan(0.9 * plain);
  });

  it('ignores those of other seasons', () => {
    const one = createSeriesForecaster({ seasons: [12], similar });
    expect(one.snapshot()).toEqual(createSeriesForecaster({ seasons: [12] }).snapshot());
  });
});

describe('a snapshot', () => {
  it('restores to identical forecasts, now and after more values', () => {
    const values = wave(700);
    const one = fed(values.slice(0, 500), [24, 168]);
    const two = restoreSeriesForecaster(JSON.parse(JSON.stringify(one.snapshot())) as SeriesSnapshot);
    expect(two.forecast(48)).toEqual(one.forecast(48));
    for (const value of values.slice(500)) {
      one.update(value);
      two.update(value);
    }
    expect(two.forecast(48)).toEqual(one.forecast(48));
    expect(two.snapshot()).toEqual(one.snapshot());
  });

  it('restores to identical forecasts whatever came: gaps, late values, found seasons, seasons kept as means', () => {
    const value = fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { freq: 6 });
    const seasons = fc.constantFrom(undefined, [], [24, 168], [288, 2016]);
    const late = fc.tuple(fc.integer({ min: 1, max: 80 }), fc.double({ min: -1e4, max: 1e4, noNaN: true }));
    fc.assert(
      fc.property(seasons, fc.array(value, { minLength: 1, maxLength: 90 }), late, (known, values, [ago, revised]) => {
        const one = createSeriesForecaster({ seasons: known });
        for (const past of wave(1100)) one.update(past);
        for (const past of values) one.update(past);
        one.revise(ago, revised);
        const two = restoreSeriesForecaster(JSON.parse(JSON.stringify(one.snapshot())) as SeriesSnapshot);
        for (const next of [...values].reverse()) {
          expect(two.forecast(60)).toEqual(one.forecast(60));
          one.update(next);
          two.update(next);
        }
        expect(two.snapshot()).toEqual(one.snapshot());
      }),
      { numRuns: 25 },
    );
  });

  it('of another version or another size is refused', () => {
    const snapshot = fed([1, 2, 3]).snapshot();
    for (const version of [2, 9]) {
      expect(() => restoreSeriesForecaster({ ...snapshot, version: version as 3 })).toThrow(/does not fit/);
    }
    expect(() => restoreSeriesForecaster({ ...snapshot, state: snapshot.state.slice(0, 40) })).toThrow(/does not fit/);
  });
});

describe('misuse is refused', () => {
  it.each([
    ['NaN as a value', () => fed([1]).update(Number.NaN), 'InvalidValue'],
    ['infinity as a value', () => fed([1]).update(Infinity), 'InvalidValue'],
    ['a horizon of zero', () => fed([1]).forecast(0), 'InvalidHorizon'],
    ['a fractional horizon', () => fed([1]).forecast(1.5), 'InvalidHorizon'],
    ['a certain interval', () => fed([1]).forecast(1, [1]), 'InvalidLevel'],
    ['a late value of the future', () => fed([1]).revise(0, 1), 'InvalidStep'],
    ['a late value that is no number', () => fed([1]).revise(1, Number.NaN), 'InvalidValue'],
    ['a season of one step', () => createSeriesForecaster({ seasons: [1] }), 'InvalidSeason'],
  ])('%s', (_, act, type) => {
    expect(act).toThrow(expect.objectContaining({ type }) as Error);
  });
});
