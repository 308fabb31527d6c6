import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { categoryTests, chiSquareMoments, numberTests } from '../../../domain/quality/shift-tests.js';
import { detectDrift, FALSE_ALARM_RATE, type PairedColumn } from '../../../domain/quality/shift.js';

function column(
  values: (string | number)[],
  reference: number[],
  current: number[],
  over: Partial<PairedColumn> = {},
): PairedColumn {
  const sum = (counts: number[]): number => counts.reduce((a, b) => a + b, 0);
  return {
    column: 'c',
    kind: typeof values[0] === 'number' ? 'number' : 'category',
    values,
    reference,
    current,
    present: [sum(reference), sum(current)],
    missing: [0, 0],
    malformed: [0, 0],
    ...over,
  };
}
const judge = (entry: PairedColumn) => detectDrift({ d: [entry] }).d.columns[0];
/** n distinct numbers each, the current ones moved by `move`: two samples that interleave. */
function numbers(n: number, move: number): PairedColumn {
  const values = [...Array.from({ length: n }, (_, i) => i), ...Array.from({ length: n }, (_, i) => i + 0.5 + move)];
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  return column(
    order.map((i) => values[i]),
    order.map((i) => (i < n ? 1 : 0)),
    order.map((i) => (i < n ? 0 : 1)),
  );
}

describe('detectDrift', () => {
  const drifts: [string, PairedColumn, string][] = [
    ['a class of 2 % that vanishes', column(['a', 'b'], [4900, 100], [5000, 0]), 'fisher'],
    ['a class of 2 % that halves', column(['a', 'b'], [4900, 100], [4955, 45]), 'fisher'],
    ['a new class', column(['a', 'b', 'new'], [2500, 2500, 0], [2470, 2470, 60]), 'fisher'],
    ['a mix that turns', column(['a', 'b'], [500, 500], [300, 700]), 'chi-square'],
    ['numbers that rise', numbers(1000, 100), 'wilcoxon'],
    [
      'a unit that changes',
      column([1, 2, 3, 1000, 2000, 3000], [100, 100, 100, 0, 0, 0], [0, 0, 0, 100, 100, 100]),
      'kolmogorov-smirnov',
    ],
    ['missing values that appear', column(['a', 'b'], [500, 500], [450, 450], { missing: [0, 100] }), 'missing:fisher'],
    ['text in a number column', column([1, 2], [500, 500], [0, 0], { malformed: [0, 1000] }), 'missing:chi-square'],
    [
      'times that are missing',
      column([], [], [], { kind: 'time', present: [1000, 500], missing: [0, 500] }),
      'missing:fisher',
    ],
    ['a column that is gone', column([], [], [], { absentFrom: 'current' }), 'schema'],
  ];
  it.each(drifts)('finds %s', (_name, entry, test) => {
    const result = judge(entry);
    expect(result.drift).toBe(true);
    expect(result.test).toBe(test);
    expect(result.effect).toBeGreaterThan(result.floor);
  });

  const stable: [string, PairedColumn][] = [
    ['equal counts', column(['a', 'b'], [500, 500], [500, 500])],
    [
      'a significant difference that is too small to matter',
      column(['a', 'b'], [500_000, 500_000], [505_000, 495_000]),
    ],
    ['a large difference of few rows', column(['a', 'b'], [3, 0], [0, 3])],
    ['numbers that interleave', numbers(1000, 0)],
    ['identifiers', column(['x'], [0], [0], { present: [1000, 1000] })],
    ['an empty current sample', column(['a', 'b'], [10, 10], [0, 0])],
    ['nothing at all', column([], [], [])],
    ['one value only', column(['a'], [50], [70])],
    ['times that move on', column([], [], [], { kind: 'time', present: [1000, 1000] })],
  ];
  it.each(stable)('stays quiet at %s', (_name, entry) => {
    const result = judge(entry);
    expect(result.drift).toBe(false);
    expect(Object.values(result).some((value) => Number.isNaN(value))).toBe(false);
  });

  it('finds values that were all replaced though each is too rare to tell', () => {
    const values = Array.from({ length: 400 }, (_, i) => `v${i}`);
    const result = judge(
      column(
        values,
        values.map((_, i) => (i < 200 ? 2 : 0)),
        values.map((_, i) => (i < 200 ? 0 : 2)),
      ),
    );
    expect([result.test, result.drift]).toEqual(['shared-values', true]);
    expect(result.statistic).toBe(400);
  });

  it('asks more of one column among many', () => {
    const weak = column(['a', 'b'], [4900, 100], [4948, 52], { column: 'weak' });
    const others = Array.from({ length: 99 }, (_, i) =>
      column(['a', 'b'], [500, 500], [500, 500], { column: `c${i}` }),
    );
    expect(detectDrift({ d: [weak] }).d.drift).toBe(true);
    const among = detectDrift({ d: [weak, ...others] }).d;
    expect(among.drift).toBe(false);
    expect(among.columns.find((entry) => entry.column === 'weak')!.pAdjusted).toBeGreaterThan(FALSE_ALARM_RATE);
  });

  it('asks more of one dataset among many, and never less than alone', () => {
    const weak = [column(['a', 'b'], [4900, 100], [4948, 52])];
    const folder = Object.fromEntries(
      Array.from({ length: 99 }, (_, i) => [`s${i}`, [column(['a', 'b'], [500, 500], [500, 500])]]),
    );
    expect(detectDrift({ weak, ...folder }).weak.drift).toBe(false);
    const strong = Object.fromEntries(
      Array.from({ length: 9 }, (_, i) => [`s${i}`, [column(['a', 'b'], [500, 500], [900, 100])]]),
    );
    const alone = detectDrift({ weak }).weak.columns[0].pAdjusted;
    expect(detectDrift({ weak, ...strong }).weak.columns[0].pAdjusted).toBe(alone);
  });

  it('does not care which sample is the reference', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { minLength: 2, maxLength: 30 }), (cells) => {
        for (const values of [cells.map((_, i) => `v${i}`), cells.map((_, i) => i)]) {
          const [x, y] = [cells.map((cell) => cell[0]), cells.map((cell) => cell[1])];
          const [there, back] = [judge(column(values, x, y)), judge(column(values, y, x))];
          expect(back.p).toBeCloseTo(there.p, 8);
          expect(back.drift).toBe(there.drift);
        }
      }),
    );
  });

  it('gives columns by name, whatever their order', () => {
    const a = column(['a', 'b'], [5, 5], [4, 6], { column: 'a' });
    const b = column(['a', 'b'], [5, 5], [4, 6], { column: 'b' });
    expect(detectDrift({ d: [b, a] })).toEqual(detectDrift({ d: [a, b] }));
  });
});

