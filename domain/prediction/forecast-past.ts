/**
 * What the members of an ensemble would have forecast at past origins: from it follow their weights and the intervals.
 */
import type { EnsembleMember } from './forecast-ensemble.js';

/** Origins that are forecast again, evenly spread over the part of the series that all members can forecast. */
const ORIGINS_MAX = 48;
/** Error of a member without any, in standard deviations of the series: a perfect fit still divides. */
const ERROR_FLOOR = 1e-6;

/** Forecasts of every member for the steps from index `end` on, at most up to the end of the series. */
export interface PastOrigin {
  readonly end: number;
  readonly forecasts: readonly Float64Array[];
}

/** Forecasts at past origins, at most `horizon` steps each; none where the series is too short. `season` may be 0. */
export function forecastPast(
  length: number,
  members: readonly EnsembleMember[],
  season: number,
  horizon: number,
): readonly PastOrigin[] {
  const first = Math.max(...members.map(({ since }) => since));
  // A stride without a common divisor with the season visits all phases.
  let stride = Math.max(1, Math.ceil((length - first) / ORIGINS_MAX));
  while (greatestCommonDivisor(stride, Math.max(1, season)) > 1) stride++;
  const origins: PastOrigin[] = [];
  for (let end = length - 1; end >= first; end -= stride) {
    const steps = Math.min(horizon, length - end);
    origins.push({ end, forecasts: members.map((member) => member.forecast(end, steps)) });
  }
  return origins;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/**
 * How much larger errors on unseen values are than those that a member makes on values that it was fitted to: the root of
 * Akaike's final prediction error (Fitting autoregressive models for prediction, 1969, eq. 4.7).
 */
export function unseenRatio(rows: number, parameters: number): number {
  const fitted = Math.min(parameters, rows / 2);
  return Math.sqrt((rows + fitted) / (rows - fitted));
}

/**
 * Weights of the members: the inverse square of the mean absolute error that each may be expected to make on unseen values,
 * as independent forecasts are averaged best (Bates and Granger, The combination of forecasts, 1969). Equal without a past.
 */
export function memberWeights(
  values: Float64Array,
  known: Uint8Array,
  members: readonly EnsembleMember[],
  past: readonly PastOrigin[],
): readonly number[] {
  const errors = members.map(({ parameters }, m) => {
    let sum = 0;
    let count = 0;
    for (const { end, forecasts } of past) {
      forecasts[m].forEach((forecast, step) => {
        if (known[end + step] === 0) return;
        sum += Math.abs(values[end + step] - forecast);
        count++;
      });
    }
    return Math.max(ERROR_FLOOR, count > 0 ? sum / count : 0) * unseenRatio(values.length, parameters);
  });
  const least = Math.min(...errors);
  return errors.map((error) => (past.length > 0 ? (least / error) ** 2 : 1));
}
