/**
 * The plug-in contract of forecasting: a predictor learns one series a step at a time and forecasts it at any moment.
 *
 * Laws (checked by `test/domain/prediction/predictor-laws.ts` for every predictor of the registry): a run restored from
 * its snapshot forecasts identically; a snapshot is plain JSON; lower <= upper; a forecast changes no state; an empty or
 * constant series has an answer.
 */
import type { SeriesForecast } from './series-forecaster.js';

export interface PredictorRun {
  /** Appends one step; null is a missing value. */
  update(value: number | null): void;
  /** Forecasts steps 1..horizon with central intervals of `levels`. */
  forecast(horizon: number, levels: readonly number[]): SeriesForecast;
  /** Plain JSON. */
  snapshot(): unknown;
}

export interface PredictorOptions {
  /** Seasons in steps, ascending. */
  readonly seasons: readonly number[];
  /** Snapshots of this predictor for series that behave alike: a start for one without a past of its own. */
  readonly similar: readonly unknown[];
}

/** `id` and `version` are recorded with the decision; a snapshot of another version is not restored: the series is learned anew. */
export interface Predictor {
  readonly id: string;
  readonly version: number;
  create(options: PredictorOptions): PredictorRun;
  /** Throws for a snapshot that it did not write. */
  restore(snapshot: unknown): PredictorRun;
}