describe('values that occur once', () => {
  const states = Array.from({ length: 50 }, (_, i) => `s${i}`);
  const even = states.map(() => 20);
  const with30 = (over: Partial<PairedColumn>) =>
    column(
      states,
      even,
      states.map((_, i) => (i < 30 ? 19 : 20)),
      { present: [1000, 1000], ...over },
    );
  it('are misspellings where a closed list had none before', () => {
    expect(judge(with30({}))).toMatchObject({ drift: true, test: 'single-values', effect: 0.03 });
    expect(judge(with30({})).reason).toBe('rows whose value no other row has: 0 % -> 3 %');
  });
  it('are nothing new where they were as many before', () => {
    expect(judge(with30({ present: [1030, 1000] })).drift).toBe(false);
  });
  it('are not looked for where nobody knows how often the values that are not listed occur', () => {
    expect(judge(with30({ singles: null })).drift).toBe(false);
    expect(judge(with30({ singles: [0, 30] })).drift).toBe(true);
  });
});

describe('the tests behind it', () => {
  it('moments of X^2 over all permutations of a small table, counted by hand', () => {
    // Rows {1,1,2} of class a, b, b, n1 = n2 = 2, classes of 2 and 2 rows: of the 6 draws 4 give the even table
    // (X^2 = 0) and 2 the separated one (X^2 = 4): mean 4/3, variance 2/6*16 - 16/9 = 32/9.
    const { mean, variance } = chiSquareMoments(2, 2, 2, 1);
    expect(mean).toBeCloseTo(4 / 3, 12);
    expect(variance).toBeCloseTo(32 / 9, 12);
  });
  it('Wilcoxon with ties against the textbook sum', () => {
    // Reference {1,2,2}, current {2,3,3}: midranks of the current 3 + 5.5 + 5.5 = 14, expected 10.5,
    // variance 3*3/(6*5) * sum (rank - 3.5)^2 = .3 * (6.25 + 3*.25 + 2*4) = 4.5
    const tests = numberTests({ values: [1, 2, 3], reference: [1, 2, 0], current: [0, 1, 2], present: [3, 3] });
    expect(tests.find((test) => test.test === 'wilcoxon')!.statistic).toBeCloseTo(3.5 / Math.sqrt(4.5), 12);
    expect(tests.find((test) => test.test === 'kolmogorov-smirnov')!.effect).toBeCloseTo(2 / 3, 12);
  });
  it('Pearson statistic by hand', () => {
    // [[30, 70], [50, 50]]: expected 40, 60: 100/40 + 100/60 twice = 8.3333
    const [contingency] = categoryTests({
      values: ['a', 'b'],
      reference: [30, 70],
      current: [50, 50],
      present: [100, 100],
    });
    expect(contingency.statistic).toBeCloseTo(25 / 3, 12);
  });
});
