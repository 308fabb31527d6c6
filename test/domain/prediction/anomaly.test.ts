import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createAnomalyDetector,
  restoreAnomalyDetector,
  type AnomalyVerdict,
} from '../../../domain/prediction/anomaly.js';

const STEP_SECONDS = 900;
const DAY_ROWS = 96;
const ROWS = 21 * DAY_ROWS;
const ONSET = 17 * DAY_ROWS + 40;

/** Deterministic noise of unit deviation (sum of uniforms from a linear congruential generator). */
function noise(seed: number): () => number {
  let state = seed;
  const uniform = (): number => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648;
  return () => Array.from({ length: 12 }, uniform).reduce((sum, x) => sum + x, -6);
}

/** Three weeks of a daily season with noise of deviation 2, changed from the onset on. */
function stream(change: (value: number, rowsIn: number, previous: number) => number, seed = 1): number[] {
  const random = noise(seed);
  const values: number[] = [];
  for (let i = 0; i < ROWS; i++) {
    const normal = 100 + 20 * Math.sin((2 * Math.PI * i) / DAY_ROWS) + 2 * random();
    values.push(i < ONSET ? normal : change(normal, i - ONSET, values[i - 1]));
  }
  return values;
}

function run(values: readonly (number | null)[], maxPerWeek?: number): (AnomalyVerdict & { row: number })[] {
  const detector = createAnomalyDetector({ maxPerWeek });
  return values.map((value, i) => ({ ...detector.update(i * STEP_SECONDS, value), row: i }));
}

const alarmsAfter = (values: readonly (number | null)[], onset = ONSET): (AnomalyVerdict & { row: number })[] =>
  run(values).filter((verdict) => verdict.isAnomaly && verdict.row >= onset);

describe('createAnomalyDetector names', () => {
  const cases: [string, string, number, (value: number, rowsIn: number, previous: number) => number][] = [
    ['one high value a spike', 'spike', 6, (x, k) => (k === 0 ? x + 40 : x)],
    ['three low values a dip', 'dip', 10, (x, k) => (k < 3 ? x - 30 : x)],
    ['a lasting jump a level shift', 'level-shift', 12, (x) => x + 20],
    ['a slow climb a trend', 'trend', 90, (x, k) => x + 0.25 * k],
    [
      'noise five times as wide a change of variance',
      'variance',
      24,
      (x, k) => x + (k % 2 === 0 ? 1 : -1) * (6 + (k % 5) * 2),
    ],
    ['a stuck value a flatline', 'flatline', 8, (_value, _rowsIn, previous) => previous],
    ['a vanished source a flatline', 'flatline', 8, () => 0],
    ['a season upside down a season break', 'season-break', 48, (x) => 200 - x],
  ];
  it.each(cases)('%s', (_, type, delayRowsMax, change) => {
    const alarms = alarmsAfter(stream(change));
    expect(alarms[0]?.type).toBe(type);
    expect(alarms[0].row - ONSET).toBeLessThanOrEqual(delayRowsMax);
    expect(alarms[0].action).not.toBe('');
    expect(['low', 'medium', 'high']).toContain(alarms[0].severity);
  });

  it('missing values a flatline with an action of its own', () => {
    const values = stream((x) => x).map((x, i) => (i >= ONSET && i < ONSET + 30 ? null : x));
    const [alarm, ...more] = alarmsAfter(values);
    expect(alarm).toMatchObject({ type: 'flatline', row: ONSET + 3 });
    expect(alarm.action).toMatch(/request the data again/);
    expect(more).toEqual([]);
  });

  it('a hole in the timestamps a flatline on the row after it', () => {
    const detector = createAnomalyDetector();
    const verdicts = stream((x) => x).map((x, i) => detector.update((i + (i >= ONSET ? 40 : 0)) * STEP_SECONDS, x));
    expect(verdicts[ONSET]).toMatchObject({ isAnomaly: true, type: 'flatline' });
  });

  it('a hole that ends in a row without a value on that row, once', () => {
    const detector = createAnomalyDetector();
    const values = stream((x) => x).map((x, i) => (i === ONSET ? null : x));
    const verdicts = values.map((x, i) => detector.update((i + (i >= ONSET ? DAY_ROWS : 0)) * STEP_SECONDS, x));
    expect(verdicts[ONSET]).toMatchObject({ isAnomaly: true, type: 'flatline' });
    expect(verdicts.filter((verdict) => verdict.isAnomaly)).toHaveLength(1);
  });
});

