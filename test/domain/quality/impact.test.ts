/** Counts with their intervals: never beyond the slice, monotone, and right at the rate that they state. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  classHits,
  drawnHits,
  exactly,
  IMPACT_RATE,
  jointHits,
  shiftedHits,
  togetherHits,
  type Range,
} from '../../../domain/quality/impact.js';

const draw = fc
  .tuple(fc.nat(400), fc.nat(1_000), fc.nat(1_000))
  .map(([rows, hit, drawn]) => [rows, hit % (rows + 1), drawn % (rows + 1)] as const);
const within = ({ low, expected, high }: Range, least: number, most: number): boolean =>
  low >= least && low <= high && high <= most && expected >= least - 1e-9 && expected <= most + 1e-9;

/** Hypergeometric probabilities by products of ratios of whole numbers, each from scratch. */
function chance(rows: number, hit: number, drawn: number, k: number): number {
  const choose = (n: number, r: number): number => {
    let product = 1;
    for (let i = 1; i <= r; i++) product *= (n - r + i) / i;
    return product;
  };
  return (choose(hit, k) * choose(rows - hit, drawn - k)) / choose(rows, drawn);
}

describe('rows at fault of a draw', () => {
  test('stay within what can be, and the interval holds its rate', () => {
    fc.assert(
      fc.property(draw, ([rows, hit, drawn]) => {
        const [least, most] = [Math.max(0, drawn - rows + hit), Math.min(drawn, hit)];
        const range = drawnHits(rows, hit, drawn);
        expect(within(range, least, most)).toBe(true);
        if (rows > 60) return;
        let inside = 0;
        for (let k = range.low; k <= range.high; k++) inside += chance(rows, hit, drawn, k);
        expect(inside).toBeGreaterThanOrEqual(IMPACT_RATE - 1e-9);
        // No bound could be nearer: each outer value and what is beyond it weigh more than half of the rest.
        let below = 0;
        for (let k = least; k <= range.low; k++) below += chance(rows, hit, drawn, k);
        if (range.low < range.high) expect(below).toBeGreaterThan((1 - IMPACT_RATE) / 2 - 1e-9);
      }),
    );
  });
  test('grow with the rows at fault, and with the rows drawn', () => {
    fc.assert(
      fc.property(draw, ([rows, hit, drawn]) => {
        const range = drawnHits(rows, hit, drawn);
        const more = [
          ...(hit < rows ? [drawnHits(rows, hit + 1, drawn)] : []),
          ...(drawn < rows ? [drawnHits(rows, hit, drawn + 1)] : []),
        ];
        for (const { low, expected, high } of more)
          expect(low >= range.low && expected >= range.expected && high >= range.high).toBe(true);
      }),
    );
  });
  test('are known where everything is drawn, and where nothing or everything is at fault', () => {
    expect(drawnHits(100, 30, 100)).toEqual(exactly(30));
    expect(drawnHits(100, 0, 10)).toEqual(exactly(0));
    expect(drawnHits(100, 100, 10)).toEqual(exactly(10));
    expect(drawnHits(0, 0, 0)).toEqual(exactly(0));
  });
  test('of a hundred million rows take no longer than the width of their interval', () => {
    // Normal approximation: 3,000,000 x .1 +- 1.96 sqrt(3e6 x .09 x .97)
    const { low, high } = drawnHits(1e8, 1e7, 3e6);
    expect(low).toBeGreaterThan(300_000 - 1_010);
    expect(low).toBeLessThan(300_000 - 995);
    expect(high).toBeGreaterThan(300_000 + 995);
  });
  test('more than there is is refused', () => {
    expect(() => drawnHits(10, 11, 5)).toThrow('rows at fault of a draw cannot be told');
    expect(() => drawnHits(10, 1.5, 5)).toThrow(/expected|told/);
  });
});

describe('rows at fault of a class', () => {
  const table = fc.array(fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'constructor')), { maxLength: 60 });
  test('lie between the bounds that the margins leave, whatever faults and classes have to do with each other', () => {
    fc.assert(
      fc.property(table, (rows) => {
        const hit = rows.filter(([bad]) => bad).length;
        const classRows: Record<string, number> = {};
        const truth: Record<string, number> = {};
        for (const [bad, name] of rows) {
          classRows[name] = (Object.hasOwn(classRows, name) ? classRows[name] : 0) + 1;
          truth[name] = (Object.hasOwn(truth, name) ? truth[name] : 0) + (bad ? 1 : 0);
        }
        const bounds = classHits(rows.length, exactly(hit), classRows);
        for (const [name, range] of Object.entries(bounds)) {
          expect(range.low <= truth[name] && truth[name] <= range.high).toBe(true);
          expect(within(range, 0, classRows[name])).toBe(true);
        }
        expect(Object.values(bounds).reduce((sum, { expected }) => sum + expected, 0)).toBeCloseTo(hit, 9);
        const counted = classHits(rows.length, exactly(hit), classRows, truth);
        expect(counted).toEqual(Object.fromEntries(Object.keys(bounds).map((name) => [name, exactly(truth[name])])));
      }),
    );
  });
  test('a class that is all of the rows has all that is at fault', () => {
    expect(jointHits(10, exactly(4), 10)).toEqual(exactly(4));
  });
});

describe('rows at fault in several ways', () => {
  test('are at least the worst and at most all of them, and of one way they are that', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.array(fc.nat(300), { minLength: 1, maxLength: 5 }), (rows, counts) => {
        const hits = counts.map((count) => exactly(count % (rows + 1)));
        const all = togetherHits(rows, hits);
        expect(within(all, Math.max(...hits.map(({ low }) => low)), rows)).toBe(true);
        if (hits.length === 1) expect(all).toEqual(hits[0]);
        const worse = togetherHits(rows, [...hits, exactly(rows)]);
        expect(worse.low).toBe(rows);
      }),
    );
    expect(togetherHits(10, [])).toEqual(exactly(0));
  });
});

describe('rows that a shifted mix has too many', () => {
  test('are none to all of the sample, and fewer the more chance explains', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(1_000),
        (distance, noise, size) => {
          const range = shiftedHits(distance, noise, size, 500);
          expect(within(range, 0, size)).toBe(true);
          expect(range.expected).toBeGreaterThanOrEqual(range.low);
        },
      ),
    );
  });
});
