/** Stage 2, predict: what will each model ask of each dataset next, and when will a limited source be short? */
import { expectRequests, type ExpectedRequest, type KnownRequest } from './expected-requests.js';
import { linearTrend } from '../prediction/regression.js';
import {
  createSeriesForecaster,
  restoreSeriesForecaster,
  type SeriesSnapshot,
} from '../prediction/series-forecaster.js';

/** Steps ahead that are forecast and recorded. */
export const FORECAST_STEPS = 4;
/** Central interval recorded with each forecast: decisions use its upper end. */
export const FORECAST_LEVEL = 0.8;
/** Values that the trend looks back on. */
const TREND_STEPS = 48;

export interface SeriesInput {
  /** `model/dataset`. */
  readonly series: string;
  readonly snapshot: SeriesSnapshot | null;
  /** Complete steps since the snapshot, oldest first, the last one ending at `upToMs`; null: nothing was recorded. */
  readonly values: readonly (number | null)[];
  /** Newest values for the trend, oldest first. */
  readonly recent: readonly number[];
  readonly upToMs: number;
}
export interface PredictInputs {
  readonly asOfMs: number;
  readonly stepMs: number;
  /** Season candidates in steps: day and week. */
  readonly seasons: readonly number[];
  readonly series: readonly SeriesInput[];
  /** Requests that came again and again. */
  readonly known: readonly KnownRequest[];
}
export interface SeriesPrediction {
  readonly series: string;
  readonly method: string;
  readonly reliable: boolean;
  readonly history: number;
  /** Rows a step by which demand grows, from a straight line through the recent steps; null where there is none. */
  readonly trend: number | null;
  readonly steps: readonly {
    readonly targetMs: number;
    readonly mean: number;
    readonly lower: number;
    readonly upper: number;
  }[];
}
export interface PredictOutcome {
  readonly predictions: readonly SeriesPrediction[];
  /** Requests that are likely to come again, the most probable first. */
  readonly expected: readonly ExpectedRequest[];
  /** What is stored for the next cycle; not part of the decision's digest. */
  readonly snapshots: Readonly<Record<string, SeriesSnapshot>>;
}

/** Whether today's forecaster can go on from a stored snapshot; one of another version is learned afresh from history. */
export function isRestorable(snapshot: SeriesSnapshot): boolean {
  try {
    restoreSeriesForecaster(snapshot);
    return true;
  } catch {
    return false;
  }
}

/** Learns the new steps of every series and forecasts the next ones. A series without history says so. */
export function predict(inputs: PredictInputs): PredictOutcome {
  const snapshots: Record<string, SeriesSnapshot> = {};
  const predictions = inputs.series.map((input): SeriesPrediction => {
    const forecaster =
      input.snapshot === null
        ? createSeriesForecaster({ seasons: inputs.seasons })
        : restoreSeriesForecaster(input.snapshot);
    for (const value of input.values) forecaster.update(value);
    snapshots[input.series] = forecaster.snapshot();
    const forecast = forecaster.forecast(FORECAST_STEPS, [FORECAST_LEVEL]);
    const band = forecast.quantiles[0];
    const trend = linearTrend(input.recent.slice(-TREND_STEPS));
    return {
      series: input.series,
      method: forecast.method,
      reliable: forecast.reliable,
      history: forecast.history,
      trend: 'slope' in trend ? trend.slope : null,
      // Demand is a number of rows: never below zero.
      steps: forecast.mean.map((mean, index) => ({
        targetMs: input.upToMs + (index + 1) * inputs.stepMs,
        mean: Math.max(0, mean),
        lower: Math.max(0, band.lower[index]),
        upper: Math.max(0, band.upper[index]),
      })),
    };
  });
  return { predictions, expected: expectRequests(inputs.known, inputs.asOfMs), snapshots };
}

/** A sentence for each prediction. */
export function predictReasons(outcome: Pick<PredictOutcome, 'predictions'>): string[] {
  return outcome.predictions.map(({ series, reliable, history, method, steps, trend }) => {
    if (!reliable)
      return `${series}: ${history} ${history === 1 ? 'step' : 'steps'} of history are too little to rely on: nothing is planned on it`;
    const slope =
      trend === null || Math.abs(trend) < 0.5 ? '' : `, trend ${trend > 0 ? '+' : ''}${trend.toFixed(0)} rows a step`;
    return `${series}: ${Math.round(steps[0].mean)} rows expected next (${Math.round(steps[0].lower)} to ${Math.round(steps[0].upper)}, ${method} over ${history} steps${slope})`;
  });
}
