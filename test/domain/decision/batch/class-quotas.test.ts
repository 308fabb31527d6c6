import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classGap } from '../../../../domain/analyzers/balance.js';
import { classQuotas } from '../../../../domain/decision/batch/class-quotas.js';

/** Counts and target shares over the same few classes. */
const mix = fc
  .array(fc.record({ count: fc.nat(500), share: fc.integer({ min: 0, max: 20 }) }), { minLength: 1, maxLength: 5 })
  .filter((classes) => classes.some(({ share }) => share > 0))
  .map((classes) => {
    const total = classes.reduce((sum, { share }) => sum + share, 0);
    return {
      counts: Object.fromEntries(classes.map(({ count }, index) => [`c${index}`, count])),
      shares: Object.fromEntries(classes.map(({ share }, index) => [`c${index}`, share / total])),
    };
  });
const rows = fc.integer({ min: 1, max: 800 });
const maxGap = fc.double({ min: 0, max: 1, noNaN: true });
const sum = (values: Readonly<Record<string, number>>) =>
  Object.values(values).reduce((total, value) => total + value, 0);

describe('class quotas', () => {
  test.each([
    ['enough of both: half and half', { a: 100, b: 100 }, { a: 0.5, b: 0.5 }, 40, 0, { a: 20, b: 20 }],
    [
      'the rare class is short and no gap is allowed: as many as balance it',
      { a: 100, b: 5 },
      { a: 0.5, b: 0.5 },
      40,
      0,
      { a: 6, b: 5 },
    ],
    ['all of it when every gap is allowed', { a: 100, b: 5 }, { a: 0.5, b: 0.5 }, 40, 1, { a: 35, b: 5 }],
    ['a class that is not wanted gets nothing', { a: 100, b: 100 }, { a: 1, b: 0 }, 40, 0, { a: 40, b: 0 }],
    ['nothing there', { a: 0, b: 0 }, { a: 0.5, b: 0.5 }, 40, 0.1, { a: 0, b: 0 }],
    [
      'a wanted class without any row breaks the bound at every size: all rows, not the few that rounding allows',
      { a: 100, b: 0 },
      { a: 0.5, b: 0.5 },
      40,
      0.45,
      { a: 40, b: 0 },
    ],
    ['a single class', { a: 7 }, { a: 1 }, 40, 0.1, { a: 7 }],
    [
      'a wanted class without any row that has the name of a property of every object',
      { a: 100 },
      { a: 0.5, constructor: 0.5 },
      40,
      0.5,
      { a: 40, constructor: 0 },
    ],
  ])('%s', (_, counts, shares, wanted, gap, quotas) => {
    expect(classQuotas(counts, shares, wanted, gap).quotas).toEqual(quotas);
  });

  test('never more of a class than there is, never more rows than asked, whole and not negative', () => {
    fc.assert(
      fc.property(mix, rows, maxGap, ({ counts, shares }, wanted, gap) => {
        const result = classQuotas(counts, shares, wanted, gap);
        for (const [name, quota] of Object.entries(result.quotas)) {
          expect(Number.isInteger(quota) && quota >= 0 && quota <= counts[name]).toBe(true);
        }
        expect(result.rows).toBe(sum(result.quotas));
        expect(result.rows).toBeLessThanOrEqual(wanted);
      }),
    );
  });

  test('the mix is within its bound (to rounding) whenever some draw is, and one row more would not be', () => {
    fc.assert(
      fc.property(mix, rows, maxGap, ({ counts, shares }, wanted, gap) => {
        const result = classQuotas(counts, shares, wanted, gap);
        const classes = Object.keys(shares).length;
        const missing = Object.keys(shares).some((name) => shares[name] > 0 && counts[name] === 0);
        fc.pre(!missing && result.rows > 0);
        expect(classGap(shares, result.quotas)).toBeLessThanOrEqual(gap + classes / (2 * result.rows) + 1e-9);
        expect(result.gap).toBe(classGap(shares, result.quotas));
      }),
    );
  });

  test('more tolerance never gives fewer rows', () => {
    fc.assert(
      fc.property(mix, rows, maxGap, maxGap, ({ counts, shares }, wanted, a, b) => {
        fc.pre(Object.keys(shares).every((name) => shares[name] === 0 || counts[name] > 0));
        const [strict, loose] = [Math.min(a, b), Math.max(a, b)].map(
          (gap) => classQuotas(counts, shares, wanted, gap).rows,
        );
        expect(loose).toBeGreaterThanOrEqual(strict);
      }),
    );
  });

  test('weighted by its weights the draw counts as the target', () => {
    fc.assert(
      fc.property(mix, rows, maxGap, ({ counts, shares }, wanted, gap) => {
        const { quotas, weights, rows: total } = classQuotas(counts, shares, wanted, gap);
        for (const [name, quota] of Object.entries(quotas)) {
          if (quota > 0) expect((quota * weights[name]) / total).toBeCloseTo(shares[name], 9);
        }
      }),
    );
  });
});
