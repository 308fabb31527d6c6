/** Normal scores of ranks. */

/** Coefficients of Acklam's rational approximation of the normal quantile (2003); relative error below 1.2e-9. */
const CENTRE = [
  [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239],
  [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1],
] as const;
const TAIL = [
  [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ],
  [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1],
] as const;
const TAIL_START = 0.02425;

const polynomial = (coefficients: readonly number[], x: number): number =>
  coefficients.reduce((sum, c) => sum * x + c, 0);

/** The z with P(Z <= z) = p for a standard normal Z; 0 < p < 1. */
export function normalQuantile(p: number): number {
  if (p > 1 - TAIL_START) return -normalQuantile(1 - p);
  if (p < TAIL_START) {
    const q = Math.sqrt(-2 * Math.log(p));
    return polynomial(TAIL[0], q) / polynomial(TAIL[1], q);
  }
  const q = p - 0.5;
  return (q * polynomial(CENTRE[0], q * q)) / polynomial(CENTRE[1], q * q);
}

/**
 * Normal score of a value's distance from the middle, where its ranks fill `(low, high)` of (0, 1), wider for ties:
 * |2u - 1| is uniform when u is, and its mean over the interval stands for it. A value tied with all others scores 0.
 */
export function normalScoreOfSize(low: number, high: number): number {
  // The integral of |2u - 1| from 1/2 to u is (u - 1/2)|u - 1/2|.
  const area = (u: number): number => (u - 0.5) * Math.abs(u - 0.5);
  return normalQuantile((area(high) - area(low)) / (high - low));
}

/** Number of sorted values below `value`, or at most `value` with `inclusive`. */
export function countBelow(sorted: readonly number[], value: number, inclusive: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const below = inclusive ? sorted[middle] <= value : sorted[middle] < value;
    if (below) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Of the level of a value, and of its distance from the middle. */
export interface Scores {
  readonly level: number;
  readonly spread: number;
}

/** Normal scores of a value among the sorted ones and itself; ties share their ranks. */
export function scoresAmong(sorted: readonly number[], value: number): Scores {
  const count = sorted.length + 1;
  const low = countBelow(sorted, value, false) / count;
  const high = (countBelow(sorted, value, true) + 1) / count;
  return { level: normalQuantile((low + high) / 2), spread: normalScoreOfSize(low, high) };
}
