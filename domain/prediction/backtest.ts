/** Online replay of a series: what would have been forecast at each origin, without a look ahead. */
import { usageError } from '../types/errors.js';
import { createSeriesForecaster } from './series-forecaster.js';

export interface BacktestOptions {
  /** Steps ahead, at least 1. */
  readonly horizon: number;
  /** Index of the first unseen value at the first origin, and the distance between origins in steps. */
  readonly from: number;
  readonly step: number;
  readonly seasons?: readonly number[];
}

export interface BacktestRow {
  /** 0-based index of the first unseen value. */
  readonly origin: number;
  /** Step 1 forecasts the value at `origin`. */
  readonly step: number;
  readonly mean: number;
  readonly q10: number;
  readonly q50: number;
  readonly q90: number;
  /** null where the value is missing. */
  readonly actual: number | null;
}

export interface BacktestAccuracy {
  /** Forecasts with a known value. */
  readonly forecasts: number;
  /** Mean absolute error over that of repeating the last value at the same origins; null where that was perfect. */
  readonly errorToNaive: number | null;
  /** Share of values at or below q90, and within q10..q90; null without forecasts. */
  readonly coverage90: number | null;
  readonly coverage80: number | null;
}

export interface BacktestReport {
  readonly rows: readonly BacktestRow[];
  readonly accuracy: BacktestAccuracy;
}

/** Replays `series` (null is missing). Steps beyond its end are left out, so a short series gives no rows. */
export function backtestSeries(series: readonly (number | null)[], options: BacktestOptions): BacktestReport {
  const { horizon, from, step, seasons } = options;
  if (!Number.isInteger(from) || from < 0 || !Number.isInteger(step) || step < 1) {
    throw usageError({
      type: 'InvalidOrigins',
      message: 'the origins of a backtest are not usable',
      expected: 'a first index of at least 0 and a step of at least 1',
      got: `${from}:${step}`,
    });
  }
  const forecaster = createSeriesForecaster({ seasons });
  const rows: BacktestRow[] = [];
  const tally = { ours: 0, naive: 0, below90: 0, within80: 0, count: 0 };
  let last = 0;
  for (let origin = 0; origin < series.length; origin++) {
    if (origin >= from && (origin - from) % step === 0) {
      const { mean, quantiles } = forecaster.forecast(horizon, [0.8, 0]);
      const [band, middle] = quantiles;
      for (let i = 0; i < horizon && origin + i < series.length; i++) {
        const row = { mean: mean[i], q10: band.lower[i], q50: middle.lower[i], q90: band.upper[i] };
        const actual = series[origin + i];
        rows.push({ origin, step: i + 1, ...row, actual });
        if (actual === null) continue;
        tally.count++;
        tally.ours += Math.abs(actual - row.mean);
        tally.naive += Math.abs(actual - last);
        if (actual <= row.q90) tally.below90++;
        if (actual >= row.q10 && actual <= row.q90) tally.within80++;
      }
    }
    forecaster.update(series[origin]);
    last = series[origin] ?? last;
  }
  const { ours, naive, below90, within80, count } = tally;
  const accuracy = {
    forecasts: count,
    errorToNaive: naive > 0 ? ours / naive : null,
    coverage90: count > 0 ? below90 / count : null,
    coverage80: count > 0 ? within80 / count : null,
  };
  return { rows, accuracy };
}
