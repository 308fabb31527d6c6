/** How much longer a draw must be so that what is left of it is what was wanted. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countedRows } from '../../../../domain/decision/quality/delivery-metrics.js';
import { isExhausted, longerDraw, OVERDRAW_MAX } from '../../../../domain/decision/quality/top-up.js';

const plain = (rows: number) => ({ rows, quotas: null });
const left = (rows: number, classCounts: Record<string, number> | null = null) => ({ rows, classCounts });

describe('a longer draw', () => {
  test('has as many sound rows as were wanted, and what chance may take of them', () => {
    // Four in five are sound: 125 have 100 of them, give or take sqrt(100 x .2) = 4.5, and twice that is 9 / .8 = 12 rows.
    expect(longerDraw(plain(100), plain(100), left(80), [])).toEqual(plain(137));
    expect(longerDraw(plain(100), plain(137), left(96), [])!.rows).toBeGreaterThan(137);
  });

  test('is none where nothing is missing, or every row was wanted', () => {
    expect(longerDraw(plain(100), plain(100), left(100), [])).toBeNull();
    expect(longerDraw({ rows: null, quotas: null }, plain(100), left(80), [])).toBeNull();
  });

  test('takes further rows of the classes that lost some, and none of those that are exhausted', () => {
    const wanted = { rows: 200, quotas: { a: 100, b: 100 } };
    expect(longerDraw(wanted, wanted, left(180, { a: 80, b: 100 }), [])).toEqual({
      ...{ rows: 237, quotas: { a: 137, b: 100 } },
    });
    expect(longerDraw(wanted, wanted, left(180, { a: 80, b: 100 }), ['a'])).toBeNull();
    expect(longerDraw(wanted, wanted, left(180), [])).toBeNull();
  });

  test('is at most so much longer, and comes short in about one case in forty', () => {
    let state = 11;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const bounds = fc.tuple(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 0, max: 500 }));
    fc.assert(
      fc.property(bounds, ([wanted, sound]) => {
        const draw = longerDraw(plain(wanted), plain(wanted), left(Math.min(sound, wanted)), []);
        if (draw !== null) expect(draw.rows).toBeLessThanOrEqual(OVERDRAW_MAX * wanted);
      }),
    );
    let short = 0;
    for (let run = 0; run < 1_000; run++) {
      const { rows } = longerDraw(plain(400), plain(400), left(300), [])!;
      const found = Array.from({ length: rows! }, random).filter((one) => one < 0.75).length;
      if (found < 400) short++;
    }
    expect(short).toBeLessThan(50);
  });
});

describe('that every row was drawn', () => {
  const known = { wanted: plain(100), drawn: plain(100), found: 100, counted: undefined };
  test('is said where the rows that match were counted, or a read came short, and never of a bound', () => {
    // What was not counted stands as the rows that were asked for: as many as were drawn, and nothing is known.
    const counted = countedRows([
      { itemId: 'counted', rows: 100, exact: true },
      { itemId: 'bounded', rows: 100, exact: false },
    ]);
    expect(isExhausted({ ...known, counted: counted.counted })).toBe(true);
    expect(isExhausted({ ...known, counted: counted.bounded })).toBe(false);
    expect(isExhausted({ ...known, counted: 101 })).toBe(false);
    expect(isExhausted({ ...known, found: 99 })).toBe(true);
    expect(isExhausted({ ...known, wanted: { rows: 100, quotas: { a: 50, b: 50 } }, found: 99 })).toBe(false);
  });
});
