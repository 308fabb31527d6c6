/**
 * Errors that an ensemble makes at past origins, and the intervals that follow from them: conformal quantiles of
 * errors that were divided by what is usual for their horizon and their phase of the season, then pooled.
 */
import { combineForecasts } from './forecast-ensemble.js';
import type { PastOrigin } from './forecast-past.js';

/** Errors on unseen values beside what the number of fitted parameters explains: series change. With this factor a nominal
 * 95 % interval encloses 95 % of the held-out values of hourly series (bench/forecast-m4.ts, four cuts). */
const CHANGE_INFLATION = 1.15;
/** Horizons on either side over which the usual error is smoothed, as a share of the horizon. */
const SMOOTHED_SHARE = 1 / 8;
/** The phase's usual error counts by its square root: half way between ignoring and trusting few observations. */
const PHASE_POWER = 0.5;
/** Smallest usual error, in standard deviations of the series: a perfect fit still divides. */
const ERROR_FLOOR = 1e-6;
/** Values or past errors below which their quantiles say nothing, and the half width of an interval then, in standard deviations of
 * the series: 95 % of a normal one. */
const SAMPLE_MIN = 24;
const UNKNOWN_SPREADS = 2;

interface PastError {
  readonly step: number;
  readonly phase: number;
  readonly error: number;
}

/** Interval offsets around forecasts made after the last value. */
export interface IntervalSource {
  /** Offsets of steps 1..horizon that enclose a share `level` of unseen values, in the unit of `values`. */
  bounds(level: number): { readonly lower: Float64Array; readonly upper: Float64Array };
}

/** What intervals are measured on. */
export interface IntervalBasis {
  /** The series, standardised; steps with `known` 0 were filled in and do not count. */
  readonly values: Float64Array;
  readonly known: Uint8Array;
  readonly past: readonly PastOrigin[];
  readonly weights: readonly number[];
  /** How much larger errors on unseen values are than those of the past forecasts. */
  readonly unseen: number;
  /** May be 0. */
  readonly season: number;
  readonly horizon: number;
}

/** Intervals from the errors of the weighted median at past origins. */
export function measureIntervals(basis: IntervalBasis): IntervalSource {
  const { values, season, horizon } = basis;
  const phases = Math.max(1, season);
  const errors = pastErrors(basis, phases);
  const byStep = smoothed(
    meanSizes(errors, horizon, ({ step }) => step),
    Math.ceil(horizon * SMOOTHED_SHARE),
    false,
  );
  const relative = errors.map((one) => ({ ...one, error: one.error / byStep[one.step] }));
  const byPhase = smoothed(
    meanSizes(relative, phases, ({ phase }) => phase),
    1,
    true,
  ).map((size) => size ** PHASE_POWER);
  const pooled = Float64Array.from(relative, ({ error, phase }) => error / byPhase[phase]).sort();
  const inflation = CHANGE_INFLATION * basis.unseen;
  const usual = byStep.map((size, step) => size * byPhase[(values.length + step) % phases] * inflation);
  return {
    bounds: (level) => {
      if (Math.min(values.length, pooled.length) < SAMPLE_MIN) {
        const width = new Float64Array(horizon).fill(UNKNOWN_SPREADS * Math.sign(level));
        return { lower: width.map((value) => -value), upper: width };
      }
      // The point forecast is always inside: skewed errors may have a quantile on its other side.
      const low = Math.min(0, quantileOf(pooled, (1 - level) / 2));
      const high = Math.max(0, quantileOf(pooled, (1 + level) / 2));
      return { lower: usual.map((size) => size * low), upper: usual.map((size) => size * high) };
    },
  };
}

function pastErrors({ values, known, past, weights }: IntervalBasis, phases: number): PastError[] {
  const errors: PastError[] = [];
  for (const { end, forecasts } of past) {
    combineForecasts(forecasts, weights).forEach((forecast, step) => {
      if (known[end + step] === 0) return;
      errors.push({ step, phase: (end + step) % phases, error: values[end + step] - forecast });
    });
  }
  return errors;
}

/** Mean absolute error per group; a group without errors takes the overall mean. */
function meanSizes(errors: readonly PastError[], groups: number, groupOf: (error: PastError) => number): Float64Array {
  const sums = new Float64Array(groups);
  const counts = new Float64Array(groups);
  for (const one of errors) {
    sums[groupOf(one)] += Math.abs(one.error);
    counts[groupOf(one)]++;
  }
  const overall = sums.reduce((sum, value) => sum + value, 0) / Math.max(1, errors.length);
  return sums.map((sum, group) => Math.max(ERROR_FLOOR, counts[group] > 0 ? sum / counts[group] : overall));
}

/** Moving mean over `width` neighbours on either side, around the end where `cyclic`. */
function smoothed(values: Float64Array, width: number, cyclic: boolean): Float64Array {
  const n = values.length;
  return values.map((_, i) => {
    let sum = 0;
    let count = 0;
    for (let j = i - width; j <= i + width; j++) {
      if (!cyclic && (j < 0 || j >= n)) continue;
      sum += values[(j + n) % n];
      count++;
    }
    return sum / count;
  });
}

/** Quantile of a non-empty sample by linear interpolation, with the finite-sample correction p (n + 1) - 1. */
function quantileOf(sorted: Float64Array, probability: number): number {
  const n = sorted.length;
  const position = Math.max(0, Math.min(n - 1, probability * (n + 1) - 1));
  const below = Math.floor(position);
  const above = Math.min(n - 1, below + 1);
  return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
}
