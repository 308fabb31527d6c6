import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  benjaminiHochberg,
  fisherSmallest,
  fisherTwoSided,
  gammaUpper,
  harmonicMeanP,
  kolmogorovUpper,
  lnGamma,
  normalTwoSided,
  poissonUpper,
} from '../../../domain/quality/shift-probability.js';

describe('tail probabilities', () => {
  it('ln Gamma knows factorials and Gamma(1/2)', () => {
    expect(lnGamma(11)).toBeCloseTo(Math.log(3_628_800), 10);
    expect(lnGamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 12);
  });
  it.each([
    // Printed quantiles of the normal distribution.
    [1.959963984540054, 0.05],
    [3.2905267314919255, 0.001],
    [6.109410204869, 1e-9],
  ])('normal: |Z| >= %f has probability %f', (z, p) => {
    expect(normalTwoSided(z) / p).toBeCloseTo(1, 8);
  });
  it.each([
    // Printed quantiles of chi-square: (degrees of freedom, x, upper tail); exp(-x/2) is exact for two degrees.
    [1, 3.841458820694124, 0.05],
    [2, 2 * Math.log(1000), 0.001],
    [10, 29.58829844507442, 0.001],
    [100, 149.4492529, 0.001],
  ])('chi-square with %d degrees: %f has upper tail %f', (df, x, p) => {
    expect(gammaUpper(df / 2, x / 2) / p).toBeCloseTo(1, 6);
  });
  it('Poisson: P(>= 1) = 1 - exp(-mean), P(>= 0) = 1', () => {
    expect(poissonUpper(0.3, 1)).toBeCloseTo(1 - Math.exp(-0.3), 12);
    expect(poissonUpper(5, 0)).toBe(1);
    expect(poissonUpper(0, 1)).toBe(0);
    // P(>= 12) at mean 5 = 0.00545 (printed tables)
    expect(poissonUpper(5, 12)).toBeCloseTo(0.00545, 5);
  });
  it('Kolmogorov: the printed critical values 1.358 (.05) and 1.949 (.001)', () => {
    expect(kolmogorovUpper(1.3581)).toBeCloseTo(0.05, 5);
    expect(kolmogorovUpper(1.9495)).toBeCloseTo(0.001, 6);
    expect(kolmogorovUpper(0)).toBe(1);
  });
  it('Fisher: the lady tasting tea, 4 of 4 right, has one chance in 70 on one side', () => {
    expect(fisherTwoSided(4, 8, 4, 4)).toBeCloseTo(2 / 70, 12);
    expect(fisherSmallest(8, 4, 4)).toBeCloseTo(2 / 70, 12);
  });
  it('Fisher tails are probabilities, symmetric in the samples, never below the smallest', () => {
    const margins = fc.record({
      n1: fc.integer({ min: 1, max: 500 }),
      n2: fc.integer({ min: 1, max: 500 }),
      a: fc.double({ min: 0, max: 1, noNaN: true }),
      b: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(margins, ({ n1, n2, a, b }) => {
        const x = Math.floor(a * n1);
        const y = Math.floor(b * n2);
        const p = fisherTwoSided(y, n1 + n2, x + y, n2);
        expect(p).toBeGreaterThan(0);
        expect(p).toBeLessThanOrEqual(1);
        expect(fisherTwoSided(x, n1 + n2, x + y, n1) / p).toBeCloseTo(1, 6);
        expect(p).toBeGreaterThanOrEqual(fisherSmallest(n1 + n2, x + y, n2) * (1 - 1e-9));
      }),
    );
  });
});

describe('combinations', () => {
  it('harmonic mean: alike p stay, one small p of two is doubled', () => {
    expect(
      harmonicMeanP([
        { p: 0.01, weight: 1 },
        { p: 0.01, weight: 5 },
      ]),
    ).toBeCloseTo(0.01, 12);
    expect(
      harmonicMeanP([
        { p: 1e-6, weight: 1 },
        { p: 1, weight: 1 },
      ]),
    ).toBeCloseTo(2e-6, 10);
    expect(harmonicMeanP([])).toBe(1);
    expect(
      harmonicMeanP([
        { p: 0, weight: 1 },
        { p: 1, weight: 1 },
      ]),
    ).toBeLessThan(1e-300);
  });
  it('Benjamini-Hochberg by hand', () => {
    // sorted .01 .02 .03 .9: .01*4/1, .02*4/2, .03*4/3 -> all .04; .9
    const adjusted = benjaminiHochberg([0.9, 0.03, 0.01, 0.02]);
    [0.9, 0.04, 0.04, 0.04].forEach((p, i) => expect(adjusted[i]).toBeCloseTo(p, 12));
    expect(benjaminiHochberg([])).toEqual([]);
  });
  it('Benjamini-Hochberg keeps the order of p and never lowers one', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true })), (p) => {
        const adjusted = benjaminiHochberg(p);
        p.forEach((value, i) => {
          expect(adjusted[i]).toBeGreaterThanOrEqual(value);
          p.forEach((other, j) => {
            if (value <= other) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j]);
          });
        });
      }),
    );
  });
});
