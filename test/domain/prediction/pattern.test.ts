import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareBehaviour,
  emptyBehaviour,
  mergeBehaviour,
  profileBehaviour,
} from '../../../domain/prediction/behaviour.js';
import { EMPTY_CHANGE, findChangePoints, updateChange } from '../../../domain/prediction/change-point.js';
import { autoregression, findLagCorrelations, normalTail } from '../../../domain/prediction/lag-correlation.js';
import {
  analyzePatterns,
  analyzeSeries,
  steadySlope,
  type RecordedSeries,
} from '../../../domain/prediction/pattern.js';
import { autocorrelation, findPeriods } from '../../../domain/prediction/period.js';
import { noise } from './series-fixtures.js';

const sine = (i: number, steps: number): number => Math.sin((2 * Math.PI * i) / steps);
const make = (n: number, value: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => value(i));

describe('autocorrelation', () => {
  it('agrees with the sum of products, lag by lag', () => {
    const values = make(50, (i) => ((i * 17) % 23) + 0.1 * i);
    const mean = values.reduce((a, b) => a + b, 0) / 50;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / 50;
    autocorrelation(values, 20).forEach((r, lag) => {
      const pairs = values.slice(0, 50 - lag).map((x, i) => (x - mean) * (values[i + lag] - mean));
      expect(r).toBeCloseTo(pairs.reduce((a, b) => a + b, 0) / pairs.length / variance, 9);
    });
  });

  it('is all zeros for a constant', () => {
    expect(
      autocorrelation(
        make(30, () => 5),
        4,
      ),
    ).toEqual([0, 0, 0, 0, 0]);
  });
});

describe('findPeriods', () => {
  const random = noise(3);
  const steps = (values: number[]): number[] => findPeriods(values).periods.map((period) => period.steps);

  it.each<[string, number[], number[]]>([
    ['a day in hours under noise', make(700, (i) => sine(i, 24) + 0.5 * random()), [24]],
    ['a peak three hours wide, without its harmonics', make(700, (i) => (i % 24 < 3 ? 3 : 0) + 0.3 * random()), [24]],
    ['a day and a week', make(1500, (i) => sine(i, 24) * (i % 168 < 120 ? 1 : 0.2) + 0.2 * random()), [24, 168]],
    ['two periods that share no factor', make(600, (i) => sine(i, 7) + sine(i, 30) + 0.2 * random()), [7, 30]],
    ['none in noise', make(2000, () => random()), []],
    [
      'none in a random walk',
      make(
        2000,
        (
          (sum) => () =>
            (sum += random())
        )(0),
      ),
      [],
    ],
    ['none in a constant', make(500, () => 4), []],
    ['none in a line', make(500, (i) => 3 * i), []],
    ['none in too few rows', [1, 2, 1, 2, 1], []],
  ])('finds %s', (_, values, expected) => {
    expect(steps(values)).toEqual(expected);
  });

  it('finds no near multiple of a day beside the day', () => {
    for (const [seed, length] of [
      [5, 1450],
      [6, 1500],
      [7, 1530],
    ]) {
      const shocks = noise(seed);
      let memory = 0;
      const values = make(length, (i) => 5 * sine(i, 24) + (memory = 0.6 * memory + shocks()));
      expect(steps(values)).toEqual([24]);
    }
  });

  it('finds hardly any period in 40 wandering series', () => {
    let found = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const shocks = noise(100 + seed);
      let x = 0;
      found += steps(make(1000, () => (x = 0.98 * x + shocks()))).length;
    }
    expect(found).toBeLessThanOrEqual(2);
  });

  it('gives a noiseless period nearly full strength, a weak one little', () => {
    expect(findPeriods(make(480, (i) => sine(i, 24))).periods[0].strength).toBeGreaterThan(0.99);
    expect(findPeriods(make(960, (i) => sine(i, 24) + 1.5 * random())).periods[0].strength).toBeLessThan(0.4);
  });
});

