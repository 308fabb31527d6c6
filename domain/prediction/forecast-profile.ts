/**
 * Seasonal profile forecast: the recent level plus the mean deviation that the same phase had from the level of its
 * own time. Weak alone, it pulls an ensemble of lag regressions back to the long-run shape.
 */

/** Cycles that the deviation is averaged over. */
const CYCLES_MAX = 5;

/**
 * Forecasts `horizon` steps after the first `end` values: deviations by `season`, levels over `window` steps.
 * `sums` are the running sums of `values` (see runningSums). Needs `end >= season + window`.
 */
export function forecastProfile(
  values: Float64Array,
  sums: Float64Array,
  end: number,
  horizon: number,
  season: number,
  window: number,
): Float64Array {
  const mean = (to: number): number => (sums[to] - sums[to - window]) / window;
  const level = mean(end);
  const forecast = new Float64Array(horizon);
  for (let step = 0; step < horizon; step++) {
    let sum = 0;
    let count = 0;
    const cycle = Math.floor(step / season) + 1;
    for (let back = cycle; back < cycle + CYCLES_MAX; back++) {
      const base = end - season * back;
      if (base < window) break;
      sum += values[base + step] - mean(base);
      count++;
    }
    forecast[step] = count === 0 ? level : level + sum / count;
  }
  return forecast;
}

/** `result[t]` is the sum of the first t values. */
export function runningSums(values: Float64Array): Float64Array {
  const sums = new Float64Array(values.length + 1);
  for (let t = 0; t < values.length; t++) sums[t + 1] = sums[t] + values[t];
  return sums;
}
