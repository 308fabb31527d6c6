import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareBounds } from '../../../domain/quality/share-bounds.js';

describe('shareBounds', () => {
  it('is the interval of the literature: 81 of 263 at 95 % (Newcombe 1998, table I, method 3)', () => {
    const [low, high] = shareBounds(81, 263, Infinity, 1.959964);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
  });

  it('says nothing without rows, and never leaves [0, 1]', () => {
    expect(shareBounds(0, 0)).toEqual([0, 1]);
    expect(shareBounds(5, 10, 0)).toEqual([0, 1]);
    expect(shareBounds(0, 10)[0]).toBe(0);
    expect(shareBounds(10, 10)[1]).toBe(1);
  });

  it('holds the share, and is wider for a small next delivery', () => {
    const shares = fc
      .integer({ min: 1, max: 5000 })
      .chain((rows) => fc.tuple(fc.integer({ min: 0, max: rows }), fc.constant(rows)));
    fc.assert(
      fc.property(shares, fc.integer({ min: 1, max: 5000 }), ([hits, rows], next) => {
        const [low, high] = shareBounds(hits, rows);
        const [lowNext, highNext] = shareBounds(hits, rows, next);
        expect(low <= hits / rows && hits / rows <= high).toBe(true);
        expect(lowNext <= low && high <= highNext).toBe(true);
      }),
    );
  });
});
