/**
 * Tail of a non-negative statistic, learned online: how improbable is a value as large as this one?
 *
 * Peaks over threshold (Siffer et al., "Anomaly detection in streams with extreme value theory", KDD 2017, eq. 1): above
 * a high quantile u the excess follows a generalised Pareto law. u comes from a stochastic quantile estimate (Robbins and
 * Monro, 1951), the law's two parameters from the running moments of the excess (Hosking and Wallis, 1987, sect. 3).
 */

/** Share of values above the threshold u. */
const TAIL_SHARE = 0.05;
const TAIL_SURPRISE = -Math.log(TAIL_SHARE);
/** Rate at which the excess moments forget: 200 excesses are 4,000 values, two weeks of 5-minute rows. */
const EXCESS_RATE = 1 / 200;
/** Heaviest tail shape believed: beyond 0.4 the variance of the moment estimate no longer exists in practice. */
const SHAPE_MAX = 0.4;

/** Plain-JSON state of one tail. */
export interface TailState {
  rows: number;
  /** Running mean, the unit in which the threshold moves. */
  mean: number;
  threshold: number;
  excesses: number;
  excessMean: number;
  excessSquare: number;
}

/** The state before the first value. */
export function emptyTail(): TailState {
  return { rows: 0, mean: 0, threshold: 0, excesses: 0, excessMean: 0, excessSquare: 0 };
}

/** Learns one value, at least 0. The caller leaves out what it holds for an anomaly. O(1). */
export function learnTail(tail: TailState, value: number): void {
  tail.rows++;
  const rate = Math.max(1 / tail.rows, 0.001);
  tail.mean += rate * (value - tail.mean);
  if (tail.rows === 1) tail.threshold = 2 * value;
  // The first rows take larger steps, so that the threshold arrives within a hundred of them.
  const step = tail.mean * Math.max(2 / Math.sqrt(tail.rows), 0.05);
  const above = value > tail.threshold;
  if (above) {
    const excess = value - tail.threshold;
    tail.excesses++;
    const excessRate = Math.max(1 / tail.excesses, EXCESS_RATE);
    tail.excessMean += excessRate * (excess - tail.excessMean);
    tail.excessSquare += excessRate * (excess * excess - tail.excessSquare);
  }
  tail.threshold += step * ((above ? 1 : 0) - TAIL_SHARE);
}

/**
 * Surprise of a value: -ln of the probability that a normal row reaches it; 0 below the threshold.
 * Before 10 excesses the tail counts as exponential with at least the mean as its scale.
 */
export function surprise(tail: TailState, value: number): number {
  if (!(value > tail.threshold) || tail.mean <= 0) return 0;
  const excess = value - tail.threshold;
  const mean = tail.excesses < 10 ? Math.max(tail.excessMean, tail.mean) : tail.excessMean;
  // The floor keeps a tail that was always cut at the same value (a quantised stream) from being infinitely sharp.
  const mu = Math.max(mean, 0.1 * tail.mean);
  const variance = tail.excessSquare - tail.excessMean * tail.excessMean;
  const shape = tail.excesses < 30 ? 0 : 0.5 * (1 - (mu * mu) / Math.max(variance, mu * mu));
  const gamma = Math.min(shape, SHAPE_MAX);
  const scale = mu * (1 - gamma);
  if (gamma < 0.01) return TAIL_SURPRISE + excess / scale;
  return TAIL_SURPRISE + Math.log1p((gamma * excess) / scale) / gamma;
}