describe('createAnomalyDetector', () => {
  it('raises at most one alarm in three weeks of a clean season', () => {
    for (const seed of [1, 2, 3])
      expect(run(stream((x) => x, seed)).filter((v) => v.isAnomaly).length).toBeLessThanOrEqual(1);
  });

  it('is not poisoned by an outage: the same spike after it is still found', () => {
    const outage = stream((x, k) => (k < 60 ? 0 : k === 160 ? x + 40 : x));
    const alarms = alarmsAfter(outage);
    expect(alarms.map((alarm) => alarm.type)).toEqual(['flatline', 'spike']);
    expect(alarms[1].row - ONSET - 160).toBeLessThanOrEqual(6);
  });

  it('adopts a new level: one alarm for the shift, a spike on the new level is found', () => {
    const shifted = stream((x, k) => x + 30 + (k === 200 ? 40 : 0));
    expect(alarmsAfter(shifted).map((alarm) => alarm.type)).toEqual(['level-shift', 'spike']);
  });

  it('raises no second alarm when an adopted shift goes back', () => {
    const back = stream((x, k) => (k < 150 ? x + 30 : x));
    expect(alarmsAfter(back).map((alarm) => alarm.type)).toEqual(['level-shift']);
  });

  it.each([1, 2, 0.5])('never raises more alarms in 7 days than a budget of %s a week allows', (maxPerWeek) => {
    const random = noise(5);
    // Heavy tails: the cube of a normal value.
    const alarms = run(
      Array.from({ length: 6 * 7 * DAY_ROWS }, () => random() ** 3 * (random() > 1.5 ? 30 : 1)),
      maxPerWeek,
    )
      .filter((verdict) => verdict.isAnomaly)
      .map((verdict) => verdict.row * STEP_SECONDS);
    const horizon = (7 * 86_400) / Math.min(1, maxPerWeek);
    alarms.forEach((at, i) => {
      const within = alarms.slice(i).filter((other) => other < at + horizon).length;
      expect(within).toBeLessThanOrEqual(Math.max(1, maxPerWeek));
    });
    expect(alarms.length).toBeGreaterThan(0);
  });

  it('depends on past rows only: a truncated stream has the identical prefix', () => {
    const values = stream((x) => x + 20);
    const whole = run(values);
    for (const length of [1, 100, ONSET + 3]) expect(run(values.slice(0, length))).toEqual(whole.slice(0, length));
  });

  it('continues from a snapshot that went through JSON exactly as if it had not stopped', () => {
    const values = stream((x, k) => (k < 60 ? 0 : x));
    const whole = run(values);
    for (const cut of [0, 20, 500, ONSET + 2, ONSET + 30]) {
      const first = createAnomalyDetector();
      for (let i = 0; i < cut; i++) first.update(i * STEP_SECONDS, values[i]);
      const text = JSON.stringify(first.snapshot());
      expect(text).not.toMatch(/null,null|NaN|Infinity/);
      const second = restoreAnomalyDetector(JSON.parse(text) as ReturnType<typeof first.snapshot>);
      for (let i = cut; i < ROWS; i++)
        expect({ ...second.update(i * STEP_SECONDS, values[i]), row: i }).toEqual(whole[i]);
    }
  });

  it('keeps its state below 16 KB', () => {
    const detector = createAnomalyDetector();
    stream((x) => x + 20).forEach((value, i) => detector.update(i * STEP_SECONDS, value));
    expect(JSON.stringify(detector.snapshot()).length).toBeLessThan(16 * 1024);
  });

  it.each<[string, (number | null)[]]>([
    ['an empty stream', []],
    ['a single value', [5]],
    ['a constant', new Array<number>(2000).fill(7)],
    ['nothing but missing values', new Array<null>(2000).fill(null)],
  ])('has no alarm for %s', (_, values) => {
    expect(run(values).filter((verdict) => verdict.isAnomaly)).toEqual([]);
  });

  it('stops alarming about a spike that recurs: zeros with a rare one have at most three alarms', () => {
    const alarms = run(Array.from({ length: 4000 }, (_, i) => (i % 97 === 0 ? 1 : 0))).filter((v) => v.isAnomaly);
    expect(alarms.length).toBeLessThanOrEqual(3);
  });

  it('alarms about a spike far larger than the recurring ones', () => {
    const values: number[] = Array.from({ length: 4000 }, (_, i) => (i % 97 === 0 ? 1 : 0));
    values[3900] = 50;
    const last = run(values)
      .filter((v) => v.isAnomaly)
      .at(-1);
    expect(last).toMatchObject({ type: 'spike' });
    expect(last!.row).toBeGreaterThanOrEqual(3900);
  });

  it('scores the first change of a constant as entirely new', () => {
    const verdicts = run([...new Array<number>(500).fill(7), 8]);
    expect(verdicts[499].score).toBe(0);
    expect(verdicts[500].score).toBe(1);
  });

  it('takes NaN and infinite values for missing ones', () => {
    const bad = createAnomalyDetector();
    const good = createAnomalyDetector();
    stream((x) => x).forEach((value, i) => {
      const hole = i % 50 === 0;
      const wrong = i % 100 === 0 ? NaN : Infinity;
      expect(bad.update(i * STEP_SECONDS, hole ? wrong : value)).toEqual(
        good.update(i * STEP_SECONDS, hole ? null : value),
      );
    });
  });

  it('has a score in [0, 1] and a type exactly on alarms, whatever comes', () => {
    const row = fc.tuple(fc.integer({ min: -10, max: 100_000 }), fc.option(fc.double({ noNaN: true }), { nil: null }));
    fc.assert(
      fc.property(fc.array(row, { maxLength: 300 }), (rows) => {
        const detector = createAnomalyDetector();
        let seconds = 0;
        for (const [delta, value] of rows) {
          seconds += delta;
          const verdict = detector.update(seconds, value);
          expect(verdict.score).toBeGreaterThanOrEqual(0);
          expect(verdict.score).toBeLessThanOrEqual(1);
          expect(verdict.isAnomaly).toBe(verdict.type !== null);
        }
      }),
      { numRuns: 50 },
    );
  });

  it.each([0, -1, NaN])('refuses maxPerWeek %s and stepSeconds %s', (value) => {
    expect(() => createAnomalyDetector({ maxPerWeek: value })).toThrow(/maxPerWeek: expected a positive number/);
    expect(() => createAnomalyDetector({ stepSeconds: value })).toThrow(/stepSeconds: expected a positive number/);
  });
});

