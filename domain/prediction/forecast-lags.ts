/**
 * Linear regression of a series on its own past values, forecast recursively: the calendar-lag regression that is
 * the strongest light method on hourly series. Robust (Huber weights), with a small ridge against singularity.
 */

/** Ridge on the sums over all rows of standardised lags: it makes the normal equations solvable and no more. Nearly equal
 * neighbouring lags carry the signal in their differences, which a hundred times this ridge already flattens. */
const RIDGE = 0.001;
/** Residuals beyond this many robust standard deviations lose weight (Huber 1964: 95 % efficiency at 1.345). */
const HUBER_WIDTH = 1.345;
/** Refits with updated weights; another changes the accuracy of hourly series by 0.1 %. */
const REWEIGHTINGS = 1;
/** Median absolute deviation of a unit normal, as its standard deviation. */
const MAD_TO_SIGMA = 1.4826;
/** Rows per coefficient below which lags are dropped, longest first. */
const ROWS_PER_COEFFICIENT = 3;

/** Rows that a phase's own mean counts against: a tenth of one, since the values' variance is about ten times that of what
 * a regression leaves (the ratio is the ridge of a random effect: Robinson, That BLUP is a good thing, 1991, eq. 1.1). */
const PHASE_RIDGE = 0.1;
/** Rows per phase below which phases get no means of their own. */
const ROWS_PER_PHASE = 2;

/** What a regression looks at. */
export interface LagShape {
  /** Steps back; applied to the differenced series where `difference` is not 0. */
  readonly lags: readonly number[];
  /** Season whose difference is modelled, 0 for the series itself. */
  readonly difference: number;
  /** Season of which each phase has a mean of its own, 0 for one mean. */
  readonly cycle: number;
  /** Steps after which a row counts half, 0 where all count the same. */
  readonly halfLife: number;
}

export interface LagModel {
  /** Steps back, ascending. */
  readonly lags: readonly number[];
  readonly difference: number;
  /** One per lag, then the intercept. */
  readonly coefficients: Float64Array;
  /** Mean of each phase beside the intercept; phase 0 is that of the first value. Empty where there are none. */
  readonly phases: Float64Array;
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
export function fitLags(values: Float64Array, known: Uint8Array, shape: LagShape): LagModel | undefined {
  const { difference, halfLife } = shape;
  const lags = supportedLags(shape.lags, difference, values.length);
  if (lags.length === 0) return undefined;
  const series = differenced(values, difference);
  const n = series.length;
  const first = lags[lags.length - 1] + difference;
  const cycle = n - first >= ROWS_PER_PHASE * shape.cycle ? shape.cycle : 0;
  const age = Float64Array.from(known, (is, t) =>
    t < first || is === 0 ? 0 : halfLife > 0 ? 0.5 ** ((n - t) / halfLife) : 1,
  );
  let model = leastSquares(series, { lags, difference }, cycle, age);
  for (let round = 0; round < REWEIGHTINGS; round++) {
    const residuals = residualsOf(series, model, age);
    const width = HUBER_WIDTH * MAD_TO_SIGMA * medianOfKnown(residuals, age);
    if (width === 0) break;
    const weights = age.map((weight, t) => (residuals[t] > width ? (weight * width) / residuals[t] : weight));
    model = leastSquares(series, { lags, difference }, cycle, weights);
  }
  return model;
}

function differenced(values: Float64Array, season: number): Float64Array {
  if (season === 0) return values;
  return values.map((value, t) => (t >= season ? value - values[t - season] : 0));
}

/**
 * Weighted least squares on the lags, an intercept and the mean of each phase. The means are eliminated first (each occurs
 * in its own rows only), so that they cost no more than a second pass over the lags.
 */
function leastSquares(
  series: Float64Array,
  { lags, difference }: Pick<LagModel, 'lags' | 'difference'>,
  cycle: number,
  weights: Float64Array,
): LagModel {
  const n = series.length;
  const first = lags[lags.length - 1];
  const size = lags.length + 1;
  const gram = new Float64Array(size * size);
  const right = new Float64Array(size);
  // Per phase: the weighted sums of the lags, the weight, and the weighted sum of the targets.
  const width = size + 1;
  const sums = new Float64Array(cycle * width);
  const column = new Float64Array(n);
  const ones = new Float64Array(n).fill(1);
  for (let i = 0; i <= size; i++) {
    const lag = lags[i] ?? 0;
    const source = i === lags.length ? ones : series;
    for (let t = first; t < n; t++) column[t] = weights[t] * source[t - lag];
    for (let t = first, phase = first; cycle > 0 && t < n; t++, phase++) {
      if (phase >= cycle) phase %= cycle;
      sums[phase * width + i] += column[t];
    }
    if (i === size) {
      products(column, series, lags, right);
      right[size - 1] = column.subarray(first).reduce((sum, value) => sum + value, 0);
      break;
    }
    products(column, series, lags.slice(0, i + 1), gram.subarray(i * size, (i + 1) * size));
  }
  gram[size * size - 1] = weights.subarray(first).reduce((sum, weight) => sum + weight, 0);
  for (let at = 0; at < sums.length; at += width) {
    const rows = sums[at + size - 1] + PHASE_RIDGE;
    for (let i = 0; i < size; i++) {
      const share = sums[at + i] / rows;
      right[i] -= share * sums[at + size];
      for (let j = 0, cell = i * size; j <= i; j++, cell++) gram[cell] -= share * sums[at + j];
    }
  }
  for (let i = 0; i < size; i++) gram[i * size + i] += RIDGE;
  const coefficients = solveCholesky(gram, right);
  const phases = new Float64Array(cycle).map((_, phase) => {
    const at = phase * width;
    let rest = sums[at + size];
    for (let i = 0; i < size; i++) rest -= coefficients[i] * sums[at + i];
    return rest / (sums[at + size - 1] + PHASE_RIDGE);
  });
  return { lags, difference, coefficients, phases };
}

/** Sums of `column` times the series `lag` steps back, for each lag; four sums at once, as a processor adds fastest. */
function products(column: Float64Array, series: Float64Array, lags: readonly number[], out: Float64Array): void {
  const n = column.length;
  const first = lags[lags.length - 1];
  let k = 0;
  for (; k + 3 < lags.length; k += 4) {
    const [l0, l1, l2, l3] = [lags[k], lags[k + 1], lags[k + 2], lags[k + 3]];
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let t = first; t < n; t++) {
      const x = column[t];
      s0 += x * series[t - l0];
      s1 += x * series[t - l1];
      s2 += x * series[t - l2];
      s3 += x * series[t - l3];
    }
    out[k] = s0;
    out[k + 1] = s1;
    out[k + 2] = s2;
    out[k + 3] = s3;
  }
  for (; k < lags.length; k++) {
    let sum = 0;
    for (let t = first; t < n; t++) sum += column[t] * series[t - lags[k]];
    out[k] = sum;
  }
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

/** The model at index `t` of a series that begins `start` steps after the fitted one. */
function predictAt(series: Float64Array, t: number, { lags, coefficients, phases }: LagModel, start = 0): number {
  let sum = coefficients[lags.length];
  if (phases.length > 0) sum += phases[(start + t) % phases.length];
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
    level[t] = Math.max(low, Math.min(high, base + predictAt(series, t, model, end - reach)));
    if (difference > 0) series[t] = level[t] - base;
  }
  return level.subarray(reach);
}
