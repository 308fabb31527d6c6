import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentTables } from '../../../../domain/analyzers/coverage.js';
import { segmentCover, sureRows } from '../../../../domain/decision/batch/segment-cover.js';

const cells = [
  { values: ['lake', 'a'], rows: 900 },
  { values: ['lake', 'b'], rows: 50 },
  { values: ['sea', 'a'], rows: 40 },
  { values: ['sea', 'b'], rows: 10 },
];
const item = { segments: ['kind', 'region'], segmentRows: 30, window: null };
const facts = { rows: 1_000, segments: cells };

describe('what a draw takes first', () => {
  it('is each declared segment; what it gets for sure and what it lacks is told', () => {
    expect(segmentCover(item, facts, 400, false)).toEqual({
      cover: { rows: 30, segments: [['kind'], ['region'], ['kind', 'region']] },
      reason:
        'each segment of kind, region, kind x region gets at least 30 rows, or all that match; too few match: sea | b has 10, lacks 20',
    });
  });

  it('is parted evenly where not all of it fits, fewer columns first', () => {
    expect(segmentCover(item, facts, 140, true)!.reason).toBe(
      'each segment gets at least: kind 30, region 30, kind x region 5 rows (140 rows do not hold 30 of each), ' +
        'or all that match; too few match: sea | b has 10, lacks 20; the class target comes first, this within its quotas',
    );
    expect(segmentCover(item, facts, 8, false)!.reason).toContain('kind 2, region 2, kind x region 0 rows');
  });

  it.each([
    ['no segments', { segmentRows: 30, window: null }, facts, 400],
    ['a record of an older version', { ...item, segmentRows: undefined }, facts, 400],
    ['a window of new rows', { ...item, window: { column: 'at', fromMs: 0, toMs: 1 } as never }, facts, 400],
    ['segments that are too many', item, { rows: 1_000, segments: null }, 400],
    ['all rows', item, facts, 1_000],
    ['no rows', item, facts, 0],
    ['no row with all values', item, { rows: 1_000, segments: [] }, 400],
  ])('is nothing for %s', (_, asked, found, granted) => {
    expect(segmentCover(asked, found, granted, false)).toBeNull();
  });

  it('leaves no segment below what it has for sure, whatever the order of the rows', () => {
    const value = fc.nat({ max: 3 }).map(String);
    const rows = fc.array(fc.tuple(value, value, value), { minLength: 1, maxLength: 120 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 12 }), fc.nat({ max: 120 }), (drawn, least, granted) => {
        const tables = segmentTables(
          ['x', 'y', 'z'],
          drawn.map((values) => ({ values, rows: 1 })),
        );
        const turn = turnsOf(
          drawn,
          tables.map(({ columns }) => columns.map((name) => 'xyz'.indexOf(name))),
          least,
        );
        const order = drawn.map((_, index) => index).sort((a, b) => turn[a] - turn[b] || a - b);
        const taken = order.slice(0, granted).map((index) => drawn[index]);
        const sure = sureRows(tables, least, granted);
        for (const [at, { columns, counts }] of tables.entries())
          for (const [name, there] of Object.entries(counts)) {
            const got = taken.filter(
              (row) => columns.map((column) => row['xyz'.indexOf(column)]).join(' | ') === name,
            ).length;
            expect(got).toBeGreaterThanOrEqual(Math.min(there, sure[at]));
          }
        if (
          granted >= tables.flatMap(({ counts }) => Object.values(counts)).reduce((a, b) => a + Math.min(b, least), 0)
        )
          expect(new Set(sure)).toEqual(new Set([least]));
      }),
    );
  });
});

/** The order that a cover stands for, in words of its own: the best place of each row, by the number of columns. */
function turnsOf(
  rows: readonly (readonly string[])[],
  segments: readonly (readonly number[])[],
  least: number,
): number[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const turns = segments.map((columns) => {
      const key = columns.map((at) => `${at}=${row[at]}`).join();
      const place = (seen.get(key) ?? 0) + 1;
      seen.set(key, place);
      return place <= least ? (columns.length - 1) * least + place : Infinity;
    });
    return Math.min(...turns, 1e9);
  });
}
