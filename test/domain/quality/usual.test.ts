import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HISTORY_MIN,
  judgeUnusual,
  learnUsual,
  studentUpper,
  UNUSUAL_RATE,
  type Measured,
} from '../../../domain/quality/usual.js';
import { seededRandom } from '../../simulation/faults.js';

const HOUR = 3_600_000;
const at = (values: readonly number[]) => values.map((value, hour) => ({ atMs: hour * HOUR, value }));
const learned = (metric: Measured['metric'], values: readonly number[], nextMs = values.length * HOUR) =>
  learnUsual(metric, at(values), nextMs)!;
const today = (more: Partial<Measured> & Pick<Measured, 'metric' | 'usual' | 'value'>): Measured => ({
  id: 'm/n',
  column: 'x',
  rows: 1_000,
  ...more,
});
/** Completeness of 1,000 rows around 98 %. */
const steady = Array.from({ length: 40 }, (_, index) => 0.98 + 0.002 * ((index % 5) - 2));

describe('what is usual', () => {
  it('is learned from twenty values on', () => {
    expect(learnUsual('completeness', at(steady.slice(0, HISTORY_MIN - 1)), 0)).toBeNull();
    expect(learned('completeness', steady.slice(0, HISTORY_MIN)).middle).toBeCloseTo(0.98, 9);
  });
  it('has a middle for each hour of the day where that explains the spread', () => {
    const rows = Array.from({ length: 168 }, (_, hour) => (hour % 24 < 12 ? 100 : 1_000) + (hour % 7));
    const night = learned('rows', rows, 168 * HOUR);
    const day = learned('rows', rows, 180 * HOUR);
    expect(night.seasonal && day.seasonal).toBe(true);
    expect([Math.expm1(night.middle), Math.expm1(day.middle)].map((value) => Math.round(value / 100))).toEqual([1, 10]);
  });
  it('has none where the hours are alike', () => {
    expect(
      learned(
        'completeness',
        Array.from({ length: 168 }, (_, i) => 0.9 + 0.01 * ((i * 7) % 5)),
      ).seasonal,
    ).toBe(false);
  });
});

describe('unusual values', () => {
  const completeness = { metric: 'completeness', usual: learned('completeness', steady) } as const;
  it.each([
    ['as ever', 0.978, []],
    ['better than ever', 1, []],
    ['worse, but not by what matters', 0.965, []],
    ['a tenth is gone', 0.88, ['degrade']],
    ['more than half is gone', 0.4, ['quarantine']],
  ])('completeness: %s', (_, value, severities) => {
    expect(judgeUnusual([today({ ...completeness, value })]).map(({ finding }) => finding.severity)).toEqual(
      severities,
    );
  });
  it('say what is usual, what came and how that is known', () => {
    const [{ finding }] = judgeUnusual([today({ ...completeness, value: 0.88 })]);
    expect(finding.message).toBe('x lacks values: 88 % where 98 % is usual');
    expect(finding.expected).toContain('learned from 40 deliveries');
  });
  it.each([
    ['invalid', 0.01, 0.2],
    ['duplicates', 0, 0.1],
    ['age', HOUR, 30 * HOUR],
    ['rows', 1_000, 300],
  ] as const)('%s: from %d to %d', (metric, before, value) => {
    const usual = learned(
      metric,
      Array.from({ length: 40 }, () => before),
    );
    expect(judgeUnusual([today({ metric, usual, value: before, rows: 1_000 })])).toEqual([]);
    expect(judgeUnusual([today({ metric, usual, value, rows: 1_000 })])).toHaveLength(1);
  });
  it('need the more evidence the more is looked at', () => {
    const doubtful = today({ ...completeness, value: 0.93 });
    const alone = judgeUnusual([doubtful]).length;
    const among = judgeUnusual([
      doubtful,
      ...Array.from({ length: 500 }, (_, i) => today({ ...completeness, id: `o${i}`, value: 0.98 })),
    ]).length;
    expect([alone, among]).toEqual([1, 0]);
  });
  it('do not depend on the order of what is judged, and get no better when the value gets worse', () => {
    const values = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(values, (list) => {
        const measured = list.map((value, i) => today({ ...completeness, column: `c${i}`, value }));
        expect(judgeUnusual([...measured].reverse())).toEqual(judgeUnusual(measured));
        const rank = (value: number) =>
          ['none', 'degrade', 'quarantine'].indexOf(
            judgeUnusual([today({ ...completeness, value })])[0]?.finding.severity ?? 'none',
          );
        expect(rank(list[0] / 2)).toBeGreaterThanOrEqual(rank(list[0]));
      }),
    );
  });
  it('are at most one in a thousand runs over ten stable columns, heavy tails included', () => {
    const random = seededRandom(5);
    // Sum of a few uniform numbers, one in twenty of them four times as far out: more than a normal law has.
    const noise = () => (random() + random() + random() - 1.5) * (random() < 0.05 ? 4 : 1) * 0.01;
    let alarms = 0;
    for (let run = 0; run < 2_000; run++) {
      const measured = Array.from({ length: 10 }, (_, i) =>
        today({
          metric: 'completeness',
          column: `c${i}`,
          usual: learned(
            'completeness',
            Array.from({ length: 30 }, () => 0.9 + noise()),
          ),
          value: 0.9 + noise(),
          rows: 100_000,
        }),
      );
      if (judgeUnusual(measured).length > 0) alarms++;
    }
    expect(alarms).toBeLessThanOrEqual(2_000 * UNUSUAL_RATE);
  });
});

// Tables of Student's t with 4 degrees of freedom: one-sided 5 %, 1 % and .1 %.
it.each([
  [0, 0.5],
  [2.131847, 0.05],
  [3.746947, 0.01],
  [7.173182, 0.001],
])('the upper tail of t(4) beyond %d is %d', (t, p) => {
  expect(studentUpper(t) / p).toBeCloseTo(1, 4);
});
