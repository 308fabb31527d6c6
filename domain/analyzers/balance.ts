/** How far a class mix is from the one that is wanted: the formulas, each over plain counts. */
import { usageError } from '../types/errors.js';
import type { ClassCounts } from './analyzer.js';

/** Wanted shares as people declare them. */
export type ClassTarget = Readonly<Record<string, number>> | 'uniform';

/** Keys of a record in the one order used everywhere: by code unit. */
export function sortedKeys(record: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(record).sort((a, b) => (a < b ? -1 : 1));
}

/** The entry of a class, 0 where it has none. Class names are data: `constructor` must not find Object's own. */
export function countOf(counts: ClassCounts, key: string): number {
  return Object.hasOwn(counts, key) ? counts[key] : 0;
}

/** Sum of the counts. */
export function totalOf(counts: ClassCounts): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

/**
 * The wanted shares, summing to 1.
 *
 * @param target weights by class (>= 0, any sum), or `uniform` over the classes that `counts` names
 * @param counts the rows at hand; decides the classes of `uniform` only: a known class with 0 rows belongs to it
 * @returns share by class, in key order; empty when `uniform` meets no class
 * @throws BalanceError `InvalidClassTarget` for a negative or non-finite weight, or weights that are all 0
 */
export function targetShares(target: ClassTarget, counts: ClassCounts): Record<string, number> {
  const weights = target === 'uniform' ? Object.fromEntries(Object.keys(counts).map((key) => [key, 1])) : target;
  const sum = totalOf(weights);
  const wrong = Object.values(weights).some((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (wrong || !Number.isFinite(sum) || (target !== 'uniform' && !(sum > 0))) {
    throw usageError({
      type: 'InvalidClassTarget',
      message: 'the class target is not a mix',
      expected: 'weights >= 0 by class, at least one above 0',
      got: JSON.stringify(target, (_, value: unknown) => (typeof value === 'number' ? String(value) : value)),
    });
  }
  return Object.fromEntries(sortedKeys(weights).map((key) => [key, weights[key] / sum]));
}

/**
 * Whole rows per class that sum to `rows`: floors first, the rest by largest remainder (Hamilton's method),
 * ties to the smaller key.
 */
export function apportion(rows: number, shares: Readonly<Record<string, number>>): Record<string, number> {
  const parts = sortedKeys(shares).map((key) => {
    const exact = rows * shares[key];
    // A share such as 0.1 * 30 = 3.0000000000000004 must not make or lose a row.
    const whole = Math.floor(exact + 1e-9);
    return { key, whole, rest: exact - whole };
  });
  let left = rows - parts.reduce((sum, part) => sum + part.whole, 0);
  const byRest = [...parts].sort((a, b) => b.rest - a.rest || (a.key < b.key ? -1 : 1));
  for (const part of byRest) {
    if (left <= 0) break;
    part.whole++;
    left--;
  }
  return Object.fromEntries(parts.map((part) => [part.key, part.whole]));
}

/** Rows missing by class: `max(0, wanted - have)`; only classes that miss something. */
export function shortfallOf(wanted: ClassCounts, have: ClassCounts): Record<string, number> {
  return Object.fromEntries(
    sortedKeys(wanted)
      .map((key): [string, number] => [key, Math.max(0, wanted[key] - countOf(have, key))])
      .filter(([, missing]) => missing > 0),
  );
}

/** Largest count / smallest count over the classes with rows; 1 for none or one class. */
export function imbalanceRatio(counts: ClassCounts): number {
  const present = Object.values(counts).filter((count) => count > 0);
  if (present.length === 0) return 1;
  return present.reduce((a, b) => Math.max(a, b)) / present.reduce((a, b) => Math.min(a, b));
}

/**
 * Pielou's evenness J = -sum p ln p / ln K over K classes (Pielou 1966, J. Theor. Biol. 13:131, eq. 3); 1 is
 * uniform. K counts every class named, also empty ones. 1 for fewer than two classes, 0 without rows.
 */
export function pielouEvenness(counts: ClassCounts): number {
  // In key order: the last digits of a sum depend on its order.
  const values = sortedKeys(counts).map((key) => counts[key]);
  if (values.length < 2) return 1;
  const total = totalOf(counts);
  if (total === 0) return 0;
  const entropy = values.reduce((sum, count) => (count > 0 ? sum - (count / total) * Math.log(count / total) : sum), 0);
  return entropy / Math.log(values.length);
}

/**
 * KL(target || actual) in nats, the actual counts smoothed by adding 1/2 to each class (Jeffreys' prior), so that
 * an empty class costs much, not infinity. Classes outside the target share its missing mass and count as a rest.
 */
export function klGap(shares: Readonly<Record<string, number>>, counts: ClassCounts): number {
  const keys = sortedKeys({ ...shares, ...counts });
  const total = totalOf(counts) + keys.length / 2;
  return keys.reduce((sum, key) => {
    const wanted = countOf(shares, key);
    return wanted > 0 ? sum + wanted * Math.log(wanted / ((countOf(counts, key) + 0.5) / total)) : sum;
  }, 0);
}

/**
 * Total-variation distance between the mix and the wanted shares: half the L1 distance, in [0, 1]; the share of
 * rows that would have to change class. 1 without rows.
 */
export function classGap(shares: Readonly<Record<string, number>>, counts: ClassCounts): number {
  const total = totalOf(counts);
  if (total === 0) return 1;
  const keys = sortedKeys({ ...shares, ...counts });
  return keys.reduce((sum, key) => sum + Math.abs(countOf(counts, key) / total - countOf(shares, key)), 0) / 2;
}

/**
 * Expected total-variation distance of `rows` rows drawn at random from a population with exactly these shares:
 * sum sqrt(p(1-p)/(2 pi n)), from E|X| = sigma sqrt(2/pi) of the normal approximation. What chance alone gives.
 */
export function classGapNoise(shares: Readonly<Record<string, number>>, rows: number): number {
  if (rows <= 0) return 1;
  const sum = Object.values(shares).reduce((total, share) => total + Math.sqrt(share * (1 - share)), 0);
  return Math.min(1, sum / Math.sqrt(2 * Math.PI * rows));
}
