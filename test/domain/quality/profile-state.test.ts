import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeColumnState,
  emptyColumn,
  encodeColumnState,
  measureColumn,
  mergeColumns,
  summarizeState,
  updateColumn,
} from '../../../domain/quality/profile-state.js';
import { bucketOf, bucketValue } from '../../../domain/quality/sketch.js';

const cell = fc.oneof(
  fc.constantFrom('', 'N/A', 'cat', 'dog', '2024-01-31', 'true', null),
  fc.integer({ min: -50, max: 50 }),
  fc.double({ noNaN: true }),
  fc.string(),
);
const cells = fc.array(cell, { maxLength: 60 });
const text = (values: readonly unknown[]): string => encodeColumnState(measureColumn(values));

describe('the mergeable column state', () => {
  it('merges in any order and grouping to the same state', () => {
    fc.assert(
      fc.property(cells, cells, cells, (a, b, c) => {
        const [x, y, z] = [a, b, c].map(measureColumn);
        const left = encodeColumnState(mergeColumns(mergeColumns(x, y), z));
        expect(encodeColumnState(mergeColumns(x, mergeColumns(y, z)))).toBe(left);
        expect(encodeColumnState(mergeColumns(z, mergeColumns(y, x)))).toBe(left);
      }),
    );
  });

  it('has the empty state as identity, and does not care how rows were split or ordered', () => {
    fc.assert(
      fc.property(cells, fc.nat(60), (values, at) => {
        const whole = text(values);
        expect(encodeColumnState(mergeColumns(emptyColumn(), measureColumn(values)))).toBe(whole);
        expect(encodeColumnState(updateColumn(measureColumn(values.slice(0, at)), values.slice(at)))).toBe(whole);
        expect(text([...values].reverse())).toBe(whole);
      }),
    );
  });

  it('keeps these laws when there are more distinct values than it counts', () => {
    const values = Array.from({ length: 5000 }, (_, at) => `v${at % 3000}`);
    const merged = mergeColumns(measureColumn(values.slice(0, 1234)), measureColumn(values.slice(1234)));
    expect(encodeColumnState(merged)).toBe(text(values));
    expect(merged.values.level).toBeGreaterThan(0);
    // Values v0 to v1999 occur twice, the others once; what is held is counted exactly.
    for (const [value, rows] of merged.values.counts) expect(rows).toBe(Number(value.slice(1)) < 2000 ? 2 : 1);
  });

  it('survives its own encoding', () => {
    fc.assert(
      fc.property(cells, (values) => {
        expect(encodeColumnState(decodeColumnState(text(values)))).toBe(text(values));
      }),
    );
  });

  it.each(['', '{}', 'null', '[]', text(['a']).replace('"version":1', '"version":2')])('refuses %j', (broken) => {
    expect(() => decodeColumnState(broken)).toThrow(expect.objectContaining({ type: 'CorruptState' }) as Error);
  });
});

describe('summarizeState', () => {
  it('reads a small numeric column exactly', () => {
    const summary = summarizeState(measureColumn([1, 2, 2, '', 'N/A', 5]));
    expect(summary).toMatchObject({
      rows: 6,
      completeness: 4 / 6,
      implicitMissing: 1,
      distinct: 3,
      inferredType: 'integer',
      min: 1,
      max: 5,
      mean: 2.5,
      topIsExact: true,
      topValues: [
        { value: '2', rows: 2 },
        { value: '1', rows: 1 },
        { value: '5', rows: 1 },
      ],
    });
  });

  it('has decided answers for no rows', () => {
    expect(summarizeState(emptyColumn())).toMatchObject({
      rows: 0,
      completeness: 1,
      distinct: 0,
      mean: null,
      min: null,
    });
  });

  it('estimates 100,000 distinct values within four standard errors', () => {
    const { distinct } = summarizeState(measureColumn(Array.from({ length: 100_000 }, (_, at) => `key-${at}`)));
    expect(Math.abs(distinct / 100_000 - 1)).toBeLessThan(4 * 0.01625);
  });

  it('gives quantiles within 1 % of a value of that rank', () => {
    const { quantiles } = summarizeState(measureColumn(Array.from({ length: 1000 }, (_, at) => at + 1)));
    expect(Math.abs((quantiles.p50 ?? 0) / 500 - 1)).toBeLessThanOrEqual(0.01);
    expect(Math.abs((quantiles.p99 ?? 0) / 990 - 1)).toBeLessThanOrEqual(0.01);
  });
});

describe('logarithmic buckets', () => {
  it('stand within 1 % of their members and keep the order of numbers', () => {
    const number = fc.double({ min: -1e12, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(number, number, (a, b) => {
        const stand = bucketValue(bucketOf(a));
        expect(Math.abs(stand - a)).toBeLessThanOrEqual(Math.max(1e-9, 0.010001 * Math.abs(a)));
        if (a < b) expect(bucketOf(a)).toBeLessThanOrEqual(bucketOf(b));
      }),
    );
  });
});
