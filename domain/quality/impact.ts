/**
 * How many of the rows that a model gets a fault hits: a count where it was counted, else what it lies between.
 *
 * Every bound says how much is known. Rows at fault of a draw that was looked at are counted; of a draw to come they are a
 * hypergeometric number; of a class of which only the margins are known they have no more than Fréchet's bounds.
 */
import { countOf, sortedKeys } from '../analyzers/balance.js';
import { usageError } from '../types/errors.js';

/** A figure that is known (`low` = `high`) or lies in an interval. Plain JSON. */
export interface Range {
  readonly low: number;
  readonly expected: number;
  readonly high: number;
}

/** Chance that the count of a draw to come lies in its interval, at least. */
export const IMPACT_RATE = 0.95;

export function exactly(value: number): Range {
  return { low: value, expected: value, high: value };
}

/**
 * Rows at fault among `drawn` rows picked at random without replacement from `rows`, of which `hit` are at fault: mean n K / N,
 * and the quantiles of the hypergeometric distribution (Johnson, Kemp & Kotz 2005, Univariate Discrete Distributions, 6.1)
 * that leave at most half of `1 - rate` on either side. Exact where all rows are drawn, none or all are at fault.
 *
 * @param rows N, at least 0; @param hit K, 0 to N; @param drawn n, 0 to N. Whole numbers
 * @returns whole bounds within [max(0, n - (N - K)), min(n, K)]
 * @throws BalanceError `InvalidDraw` for counts that are no draw
 */
export function drawnHits(rows: number, hit: number, drawn: number, rate = IMPACT_RATE): Range {
  const whole = [rows, hit, drawn].every((count) => Number.isInteger(count) && count >= 0);
  if (!whole || hit > rows || drawn > rows)
    throw usageError({
      type: 'InvalidDraw',
      message: 'rows at fault of a draw cannot be told',
      expected: 'whole numbers, no more rows drawn or at fault than there are',
      got: JSON.stringify({ rows, hit, drawn }),
    });
  const [least, most] = [Math.max(0, drawn - (rows - hit)), Math.min(drawn, hit)];
  if (least === most) return exactly(least);
  const mode = Math.min(most, Math.max(least, Math.floor(((drawn + 1) * (hit + 1)) / (rows + 2))));
  const up = (k: number): number => ((hit - k) * (drawn - k)) / ((k + 1) * (rows - hit - drawn + k + 1));
  const above = weights(mode, most, 1, up);
  const below = weights(mode, least, -1, (k) => 1 / up(k - 1));
  const tail = ((1 - rate) / 2) * (1 + above.sum + below.sum);
  return {
    low: mode - inside(below.list, tail),
    expected: (drawn * hit) / rows,
    high: mode + inside(above.list, tail),
  };
}

/** Probabilities relative to that of `from`, step by step to `to` or until they no longer count beside it. */
function weights(from: number, to: number, step: 1 | -1, ratio: (k: number) => number) {
  const list: number[] = [];
  let sum = 0;
  for (let k = from, weight = 1; k !== to && weight > Number.EPSILON; k += step) {
    weight *= ratio(k);
    list.push(weight);
    sum += weight;
  }
  return { list, sum };
}

/** How many of the weights are left when as many outer ones go as weigh at most `tail`. */
function inside(list: readonly number[], tail: number): number {
  let left = list.length;
  for (let cut = list.at(-1) ?? 0; left > 0 && cut <= tail; cut += list[left - 1] ?? 0) left -= 1;
  return left;
}

/**
 * Rows that are both at fault and of a part (a class), of `rows` of which `hit` are at fault and `part` are of it: Fréchet's
 * bounds (Fréchet 1935; Rüschendorf 1991), which hold however the two depend on each other; the mean is that of independence.
 */
export function jointHits(rows: number, hit: Range, part: number): Range {
  return {
    low: Math.max(0, hit.low - (rows - part)),
    expected: rows === 0 ? 0 : (hit.expected * part) / rows,
    high: Math.min(hit.high, part),
  };
}

/** Rows at fault in at least one of several ways, of `rows`: at least the worst of them, at most all together; the mean is that of independence. */
export function togetherHits(rows: number, hits: readonly Range[]): Range {
  if (hits.length === 1) return hits[0];
  const sound = hits.reduce((left, { expected }) => left * (1 - expected / Math.max(1, rows)), 1);
  return {
    low: hits.reduce((most, { low }) => Math.max(most, low), 0),
    expected: hits.length === 0 ? 0 : rows * (1 - sound),
    high: Math.min(
      rows,
      hits.reduce((sum, { high }) => sum + high, 0),
    ),
  };
}

/** Rows at fault by class: counted where that was done, else what the margins leave open. Classes in key order. */
export function classHits(
  rows: number,
  hit: Range,
  classRows: Readonly<Record<string, number>>,
  counted: Readonly<Record<string, number>> | null = null,
): Record<string, Range> {
  return Object.fromEntries(
    sortedKeys(classRows).map((name) => [
      name,
      counted === null ? jointHits(rows, hit, classRows[name]) : exactly(countOf(counted, name)),
    ]),
  );
}

/**
 * Rows that would have to change for a mix to be the other one, from its measured total-variation distance over two samples of
 * `size` and `other` rows. The distance of samples is above that of what they stand for by `noise` at most in the mean, and one
 * row moves it by no more than its share: it stays within sqrt(ln(2 / (1 - rate)) / 2 (1/n + 1/m)) of its mean (McDiarmid 1989, lemma 1.2).
 */
export function shiftedHits(distance: number, noise: number, size: number, other: number, rate = IMPACT_RATE): Range {
  if (size === 0 || other === 0) return { low: 0, expected: 0, high: size };
  const reach = Math.sqrt((Math.log(2 / (1 - rate)) / 2) * (1 / size + 1 / other));
  return {
    low: size * Math.max(0, distance - noise - reach),
    expected: size * Math.max(0, distance - noise),
    high: size * Math.min(1, distance + reach),
  };
}
