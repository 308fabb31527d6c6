import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  apportion,
  classGap,
  classGapNoise,
  imbalanceRatio,
  klGap,
  pielouEvenness,
  shortfallOf,
  targetShares,
  totalOf,
} from '../../../domain/analyzers/balance.js';

describe('balance formulas', () => {
  it('imbalance ratio is largest over smallest class that occurs', () => {
    expect(imbalanceRatio({ a: 90, b: 9, c: 0 })).toBe(10);
    expect(imbalanceRatio({ a: 5 })).toBe(1);
    expect(imbalanceRatio({})).toBe(1);
  });
  it('evenness is 1 for uniform, entropy over ln K else', () => {
    expect(pielouEvenness({ a: 7, b: 7, c: 7 })).toBeCloseTo(1, 12);
    // -(.75 ln .75 + .25 ln .25) / ln 2 = 0.811278 (binary entropy of 1/4 in bits)
    expect(pielouEvenness({ a: 3, b: 1 })).toBeCloseTo(0.8112781244591328, 12);
    expect(pielouEvenness({ a: 3 })).toBe(1);
    expect(pielouEvenness({ a: 0, b: 0 })).toBe(0);
  });
  it('KL gap is finite for an empty class and near 0 at the target', () => {
    // Smoothed shares 1.5/2 and .5/2 against 1/2: .5 ln(.5/.75) + .5 ln(.5/.25) = 0.143841
    expect(klGap({ a: 0.5, b: 0.5 }, { a: 1, b: 0 })).toBeCloseTo(0.5 * Math.log(0.5 / 0.75) + 0.5 * Math.log(2), 12);
    expect(klGap({ a: 0.5, b: 0.5 }, { a: 500, b: 500 })).toBeCloseTo(0, 12);
  });
  it('class gap is the share of rows that would have to change class', () => {
    expect(classGap({ a: 0.5, b: 0.5 }, { a: 90, b: 10 })).toBeCloseTo(0.4, 12);
    expect(classGap({ a: 1 }, { b: 3 })).toBe(1);
    expect(classGap({ a: 1 }, {})).toBe(1);
  });
  it('class gap noise of a fair coin tossed 100 times is .0399 (E|X - 50| = 3.98, binomial table)', () => {
    expect(classGapNoise({ a: 0.5, b: 0.5 }, 100)).toBeCloseTo(0.0398, 3);
  });
  it('class names of Object.prototype are classes like any other', () => {
    expect(classGap({ constructor: 1 }, { toString: 1 })).toBe(1);
    expect(shortfallOf({ constructor: 3 }, {})).toEqual({ constructor: 3 });
  });
  it('apportions whole rows that sum to the total and never differ from the share by a row', () => {
    expect(apportion(10, { a: 1 / 3, b: 1 / 3, c: 1 / 3 })).toEqual({ a: 4, b: 3, c: 3 });
    expect(apportion(30, { a: 0.1, b: 0.9 })).toEqual({ a: 3, b: 27 });
    const weights = fc.dictionary(fc.string({ minLength: 1 }), fc.double({ min: 0.001, max: 10, noNaN: true }), {
      minKeys: 1,
    });
    fc.assert(
      fc.property(weights, fc.nat(100_000), (target, rows) => {
        const shares = targetShares(target, {});
        const parts = apportion(rows, shares);
        expect(totalOf(parts)).toBe(rows);
        for (const key of Object.keys(shares)) expect(Math.abs(parts[key] - rows * shares[key])).toBeLessThan(1 + 1e-6);
      }),
    );
  });
  it('refuses a target that is not a mix', () => {
    const targets: Record<string, number>[] = [{}, { a: 0 }, { a: -1, b: 2 }, { a: Number.NaN }];
    for (const target of targets) {
      expect(() => targetShares(target, {})).toThrow('not a mix');
    }
    expect(targetShares('uniform', { a: 3, b: 0, c: 1, d: 1 })).toEqual({ a: 0.25, b: 0.25, c: 0.25, d: 0.25 });
    expect(targetShares('uniform', {})).toEqual({});
  });
});