describe('findChangePoints', () => {
  const random = noise(5);

  it('finds each change of level within a few rows, and its size', () => {
    const values = make(600, (i) => (i < 200 ? 10 : i < 450 ? 16 : 4) + random());
    const found = findChangePoints(values);
    expect(found).toHaveLength(2);
    expect(Math.abs(found[0].index - 200)).toBeLessThanOrEqual(3);
    expect(Math.abs(found[1].index - 450)).toBeLessThanOrEqual(3);
    expect(found[0].after - found[0].before).toBeCloseTo(6, 0);
    expect(found[1].after - found[1].before).toBeCloseTo(-12, 0);
  });

  it('finds none in noise, with or without a memory, in 40 series', () => {
    for (let k = 0; k < 20; k++) {
      let x = 0;
      expect(findChangePoints(make(500, () => random()))).toEqual([]);
      expect(findChangePoints(make(1000, () => (x = 0.7 * x + random()))).length).toBeLessThanOrEqual(1);
    }
  });

  it('finds the exact row in a noiseless step', () => {
    const [change, ...more] = findChangePoints(make(100, (i) => (i < 40 ? 1 : 2)));
    expect(change.index).toBe(40);
    expect([change.before, change.after].map((x) => Math.round(1e6 * x) / 1e6)).toEqual([1, 2]);
    expect(more).toEqual([]);
  });

  it.each([[[]], [[1]], [make(15, (i) => i)], [make(50, () => 3)]])('has no change in %j', (values) => {
    expect(findChangePoints(values)).toEqual([]);
  });
});

describe('updateChange', () => {
  const random = noise(9);
  const changes = (values: number[]): [number, string][] => {
    let state = EMPTY_CHANGE;
    return values.flatMap((value, i) => {
      const next = updateChange(state, value);
      state = next.state;
      return next.change === null ? [] : [[i, next.change] as [number, string]];
    });
  };

  it('tells direction and row of a shift of two deviations', () => {
    const found = changes(make(800, (i) => random() + (i >= 400 ? -2 : 0)));
    expect(found[0][1]).toBe('down');
    expect(found[0][0] - 400).toBeLessThan(15);
  });

  it('is not moved by one wild value', () => {
    expect(changes(make(400, (i) => (i === 300 ? 1e6 : i % 2)))).toEqual([]);
  });
});

describe('findLagCorrelations', () => {
  const random = noise(11);
  const leader = make(
    800,
    (
      (x) => () =>
        (x = 0.6 * x + random())
    )(0),
  );

  it('finds who follows whom, and by how many rows', () => {
    const follower = leader.map((_, i) => (i < 5 ? 0 : -0.8 * leader[i - 5]) + 0.4 * random());
    const [pair, ...more] = findLagCorrelations(
      [
        { id: 'z', values: leader },
        { id: 'a', values: follower },
      ],
      20,
    );
    expect(pair).toMatchObject({ leader: 'z', follower: 'a', lagSteps: 5 });
    expect(pair.correlation).toBeLessThan(-0.5);
    expect(pair.qValue).toBeLessThan(1e-6);
    expect(more).toEqual([]);
  });

  it('reports none of 190 pairs of unrelated autocorrelated series', () => {
    const series = make(20, (k) => k).map((k) => {
      let x = 0;
      return { id: `s${k}`, values: make(400, () => (x = 0.9 * x + random())) };
    });
    expect(findLagCorrelations(series, 24)).toEqual([]);
  });

  it('is not led by a coincidence of outliers', () => {
    const one = make(500, (i) => random() + (i === 100 ? 1000 : 0));
    const other = make(500, (i) => random() + (i === 107 ? 1000 : 0));
    expect(
      findLagCorrelations(
        [
          { id: 'a', values: one },
          { id: 'b', values: other },
        ],
        20,
      ),
    ).toEqual([]);
  });

  it('does not depend on the order of the series', () => {
    const series = [0, 2, 7].map((lag) => ({
      id: `s${lag}`,
      values: leader.map((_, i) => leader[Math.max(i - lag, 0)]),
    }));
    expect(findLagCorrelations([...series].reverse(), 10)).toEqual(findLagCorrelations(series, 10));
  });

  it('has nothing to say about constants, holes and short series', () => {
    const constant = { id: 'c', values: make(300, () => 1) };
    const holes = { id: 'h', values: make(300, () => 0).map(() => null) };
    const short = { id: 's', values: [1, 2, 3] };
    expect(findLagCorrelations([constant, holes, short], 10)).toEqual([]);
  });
});

