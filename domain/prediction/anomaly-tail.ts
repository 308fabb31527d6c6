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
/** Values before the threshold moves by itself; until then it is that of a normal residual, 2.46 times the mean size. */
const START_ROWS = 20;
const START_RATIO = 2.46;
/** Excesses that the prior counts for; its mean excess is again that of a normal residual over its 95 % quantile. */
const PRIOR_EXCESSES = 10;
const PRIOR_RATIO = 0.47;
const EXCESS_CLIP = 5;
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
  tail.mean += Math.max(1 / tail.rows, 0.001) * (value - tail.mean);
  if (tail.rows <= START_ROWS) {
    tail.threshold = START_RATIO * tail.mean;
    return;
  }
  const above = value > tail.threshold;
  if (above) {
    // A drift must not teach its own tail: an excess counts five mean ones at most, which a normal row reaches in 1 of 3,000.
    const excess = Math.min(value - tail.threshold, EXCESS_CLIP * meanExcess(tail));
    tail.excesses++;
    const rate = Math.max(1 / tail.excesses, EXCESS_RATE);
    tail.excessMean += rate * (excess - tail.excessMean);
    tail.excessSquare += rate * (excess * excess - tail.excessSquare);
  }
  // The first rows take larger steps, so that the threshold arrives within a hundred of them.
  const step = tail.rows < 1600 ? 2 / Math.sqrt(tail.rows) : 0.05;
  tail.threshold += step * tail.mean * ((above ? 1 : 0) - TAIL_SHARE);
}

/** Mean excess over the threshold, with the prior's share. */
function meanExcess(tail: TailState): number {
  return (
    (PRIOR_EXCESSES * PRIOR_RATIO * tail.mean + tail.excesses * tail.excessMean) / (PRIOR_EXCESSES + tail.excesses)
  );
}

/** Surprise of a value: -ln of the probability that a normal row reaches it; 0 below the threshold. */
export function surprise(tail: TailState, value: number): number {
  if (!(value > tail.threshold) || tail.mean <= 0) return 0;
  const excess = value - tail.threshold;
  const n = tail.excesses;
  const mean = meanExcess(tail);
  const variance = tail.excessSquare - tail.excessMean * tail.excessMean;
  // Moments of a generalised Pareto law: shape (1 - mean^2 / variance) / 2; 30 excesses make it worth using.
  const shape = n < 30 || variance <= 0 ? 0 : 0.5 * (1 - tail.excessMean ** 2 / variance);
  const gamma = Math.min(shape, SHAPE_MAX);
  if (gamma < 0.01) return TAIL_SURPRISE + excess / mean;
  return TAIL_SURPRISE + Math.log1p((gamma * excess) / (mean * (1 - gamma))) / gamma;
}
