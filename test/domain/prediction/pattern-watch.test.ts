/** What a pool finds out about its demand, a look at a time: who follows whom, what recurs, whose behaviour changed. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { confirmedRelations, watchPatterns, type KnownPatterns } from '../../../domain/prediction/pattern-watch.js';
import { noise } from './series-fixtures.js';

const HOUR = 3_600_000;
const STEPS = 336;
const make = (length: number, value: (step: number) => number): number[] =>
  Array.from({ length }, (_, step) => value(step));
const looks = (series: Record<string, readonly (number | null)[]>, upToMs = STEPS * HOUR): KnownPatterns[] => {
  const window = { stepMs: HOUR, upToMs, series: Object.entries(series).map(([id, values]) => ({ id, values })) };
  return watchPatterns(
    Object.keys(series).filter((id) => id.includes('/')),
    window,
    new Map(),
  );
};
const bursts = (seed: number): number[] => {
  const gauss = noise(seed);
  return make(STEPS, () => Math.round(200 * Math.exp(0.8 * gauss())));
};

describe('related series', () => {
  test('one that follows another is found with its lag, across demand and quality, and unrelated ones are not', () => {
    const [a, other, own] = [1, 2, 3].map(bursts);
    const gauss = noise(9);
    const b = a.map((_, step) => 100 + 0.5 * (a[step - 3] ?? 0) + 5 * gauss());
    const late = a.map((_, step) => 10 + 0.1 * (b[step - 2] ?? 0) + gauss());
    const known = looks({ 'a/x': a, 'b/x': b, 'c/x': other, 'd/y': own, 'quality:age b/need': late });
    const found = confirmedRelations(known).map(({ leader, follower, lagSteps }) =>
      [leader, follower, lagSteps].join(),
    );
    expect(found.sort()).toEqual(['a/x,b/x,3', 'a/x,quality:age b/need,5', 'b/x,quality:age b/need,2']);
  });

  test('of unrelated series in common daily rhythm at most one in twenty looks is wrong', () => {
    let found = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const gauss = noise(100 * seed);
      const daily = (): number[] =>
        make(STEPS, (step) => 500 + 300 * Math.sin((step / 24) * 2 * Math.PI) + 60 * gauss());
      const known = looks({ 'a/x': daily(), 'b/x': daily(), 'c/x': daily(), 'd/x': daily() });
      if (confirmedRelations(known).length > 0) found++;
    }
    expect(found).toBeLessThanOrEqual(4);
  });
});

describe('what recurs', () => {
  test('a season of no calendar is found with its strength', () => {
    const gauss = noise(5);
    const [known] = looks({ 'a/x': make(STEPS, (step) => (step % 30 < 5 ? 900 : 100) + 10 * gauss()) });
    expect(known.periods[0].steps).toBe(30);
    expect(known.periods[0].strength).toBeGreaterThan(0.8);
  });
});

/** Looks at a growing record every 24 steps, as the loop does, with a window of 336. */
function stream(values: readonly (number | null)[]): KnownPatterns {
  let known = new Map<string, KnownPatterns>();
  for (let end = 48; end <= values.length; end += 24) {
    const window = values.slice(Math.max(0, end - STEPS), end);
    const [one] = watchPatterns(
      ['a/x'],
      { stepMs: HOUR, upToMs: end * HOUR, series: [{ id: 'a/x', values: window }] },
      known,
    );
    known = new Map([['a/x', one]]);
  }
  return known.get('a/x')!;
}

describe('behaviour', () => {
  const gauss = noise(6);
  const office = (step: number): number => (step % 24 >= 8 && step % 24 < 18 ? 400 : 40) * Math.exp(0.3 * gauss());
  const night = (step: number): number => office(step + 12);

  test('a load that moves from day to night is told once, where it happened', () => {
    const { behaviour } = stream(make(1_344, (step) => (step < 840 ? office(step) : night(step))));
    expect(behaviour.shifts.length).toBe(1);
    expect(behaviour.shifts[0].atMs).toBe(1_008 * HOUR);
    expect(behaviour.shifts[0].timing).toBeGreaterThan(0.3);
  });

  test('a load that grows tenfold is told with how much more it is', () => {
    const { behaviour } = stream(make(1_344, (step) => (step < 1_008 ? 1 : 10) * office(step)));
    expect(behaviour.shifts.map(({ atMs }) => atMs)).toEqual([1_176 * HOUR]);
    expect(behaviour.shifts[0].meanRatio).toBeGreaterThan(7);
  });

  test('bursts and gaps that go on as they were are no change', () => {
    let shifts = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const heavy = noise(seed);
      const values = make(1_344, () => Math.round(100 * Math.exp(1.2 * heavy())));
      shifts += stream(values.map((value, step) => (step % 9 === 0 ? null : value))).behaviour.shifts.length;
    }
    expect(shifts).toBeLessThanOrEqual(1);
  });

  test('is the same whatever looks it was seen in', () => {
    const values = make(700, office);
    const [whole] = watchPatterns(
      ['a/x'],
      { stepMs: HOUR, upToMs: 700 * HOUR, series: [{ id: 'a/x', values }] },
      new Map(),
    );
    const first = { stepMs: HOUR, upToMs: 400 * HOUR, series: [{ id: 'a/x', values: values.slice(0, 400) }] };
    const known = new Map(watchPatterns(['a/x'], first, new Map()).map((one) => [one.series, one]));
    const [rest] = watchPatterns(
      ['a/x'],
      { stepMs: HOUR, upToMs: 700 * HOUR, series: [{ id: 'a/x', values: values.slice(300) }] },
      known,
    );
    expect(rest.behaviour.compared).toBe(whole.behaviour.compared);
    expect(rest.behaviour.usual.magnitudes).toEqual(whole.behaviour.usual.magnitudes);
    rest.behaviour.usual.hourSums.forEach((sum, hour) =>
      expect(sum).toBeCloseTo(whole.behaviour.usual.hourSums[hour], 6),
    );
  });
});

describe('a state', () => {
  test('is plain JSON of at most 8 kB, whatever was seen', () => {
    const value = fc.option(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e9, noNaN: true })), { nil: null });
    fc.assert(
      fc.property(fc.array(value, { maxLength: 400 }), (values) => {
        for (const known of looks({ 'a/x': values, 'b/x': [...values].reverse() }, values.length * HOUR)) {
          const text = JSON.stringify(known);
          expect(JSON.parse(text)).toEqual(known);
          expect(text.length).toBeLessThan(8_192);
        }
      }),
      { numRuns: 50 },
    );
  });
});
