/** Normal scores and the run length of charts on them. */

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

/**
 * Mean number of independent standard normal values until a one-sided CUSUM with reference `k` passes `limit`:
 * (exp(2kb) - 2kb - 1) / (2k^2) with b = limit + 1.166 (Siegmund 1985, Sequential Analysis, eq. 2.56).
 */
export function chartAverageRunLength(k: number, limit: number): number {
  const exponent = 2 * k * (limit + 1.166);
  return (Math.exp(exponent) - exponent - 1) / (2 * k * k);
}

/** The limit at which a chart with reference `k` has this average run length: `chartAverageRunLength` solved for it. */
export function chartLimit(k: number, runLength: number): number {
  let exponent = 1;
  // A contraction: its slope is below 1 / (1 + exponent), so 30 steps leave less than rounding.
  for (let step = 0; step < 30; step++) exponent = Math.log1p(exponent + 2 * k * k * runLength);
  return exponent / (2 * k) - 1.166;
}