describe('rows that repeat a time or come late', () => {
  const values = stream((value, rowsIn) => (rowsIn === 0 ? value + 60 : value));
  const straight = run(values);

  it('are quiet and change nothing of the others, wherever they come', () => {
    const at = fc.integer({ min: 1, max: ROWS - 1 });
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(at, fc.nat(80)), { maxLength: 20, selector: ([row]) => row }), (late) => {
        const lateAfter = new Map(late);
        const detector = createAnomalyDetector();
        const verdicts: AnomalyVerdict[] = [];
        values.forEach((value, row) => {
          verdicts.push(detector.update(row * STEP_SECONDS, value));
          const by = lateAfter.get(row);
          if (by === undefined) return;
          const again = detector.update(Math.max(0, row - by) * STEP_SECONDS, by % 2 === 0 ? value : 9_999);
          expect(again).toMatchObject({ score: 0, isAnomaly: false });
        });
        expect(verdicts).toEqual(straight.map(({ row: _, ...verdict }) => verdict));
      }),
      { numRuns: 10 },
    );
    expect(straight.some(({ isAnomaly, row }) => isAnomaly && row > ONSET)).toBe(true);
  });

  it('are the present again once a day of them has come: the clock was set back', () => {
    const detector = createAnomalyDetector();
    values.slice(0, 1_000).forEach((value, row) => detector.update(row * STEP_SECONDS, value));
    const restored = restoreAnomalyDetector(JSON.parse(JSON.stringify(detector.snapshot())) as never);
    const scores = values.slice(0, 400).map((value, row) => restored.update(row * STEP_SECONDS, value + 500).score);
    expect(scores.slice(0, DAY_ROWS).every((score) => score === 0)).toBe(true);
    expect(Math.max(...scores.slice(DAY_ROWS))).toBeGreaterThan(0.5);
  });
});
