/** Classical forecasters that the online one is measured against, each with the quantiles of its own past errors. */

/** Forecasts value `origin + step - 1` from the values before `origin`. */
export type Baseline = (values: readonly number[], origin: number, step: number) => number;

const naive: Baseline = (values, origin) => values[origin - 1];

const seasonal =
  (season: number): Baseline =>
  (values, origin, step) => {
    const index = origin + step - 1 - season * Math.ceil(step / season);
    return index >= 0 ? values[index] : values[origin - 1];
  };

/**
 * Exponential smoothing with up to two additive seasons (Taylor 2003; none: simple smoothing; one: Holt-Winters
 * without trend). Rates are the best of a grid over the values before `from`, the states then run on.
 */
export function smoothing(values: readonly number[], seasons: readonly number[], from: number): Baseline {
  let best = { error: Infinity, alpha: 0.1, gamma: 0.1 };
  for (const alpha of [0.05, 0.2, 0.5, 0.9]) {
    for (const gamma of seasons.length === 0 ? [0] : [0.05, 0.2, 0.5]) {
      const { error } = run(values.slice(0, from), seasons, alpha, gamma);
      if (error < best.error) best = { error, alpha, gamma };
    }
  }
  const { levels, history } = run(values, seasons, best.alpha, best.gamma);
  return (_, origin, step) => {
    let forecast = levels[origin - 1];
    seasons.forEach((season, i) => {
      const index = origin + step - 1 - season * Math.ceil(step / season);
      forecast += index >= 0 ? history[i][index] : 0;
    });
    return forecast;
  };
}

/** Level and seasonal terms after each value, and the mean absolute one-step error. */
function run(
  values: readonly number[],
  seasons: readonly number[],
  alpha: number,
  gamma: number,
): { error: number; levels: Float64Array; history: Float64Array[] } {
  const levels = new Float64Array(values.length);
  const history = seasons.map(() => new Float64Array(values.length));
  let level = values[0];
  let error = 0;
  values.forEach((value, t) => {
    const terms = seasons.map((season, i) => (t >= season ? history[i][t - season] : 0));
    const miss = value - level - terms.reduce((sum, term) => sum + term, 0);
    if (t > 0) error += Math.abs(miss) / values.length;
    level += alpha * miss;
    levels[t] = level;
    seasons.forEach((_, i) => (history[i][t] = terms[i] + (gamma * (1 - alpha) * miss) / seasons.length));
  });
  return { error, levels, history };
}

export function baselines(
  values: readonly number[],
  day: number,
  week: number,
  from: number,
): Record<string, Baseline> {
  return {
    naive,
    day: seasonal(day),
    week: seasonal(week),
    smoothing: smoothing(values, [], from),
    'ETS(day)': smoothing(values, [day], from),
    'MSTL-like': smoothing(values, [day, week], from),
  };
}

/** Errors of the last week's forecasts, at most this many of them, give a baseline its quantile. */
const ERRORS_MAX = 300;

/** The baseline's forecast plus the `level` quantile of its errors over the week before `origin`. */
export function baselineQuantile(
  values: readonly number[],
  baseline: Baseline,
  origin: number,
  step: number,
  week: number,
  level: number,
): number {
  const errors: number[] = [];
  const stride = Math.max(1, Math.floor(week / ERRORS_MAX));
  for (let target = origin - 1; target >= Math.max(step + 1, origin - week); target -= stride) {
    errors.push(values[target] - baseline(values, target - step + 1, step));
  }
  errors.sort((a, b) => a - b);
  return baseline(values, origin, step) + (errors[Math.floor(level * errors.length)] ?? 0);
}