describe('autoregression and normalTail', () => {
  it('recovers the weights of a second-order process', () => {
    const random = noise(2);
    const values: number[] = [0, 0];
    for (let i = 2; i < 20_000; i++) values.push(0.5 * values[i - 1] + 0.3 * values[i - 2] + random());
    const [first, second] = autoregression(values, 2);
    expect(first).toBeCloseTo(0.5, 1);
    expect(second).toBeCloseTo(0.3, 1);
  });

  it.each([
    [0, 1],
    [1.959964, 0.05],
    [-3.290527, 0.001],
  ])('gives z = %s the two-sided probability %s', (z, p) => {
    expect(normalTail(z)).toBeCloseTo(p, 6);
  });
});

describe('analyzePatterns', () => {
  const random = noise(21);
  const series = (id: string, n: number, value: (i: number) => number | null, step = 3600): RecordedSeries => ({
    id,
    points: Array.from({ length: n }, (_, i) => ({ seconds: i * step, value: value(i) })),
  });

  it('reports periods in seconds, a change point with its time and no trend', () => {
    const one = analyzeSeries(series('a', 1000, (i) => 5 * sine(i, 24) + random() + (i >= 600 ? 12 : 0)));
    expect(one).toMatchObject({ stepSeconds: 3600, rows: 1000, missing: 0, trend: { direction: 'none' } });
    expect(one.periods[0]).toMatchObject({ steps: 24, seconds: 86_400 });
    expect(one.changePoints).toHaveLength(1);
    expect(Math.abs(one.changePoints[0].seconds - 600 * 3600)).toBeLessThanOrEqual(3 * 3600);
  });

  it('calls a steady climb a trend and not a staircase', () => {
    const one = analyzeSeries(series('a', 800, (i) => 0.02 * i + random()));
    expect(one.trend.direction).toBe('up');
    expect(one.trend.perDay).toBeCloseTo(0.48, 1);
    expect(one.changePoints).toEqual([]);
  });

  it('gives a random walk no trend in most of 20 cases', () => {
    const trends = make(20, (k) => k).map(() => {
      let x = 0;
      return analyzeSeries(series('w', 500, () => (x += random()))).trend.direction;
    });
    expect(trends.filter((direction) => direction !== 'none').length).toBeLessThanOrEqual(6);
  });

  it('expects changes the sooner the more there were', () => {
    const calm = analyzeSeries(series('a', 960, () => random()));
    const restless = analyzeSeries(
      series('b', 960, (i) => random() + [100, 190, 300, 480, 570, 700, 860].filter((at) => i >= at).length ** 2),
    );
    expect(restless.changePoints).toHaveLength(7);
    expect(restless.changeWithinDay).toBeGreaterThan(5 * calm.changeWithinDay);
    // (40 / 41)^(7.5) days without a change, by hand.
    expect(restless.changeWithinDay).toBeCloseTo(1 - (40 / 41) ** 7.5, 9);
  });

  it('relates series of different steps on the coarser grid', () => {
    const shocks = noise(12);
    let x = 0;
    const level = make(6000, () => (x = 0.97 * x + shocks()));
    const coarse = make(1000, (i) => level[6 * i]);
    const fine = make(6000, (i) => (i >= 18 ? level[i - 18] : 0) + 0.1 * shocks());
    const record = (id: string, values: number[], stepSeconds: number): RecordedSeries => ({
      id,
      points: values.map((value, i) => ({ seconds: i * stepSeconds, value })),
    });
    const { correlations } = analyzePatterns([record('fine', fine, 600), record('coarse', coarse, 3600)]);
    expect(correlations).toHaveLength(1);
    expect(correlations[0]).toMatchObject({ leader: 'coarse', follower: 'fine', lagSteps: 3, lagSeconds: 10_800 });
  });

  it('takes series of the same step that lie decades apart', () => {
    const shocks = noise(13);
    const record = (id: string, from: number): RecordedSeries => ({
      id,
      points: make(200, () => shocks()).map((value, i) => ({ seconds: from + i, value })),
    });
    expect(analyzePatterns([record('a', 0), record('b', 1.7e9)]).correlations).toEqual([]);
  });

  it('does not depend on the order of series and points, and bridges holes', () => {
    const a = series('a', 500, (i) => (i % 50 === 7 ? null : sine(i, 24) + 0.2 * random()));
    const b = series('b', 400, (i) => i % 7);
    const shuffled = {
      ...a,
      points: [...a.points].sort((x, y) => ((x.seconds * 7919) % 997) - ((y.seconds * 7919) % 997)),
    };
    expect(analyzePatterns([b, shuffled])).toEqual(analyzePatterns([a, b]));
    expect(analyzeSeries(a)).toMatchObject({ missing: 10, periods: [{ steps: 24 }] });
  });

  it.each([0, 1, 2, 11])('answers a series of %s points with no pattern', (n) => {
    expect(analyzeSeries(series('a', n, (i) => i % 2))).toMatchObject({ periods: [], changePoints: [], rows: n });
  });
});

