/** How many rows of each class to hand out, so that the mix stays near its target. */

import { apportion, classGap, countOf } from '../../analyzers/balance.js';

export interface ClassQuotas {
  readonly quotas: Readonly<Record<string, number>>;
  readonly rows: number;
  /** Rows that are missing of each class for the full number in the target mix. */
  readonly shortfall: Readonly<Record<string, number>>;
  readonly gap: number;
  /** Weight of a row of each class that makes the delivered mix count as the target mix: target share / delivered share. */
  readonly weights: Readonly<Record<string, number>>;
}

/**
 * The most rows, at most `rows`, whose mix stays within `maxGap` of the target. Classes that are short give all they
 * have; the others fill up in proportion to their shares (water-filling). A row count below which nothing is short
 * has no gap, and the gap grows with the number, so the largest admissible number is found by bisection.
 * When even the scarcest admissible draw is empty (a wanted class has no row at all and maxGap is below its share),
 * the draw ignores maxGap: some data with its weights is better than none; the gate judges it.
 */
export function classQuotas(
  counts: Readonly<Record<string, number>>,
  shares: Readonly<Record<string, number>>,
  rows: number,
  maxGap: number,
): ClassQuotas {
  const available = Object.keys(shares).reduce((sum, name) => sum + (shares[name] > 0 ? countOf(counts, name) : 0), 0);
  const most = Math.min(rows, available);
  // Rounding to whole rows moves the mix by at most classes/(2 rows): allowed on top.
  const admissible = (n: number) =>
    classGap(shares, fill(counts, shares, n)) <= maxGap + Object.keys(shares).length / (2 * n);
  let low = 0;
  let high = most;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (admissible(middle)) low = middle;
    else high = middle - 1;
  }
  // The share of classes without any row is a gap at every size: what rounding allows a few rows must not make it admissible.
  const gone = Object.keys(shares).reduce((sum, name) => sum + (countOf(counts, name) > 0 ? 0 : shares[name]), 0);
  const quotas = fill(counts, shares, low === 0 || gone > maxGap ? most : low);
  const total = Object.values(quotas).reduce((sum, quota) => sum + quota, 0);
  const wanted = fill(Object.fromEntries(Object.keys(shares).map((name) => [name, rows])), shares, rows);
  return {
    quotas,
    rows: total,
    shortfall: Object.fromEntries(
      Object.keys(shares).map((name) => [name, Math.max(0, wanted[name] - countOf(counts, name))]),
    ),
    gap: classGap(shares, quotas),
    weights: weightsTowards(shares, quotas),
  };
}

/** Weight of a row of each wanted class that makes these rows count as the target mix; 0 for a class without rows. */
export function weightsTowards(
  shares: Readonly<Record<string, number>>,
  counts: Readonly<Record<string, number>>,
): Record<string, number> {
  const total = Object.keys(shares).reduce((sum, name) => sum + countOf(counts, name), 0);
  return Object.fromEntries(
    Object.keys(shares).map((name) => {
      const rows = countOf(counts, name);
      return [name, rows === 0 ? 0 : (shares[name] * total) / rows];
    }),
  );
}

/** `n` rows over the classes: proportional to the shares, at most what is there, the rest to those with more. */
function fill(
  counts: Readonly<Record<string, number>>,
  shares: Readonly<Record<string, number>>,
  n: number,
): Record<string, number> {
  const quotas: Record<string, number> = Object.fromEntries(Object.keys(shares).map((name) => [name, 0]));
  let open = Object.keys(shares).filter((name) => shares[name] > 0);
  let left = n;
  while (left > 0 && open.length > 0) {
    const weight = open.reduce((sum, name) => sum + shares[name], 0);
    const short = open.filter((name) => (left * shares[name]) / weight >= countOf(counts, name));
    if (short.length === 0) {
      return { ...quotas, ...apportion(left, Object.fromEntries(open.map((name) => [name, shares[name] / weight]))) };
    }
    for (const name of short) {
      quotas[name] = countOf(counts, name);
      left -= quotas[name];
    }
    open = open.filter((name) => !short.includes(name));
  }
  return quotas;
}
