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
import { betaBinomialUpper } from '../../../domain/quality/shift-probability.js';
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
    const doubtful = today({ ...completeness, value: 0.958 });
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

describe('a share whose history varies as draws do', () => {
  const random = seededRandom(11);
  const draw = (rate: number, rows: number): number =>
    Array.from({ length: rows }, () => Number(random() < rate)).reduce((sum, one) => sum + one, 0) / rows;
  const completeness = (rates: readonly number[], rows: number) => rates.map((rate) => 1 - draw(rate, rows));
  const isFound = (past: readonly number[], value: number, rows: number): boolean => {
    const usual = learned('completeness', past);
    const others = Array.from({ length: 20 }, (_, i) =>
      today({ metric: 'completeness', usual, rows, id: `o${i}`, value: usual.middle }),
    );
    return judgeUnusual([...others, today({ metric: 'completeness', usual, value, rows })]).length > 0;
  };
  it('is found to have risen from .5 to 10 % in one delivery of 200 rows, in 95 % of cases', () => {
    const found = Array.from({ length: 100 }, () =>
      isFound(completeness(new Array<number>(20).fill(0.005), 200), 1 - draw(0.1, 200), 200),
    );
    expect(found.filter((one) => one).length).toBeGreaterThanOrEqual(95);
  });
  it('shows a change too small for one delivery in a few, and says of how many', () => {
    const past = completeness(new Array<number>(200).fill(0.05), 200).slice(0, 168);
    const risen = new Array<number>(7).fill(0.9);
    expect(isFound(past, 0.9, 200)).toBe(false);
    const usual = learned('completeness', [...past, ...risen]);
    const [{ finding }] = judgeUnusual([today({ metric: 'completeness', usual, value: 0.9, rows: 200 })]);
    expect(finding.message).toMatch(/^x lacks values: 90 % in the last 8 deliveries together where 95/);
  });
  it('counts for nothing where the history varies more, or has a season as long as the window', () => {
    const bursts = Array.from({ length: 100 }, (_, i) => (i % 10 === 0 ? 0.8 : 1));
    expect(learned('completeness', bursts).bad!.spreads[0]).toBeGreaterThan(0.05);
    expect(isFound(bursts, 0.8, 200)).toBe(false);
    const nights = Array.from({ length: 168 }, (_, hour) => 1 - draw(hour % 24 < 8 ? 0.15 : 0.05, 50));
    const night = Array.from({ length: 7 }, () => 0.85);
    expect(isFound([...nights.slice(0, 160), ...night], 0.85, 50)).toBe(false);
  });
});

describe('the upper tail of a beta-binomial law', () => {
  it('is one less what is below it, and that of a binomial where its rate is known', () => {
    const law = fc.record({
      drawn: fc.integer({ min: 1, max: 300 }),
      a: fc.double({ min: 0.5, max: 50, noNaN: true }),
      b: fc.double({ min: 0.5, max: 500, noNaN: true }),
    });
    fc.assert(
      fc.property(law, ({ drawn, a, b }) => {
        const tails = Array.from({ length: drawn + 2 }, (_, count) => betaBinomialUpper(count, drawn, a, b));
        expect(tails[0]).toBe(1);
        expect(tails[drawn + 1]).toBe(0);
        for (const [count, tail] of tails.slice(1).entries()) expect(tail).toBeLessThanOrEqual(tails[count] + 1e-9);
        // Its mean is n a / (a + b), the sum of its tails.
        expect(tails.slice(1).reduce((sum, one) => sum + one, 0)).toBeCloseTo((drawn * a) / (a + b), 6);
      }),
    );
    // 2 heads or more of 3 fair throws.
    expect(betaBinomialUpper(2, 3, 1e6, 1e6)).toBeCloseTo(0.5, 4);
  });
});
