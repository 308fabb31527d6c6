/**
 * Changes of level: found in a stored series by binary segmentation, and in a stream by a two-sided CUSUM.
 */
import { median } from './period.js';

/** A row at which the level changed. */
export interface ChangePoint {
  /** First row of the new level. */
  readonly index: number;
  readonly before: number;
  readonly after: number;
  /** |after - before| in units of the noise's standard deviation. */
  readonly size: number;
}

const SEGMENT_ROWS_MIN = 8;
const CHANGES_MAX = 50;
/** Steps between neighbours of at most this many noise deviations are drift, not a change. */
const SIZE_MIN = 1;

/** Typical difference of values `lag` apart, as the standard deviation that a normal difference would have. */
function differenceOf(values: readonly number[], lag: number): number {
  return 1.4826 * median(Array.from({ length: values.length - lag }, (_, i) => Math.abs(values[i + lag] - values[i])));
}

/**
 * Standard deviation of a series whose level may change, and how many times larger the variance of its means is than
 * that of independent values: from differences of neighbouring rows and blocks, of which few straddle a change.
 */
function noiseOf(values: readonly number[]): { deviation: number; inflation: number } {
  const n = values.length;
  const deviation = Math.max(differenceOf(values, 1), differenceOf(values, SEGMENT_ROWS_MIN)) / Math.SQRT2;
  const width = Math.max(SEGMENT_ROWS_MIN, Math.round(Math.sqrt(n)));
  const blocks = Array.from({ length: Math.floor(n / width) }, (_, block) => {
    let sum = 0;
    for (let i = block * width; i < (block + 1) * width; i++) sum += values[i];
    return sum / width;
  });
  if (blocks.length < 2 || deviation === 0) return { deviation, inflation: 1 };
  const longRun = (width * differenceOf(blocks, 1) ** 2) / 2;
  return { deviation, inflation: Math.max(1, longRun / deviation ** 2) };
}

/**
 * Change points of an evenly spaced series without season, in row order (Scott and Knott, 1974; penalty 4 ln n per
 * change, Yao, 1988, times the inflation of an autocorrelated noise's long-run variance).
 * Fewer than 16 values have none. A noiseless series changes wherever its value does, at most 50 times.
 */
export function findChangePoints(values: readonly number[]): ChangePoint[] {
  const n = values.length;
  if (n < 2 * SEGMENT_ROWS_MIN) return [];
  const { deviation, inflation } = noiseOf(values);
  const magnitude = values.reduce((sum, x) => Math.max(sum, Math.abs(x)), 0);
  const unit = Math.max(deviation, 1e-9 * magnitude, 1e-12);
  const penalty = 4 * Math.log(n) * inflation;
  const sums = new Float64Array(n + 1);
  values.forEach((x, i) => (sums[i + 1] = sums[i] + x / unit));
  const mean = (from: number, to: number): number => (sums[to] - sums[from]) / (to - from);
  const cuts = [0, n];
  const open: [number, number][] = [[0, n]];
  while (open.length > 0 && cuts.length < CHANGES_MAX + 2) {
    const [from, to] = open.pop()!;
    let best = { at: -1, gain: penalty };
    for (let at = from + SEGMENT_ROWS_MIN; at <= to - SEGMENT_ROWS_MIN; at++) {
      const step = mean(at, to) - mean(from, at);
      const gain = (step * step * (at - from) * (to - at)) / (to - from);
      if (gain > best.gain) best = { at, gain };
    }
    if (best.at < 0) continue;
    cuts.push(best.at);
    open.push([from, best.at], [best.at, to]);
  }
  cuts.sort((a, b) => a - b);
  return prune(cuts, mean, penalty)
    .slice(1, -1)
    .map((index, k, inner) => {
      const before = mean(inner[k - 1] ?? 0, index);
      const after = mean(index, inner[k + 1] ?? n);
      return { index, before: before * unit, after: after * unit, size: Math.abs(after - before) };
    });
}

/** Takes out the cuts that the final segments no longer justify, weakest first. */
function prune(cuts: readonly number[], mean: (from: number, to: number) => number, penalty: number): number[] {
  const kept = [...cuts];
  for (;;) {
    let weakest = { k: -1, excess: 0 };
    for (let k = 1; k < kept.length - 1; k++) {
      const [from, at, to] = [kept[k - 1], kept[k], kept[k + 1]];
      const step = Math.abs(mean(at, to) - mean(from, at));
      const gain = (step * step * (at - from) * (to - at)) / (to - from);
      const excess = step < SIZE_MIN ? -Infinity : gain - penalty;
      if (excess < weakest.excess) weakest = { k, excess };
    }
    if (weakest.k < 0) return kept;
    kept.splice(weakest.k, 1);
  }
}

/** Plain-JSON state of a streaming change detector. */
export interface ChangeState {
  readonly rows: number;
  readonly mean: number;
  readonly variance: number;
  readonly up: number;
  readonly down: number;
}

/** Slack and limit of the CUSUM in deviations: detects a shift of one deviation, one false alarm in about 10,000 rows (Montgomery, Statistical Quality Control, table 9.3, extrapolated). */
const CUSUM_SLACK = 0.5;
const CUSUM_LIMIT = 8;
const CUSUM_WARM_ROWS = 30;

/** The state before the first value. */
export const EMPTY_CHANGE: ChangeState = { rows: 0, mean: 0, variance: 0, up: 0, down: 0 };

/**
 * One step of a two-sided CUSUM (Page, 1954) on residuals without season. O(1).
 * @returns the new state and the direction of a change found on this row; after one the state starts anew.
 */
export function updateChange(
  state: ChangeState,
  value: number,
): { readonly state: ChangeState; readonly change: 'up' | 'down' | null } {
  const rows = state.rows + 1;
  const deviation = Math.sqrt(state.variance);
  const z = rows > CUSUM_WARM_ROWS && deviation > 0 ? (value - state.mean) / deviation : 0;
  // One value counts at most half the limit: a spike alone is not a change.
  const clipped = Math.min(Math.max(z, -CUSUM_LIMIT / 2), CUSUM_LIMIT / 2);
  const up = Math.max(0, state.up + clipped - CUSUM_SLACK);
  const down = Math.max(0, state.down - clipped - CUSUM_SLACK);
  if (up > CUSUM_LIMIT || down > CUSUM_LIMIT) {
    return { state: { ...EMPTY_CHANGE, rows: 1, mean: value }, change: up > down ? 'up' : 'down' };
  }
  const rate = Math.max(1 / rows, 1 / 500);
  const residual = value - state.mean;
  const mean = state.mean + rate * residual;
  const variance = rows === 1 ? 0 : (1 - rate) * (state.variance + rate * residual * residual);
  return { state: { rows, mean, variance, up, down }, change: null };
}