describe('behaviour profiles', () => {
  const point = fc.record({
    seconds: fc.integer({ min: -1e6, max: 1e7 }),
    value: fc.integer({ min: -1000, max: 1000 }),
  });

  it('merge like sets: any split of the points gives the same profile', () => {
    fc.assert(
      fc.property(fc.array(point), fc.array(point), (a, b) => {
        expect(mergeBehaviour(profileBehaviour(a), profileBehaviour(b))).toEqual(profileBehaviour([...b, ...a]));
        expect(mergeBehaviour(emptyBehaviour(), profileBehaviour(a))).toEqual(profileBehaviour(a));
      }),
    );
  });

  const day = (value: (hour: number) => number): ReturnType<typeof profileBehaviour> =>
    profileBehaviour(make(240, (i) => i).map((i) => ({ seconds: i * 3600, value: value(i % 24) })));

  it('differ when size or timing changes, not otherwise', () => {
    const office = day((hour) => (hour > 8 && hour < 18 ? 100 : 10));
    expect(compareBehaviour(office, office)).toMatchObject({ magnitude: 0, timing: 0, meanRatio: 1, changed: false });
    expect(
      compareBehaviour(
        office,
        day((hour) => (hour > 8 && hour < 18 ? 800 : 80)),
      ),
    ).toMatchObject({ meanRatio: 8, changed: true });
    const night = compareBehaviour(
      office,
      day((hour) => (hour > 20 || hour < 6 ? 100 : 10)),
    );
    expect(night.timing).toBeGreaterThan(0.2);
    expect(night.changed).toBe(true);
  });

  it('of too few values never differ', () => {
    const few = profileBehaviour([{ seconds: 0, value: 1e9 }]);
    expect(
      compareBehaviour(
        day(() => 1),
        few,
      ),
    ).toMatchObject({ changed: false, meanRatio: null });
    expect(compareBehaviour(emptyBehaviour(), emptyBehaviour())).toMatchObject({ magnitude: 0, changed: false });
  });
});

describe('a steady slope', () => {
  const rough = (i: number): number => ((i * 7919) % 13) - 6;
  it.each([
    ['of a line in noise is its slope', (i: number) => 100 + 3 * i + rough(i), [2.8, 3.2]],
    ['of a fall likewise', (i: number) => 400 - 3 * i + rough(i), [-3.2, -2.8]],
    ['of one jump is none', (i: number) => (i < 20 ? 100 : 160) + rough(i), null],
    ['of one jump late is none', (i: number) => (i < 43 ? 100 : 900) + rough(i), null],
    ['of one spike is none', (i: number) => (i === 30 ? 900 : 100) + rough(i), null],
    ['of noise is none', rough, null],
    ['of a constant is none', () => 5, null],
  ])('%s', (_, valueAt, range) => {
    const slope = steadySlope(Array.from({ length: 48 }, (_, i) => valueAt(i)));
    if (range === null) expect(slope).toBeNull();
    else {
      expect(slope).toBeGreaterThan(range[0]);
      expect(slope).toBeLessThan(range[1]);
    }
  });
});
