import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chartAverageRunLength, chartLimit, normalQuantile } from '../../../domain/quality/watch-scores.js';
import { createShiftDetector, falseAlarmRate, HISTORY_MAX } from '../../../domain/quality/watch.js';

/** Independent standard normal values: Box and Muller over a linear congruential generator (Numerical Recipes). */
function normals(seed: number, count: number): number[] {
  let state = seed;
  const uniform = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Array.from(
    { length: count },
    () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}
const alarms = (values: readonly (number | null)[]): [number, string][] => {
  const detector = createShiftDetector();
  return values.flatMap((value, i): [number, string][] => {
    const { kind } = detector.update(value);
    return kind === null ? [] : [[i, kind]];
  });
};

describe('createShiftDetector', () => {
  const before = normals(1, 2000);
  const after = normals(2, 600);
  it.each([
    ['a level that rises by a deviation', (x: number) => x + 1, 'level-up', 60],
    ['a level that falls by half a deviation', (x: number) => x - 0.5, 'level-down', 250],
    ['a spread that doubles', (x: number) => 2 * x, 'spread-up', 150],
    ['a spread that halves', (x: number) => x / 2, 'spread-down', 150],
  ])('finds %s', (_name, change, kind, within) => {
    const found = alarms([...before, ...after.map(change)]);
    expect(found[0][1]).toBe(kind);
    expect(found[0][0]).toBeGreaterThanOrEqual(2000);
    expect(found[0][0]).toBeLessThan(2000 + within);
  });

  it('is the same for any increasing transformation of the values: only ranks count', () => {
    const values = [...before.slice(0, 500), ...after.map((x) => x + 1)];
    expect(alarms(values.map((x) => Math.exp(3 * x)))).toEqual(alarms(values));
  });

  it.each([
    ['nothing', []],
    ['one value', [5]],
    ['a constant', Array.from({ length: 3000 }, () => 7)],
    ['missing values', [null, Number.NaN, Number.POSITIVE_INFINITY]],
    ['a daily wave with noise', before.map((x, i) => 5 * Math.sin((2 * Math.PI * i) / 24) + x)],
    [
      'strongly correlated values',
      before.reduce<number[]>((list, x) => [...list.slice(-1999), 0.9 * (list.at(-1) ?? 0) + x], []),
    ],
  ])('never alarms on %s', (_name, values) => {
    expect(alarms(values)).toEqual([]);
  });

  it('finds half a deviation in correlated values as well', () => {
    const noise = [...before, ...after].reduce<number[]>((list, x) => {
      list.push(0.5 * (list.at(-1) ?? 0) + Math.sqrt(0.75) * x);
      return list;
    }, []);
    const found = alarms(noise.map((x, i) => (i < 2000 ? x : x + 0.5)));
    expect(found[0][1]).toBe('level-up');
    expect(found[0][0]).toBeGreaterThanOrEqual(2000);
  });

  it('solves the run length for the limit', () => {
    for (const k of [0.25, 0.1, 0.05])
      expect(chartAverageRunLength(k, chartLimit(k, 50_000)) / 50_000).toBeCloseTo(1, 6);
  });

  it('alarms soon when a constant moves', () => {
    const found = alarms([...Array.from({ length: 200 }, () => 7), ...Array.from({ length: 30 }, () => 8)]);
    expect(found[0][1]).toBe('level-up');
    expect(found[0][0]).toBeLessThan(212);
  });

  it('a missing value changes nothing', () => {
    const values = [...before.slice(0, 300), ...after.map((x) => x + 1)];
    const holes = values.flatMap((x): (number | null)[] => [x, null]);
    expect(alarms(holes).map(([i]) => i / 2)).toEqual(alarms(values).map(([i]) => i));
  });

  it('row i depends on rows up to i only, and a snapshot goes on as if nothing had happened', () => {
    const stream = fc.array(fc.oneof(fc.double({ min: -3, max: 3, noNaN: true }), fc.constant(null)), {
      maxLength: 200,
    });
    fc.assert(
      fc.property(stream, fc.nat(200), (values, cut) => {
        const shifted = values.map((x, i) => (x !== null && i > 100 ? x + 4 : x));
        const whole = createShiftDetector();
        const verdicts = shifted.map((x) => whole.update(x));
        const first = createShiftDetector();
        const head = shifted.slice(0, cut).map((x) => first.update(x));
        expect(head).toEqual(verdicts.slice(0, cut));
        const second = createShiftDetector(
          JSON.parse(JSON.stringify(first.snapshot())) as ReturnType<typeof first.snapshot>,
        );
        expect(shifted.slice(cut).map((x) => second.update(x))).toEqual(verdicts.slice(cut));
      }),
      { numRuns: 50 },
    );
  });

  it('keeps a bounded state', () => {
    const detector = createShiftDetector();
    normals(3, HISTORY_MAX + 500).forEach((x) => detector.update(x));
    expect(detector.snapshot().history.length).toBeLessThanOrEqual(HISTORY_MAX);
  });

  it('refuses a state that it did not make', () => {
    const state = createShiftDetector().snapshot();
    expect(() => createShiftDetector({ ...state, charts: [0] })).toThrow('not a state');
    expect(() => createShiftDetector({ ...state, version: 2 as 1 })).toThrow('not a state');
  });
});

describe('what the limits stand on', () => {
  it('normal quantiles as printed', () => {
    expect(normalQuantile(0.5)).toBe(0);
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963985, 7);
    expect(normalQuantile(0.001)).toBeCloseTo(-3.090232306, 7);
  });
  it('CUSUM k = .5, h = 5 runs 465 values on two sides (Montgomery, table 9.3), within 2 %', () => {
    expect(chartAverageRunLength(0.5, 5) / 2 / 465).toBeCloseTo(1, 1);
  });
  it('all four charts together stay below half a false alarm in 10,000 values', () => {
    expect(falseAlarmRate() * 10_000).toBeLessThan(0.5);
  });
});
