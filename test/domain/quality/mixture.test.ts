import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { totalOf } from '../../../domain/analyzers/balance.js';
import { effectiveNumber, parseTarget, planMixture, REPEATS_MAX } from '../../../domain/quality/mixture.js';

const classOf = (name: string, ...args: Parameters<typeof planMixture>) =>
  planMixture(...args).classes.find((entry) => entry.class === name)!;

describe('planMixture', () => {
  it('draws a uniform mix without repeats where there are rows enough', () => {
    const mixture = planMixture({ a: 900, b: 100 }, 'uniform', 200);
    expect(mixture.rows).toBe(200);
    for (const entry of mixture.classes) {
      expect(entry).toMatchObject({ drawn: 100, distinct: 100, shortfall: 0, missing: 0, weight: 1 });
    }
  });
  it('repeats a small class evenly: 25 rows for 60 are 2 copies of each and one more of 10', () => {
    expect(classOf('b', { a: 900, b: 25 }, 'uniform', 120)).toMatchObject({
      wanted: 60,
      drawn: 60,
      distinct: 25,
      copies: 2,
      extra: 10,
      shortfall: 35,
      missing: 0,
    });
  });
  it('never repeats a row more than four times, and makes up the rest by weight', () => {
    const { classes, rows } = planMixture({ a: 900, b: 10 }, 'uniform', 200);
    expect(rows).toBe(140);
    expect(classes[1]).toMatchObject({ drawn: 40, copies: REPEATS_MAX, extra: 0, shortfall: 90, missing: 60 });
    // Half of the weight on 100 rows, half on 40, mean 1 over 140.
    expect(classes[0].weight).toBeCloseTo(0.7, 12);
    expect(classes[1].weight).toBeCloseTo(1.75, 12);
  });
  it('names a wanted class without a row and leaves out a class that is not wanted', () => {
    const { classes } = planMixture({ a: 50, other: 50 }, { a: 1, ghost: 1 }, 10);
    expect(classes.map((entry) => [entry.class, entry.drawn, entry.missing, entry.weight])).toEqual([
      ['a', 5, 0, 1],
      ['ghost', 0, 5, 0],
    ]);
  });
  it('weights by the effective number: (1 - .999^n) / .001 by hand', () => {
    expect(effectiveNumber(0)).toBe(0);
    expect(effectiveNumber(1)).toBeCloseTo(1, 9);
    expect(effectiveNumber(1000)).toBeCloseTo(1000 * (1 - 0.999 ** 1000), 9);
    const { classes } = planMixture({ a: 900, b: 100 }, { a: 0.9, b: 0.1 }, 1000, { weights: 'effective' });
    expect(classes[1].weight / classes[0].weight).toBeCloseTo(effectiveNumber(900) / effectiveNumber(100), 9);
  });
  it.each([
    ['no rows asked', { a: 5 }, 0],
    ['nothing there', {}, 10],
  ])('%s: an empty draw', (_name, counts, rows) => {
    expect(planMixture(counts, 'uniform', rows).rows).toBe(0);
  });
  it.each([-1, 1.5, Number.NaN])('refuses %f rows', (rows) => {
    expect(() => planMixture({ a: 1 }, 'uniform', rows)).toThrow('not a number of rows');
  });
  it('laws: at most the wanted rows, at most four copies, weights of mean 1 in the shares of the target', () => {
    const counts = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), fc.nat(500), { minKeys: 1 });
    fc.assert(
      fc.property(counts, fc.nat(3000), (have, rows) => {
        const mixture = planMixture(have, 'uniform', rows);
        expect(totalOf(Object.fromEntries(mixture.classes.map((entry) => [entry.class, entry.wanted])))).toBe(rows);
        let weight = 0;
        for (const entry of mixture.classes) {
          expect(entry.drawn).toBe(entry.copies * entry.have + entry.extra);
          expect(entry.drawn + entry.missing).toBe(entry.wanted);
          expect(entry.copies + (entry.extra > 0 ? 1 : 0)).toBeLessThanOrEqual(REPEATS_MAX);
          weight += entry.weight * entry.drawn;
        }
        expect(weight).toBeCloseTo(mixture.rows, 6);
        const masses = mixture.classes.filter((entry) => entry.drawn > 0).map((entry) => entry.weight * entry.drawn);
        for (const mass of masses) expect(mass).toBeCloseTo(masses[0], 6);
      }),
    );
  });
});

describe('parseTarget', () => {
  it('reads what people write', () => {
    expect(parseTarget('uniform')).toBe('uniform');
    expect(parseTarget('a=0.5, b b=0.5')).toEqual({ a: 0.5, 'b b': 0.5 });
    expect(parseTarget('target.json')).toBeNull();
    expect(() => parseTarget('a=-1,b=2')).toThrow('not a mix');
  });
});
