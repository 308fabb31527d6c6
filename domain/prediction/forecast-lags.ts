/**
 * Linear regression of a series on its own past values, forecast recursively: the calendar-lag regression that is
 * the strongest light method on hourly series. Robust (Huber weights), with a small ridge against singularity.
 */

/** Ridge on the sums over all rows of standardised lags: it makes the normal equations solvable and no more. Nearly equal
 * neighbouring lags carry the signal in their differences, which a hundred times this ridge already flattens. */
const RIDGE = 0.001;
/** Residuals beyond this many robust standard deviations lose weight (Huber 1964: 95 % efficiency at 1.345). */
const HUBER_WIDTH = 1.345;
/** Refits with updated weights; more change the coefficients little. */
const REWEIGHTINGS = 2;
/** Median absolute deviation of a unit normal, as its standard deviation. */
const MAD_TO_SIGMA = 1.4826;
/** Rows per coefficient below which lags are dropped, longest first. */
const ROWS_PER_COEFFICIENT = 3;

export interface LagModel {
  /** Steps back, ascending; applied to the differenced series where `difference` is not 0. */
  readonly lags: readonly number[];
  /** Season whose difference is modelled, 0 for the series itself. */
  readonly difference: number;
  /** One per lag, then the intercept. */
  readonly coefficients: Float64Array;
}

/** Season lags that a series of `length` can support: each leaves half of the series for fitting. */
export function supportedLags(lags: readonly number[], difference: number, length: number): number[] {
  const unique = [...new Set(lags.filter((lag) => lag >= 1 && lag + difference <= length / 2))].sort((a, b) => a - b);
  while (unique.length > 0) {
    const rows = length - difference - unique[unique.length - 1];
    if (rows >= ROWS_PER_COEFFICIENT * (unique.length + 1)) return unique;
    unique.pop();
  }
  return unique;
}

/**
 * Fits a lag model to standardised values (about zero mean, unit variance). `known[t]` is 0 where the value was
 * filled in: such steps are no targets. Undefined where the series is too short for any lag.
 */
export function fitLags(
  values: Float64Array,
  known: Uint8Array,
  wanted: readonly number[],
  difference: number,
): LagModel | undefined {
  const lags = supportedLags(wanted, difference, values.length);
  if (lags.length === 0) return undefined;
  const series = differenced(values, difference);
  const weights = Float64Array.from(known);
  weights.fill(0, 0, lags[lags.length - 1] + difference);
  let model: LagModel = { lags, difference, coefficients: leastSquares(series, lags, weights) };
  for (let round = 0; round < REWEIGHTINGS; round++) {
    const residuals = residualsOf(series, model, weights);
    const width = HUBER_WIDTH * MAD_TO_SIGMA * medianOfKnown(residuals, weights);
    if (width === 0) break;
    for (let t = 0; t < weights.length; t++) if (weights[t] > 0) weights[t] = Math.min(1, width / residuals[t]);
    model = { lags, difference, coefficients: leastSquares(series, lags, weights) };
  }
  return model;
}

function differenced(values: Float64Array, season: number): Float64Array {
  if (season === 0) return values;
  return values.map((value, t) => (t >= season ? value - values[t - season] : 0));
}

function leastSquares(series: Float64Array, lags: readonly number[], weights: Float64Array): Float64Array {
  const size = lags.length + 1;
  const gram = new Float64Array(size * size);
  const right = new Float64Array(size);
  const row = new Float64Array(size).fill(1);
  for (let t = lags[lags.length - 1]; t < series.length; t++) {
    const weight = weights[t];
    if (weight === 0) continue;
    for (let i = 0; i < lags.length; i++) row[i] = series[t - lags[i]];
    for (let i = 0; i < size; i++) {
      const weighted = weight * row[i];
      right[i] += weighted * series[t];
      for (let j = 0, cell = i * size; j <= i; j++, cell++) gram[cell] += weighted * row[j];
    }
  }
  for (let i = 0; i < size; i++) gram[i * size + i] += RIDGE;
  return solveCholesky(gram, right);
}

/** Solves A x = b for a positive definite A given by its lower triangle (row-major, overwritten), in O(n^3 / 6). */
export function solveCholesky(a: Float64Array, b: Float64Array): Float64Array {
  const n = b.length;
  const x = Float64Array.from(b);
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = a[i * n + j];
      for (let k = 0; k < j; k++) sum -= a[i * n + k] * a[j * n + k];
      a[i * n + j] = i === j ? Math.sqrt(Math.max(sum, Number.EPSILON)) : sum / a[j * n + j];
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= a[i * n + k] * x[k];
    x[i] /= a[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= a[k * n + i] * x[k];
    x[i] /= a[i * n + i];
  }
  return x;
}

function predictAt(series: Float64Array, t: number, { lags, coefficients }: LagModel): number {
  let sum = coefficients[lags.length];
  for (let i = 0; i < lags.length; i++) sum += coefficients[i] * series[t - lags[i]];
  return sum;
}

function residualsOf(series: Float64Array, model: LagModel, weights: Float64Array): Float64Array {
  return series.map((value, t) => (weights[t] > 0 ? Math.abs(value - predictAt(series, t, model)) : 0));
}

function medianOfKnown(residuals: Float64Array, weights: Float64Array): number {
  const known = residuals.filter((_, t) => weights[t] > 0).sort();
  return known.length === 0 ? 0 : known[known.length >> 1];
}

/**
 * Forecasts `horizon` steps after the first `end` values, feeding forecasts back as values. Forecasts stay within
 * [low, high]: a recursion cannot explode. `end` must exceed the longest lag plus the difference.
 */
export function forecastLags(
  values: Float64Array,
  end: number,
  horizon: number,
  model: LagModel,
  low: number,
  high: number,
): Float64Array {
  const { lags, difference } = model;
  const reach = lags[lags.length - 1] + difference;
  // Only the last `reach` values matter: a window keeps many origins cheap.
  const level = new Float64Array(reach + horizon);
  level.set(values.subarray(end - reach, end));
  const series = difference === 0 ? level : new Float64Array(reach + horizon);
  if (difference > 0) for (let t = difference; t < reach; t++) series[t] = level[t] - level[t - difference];
  for (let t = reach; t < reach + horizon; t++) {
    const base = difference === 0 ? 0 : level[t - difference];
    level[t] = Math.max(low, Math.min(high, base + predictAt(series, t, model)));
    if (difference > 0) series[t] = level[t] - base;
  }
  return level.subarray(reach);
}
