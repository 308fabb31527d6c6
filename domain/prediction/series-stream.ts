/**
 * A series forecaster fed by time instead of by step: points may come late, out of order, twice or not at all. Each falls
 * on the nearest step of a regular grid that begins at the first point.
 */
import { usageError } from '../types/errors.js';
import {
  checkSeriesValue,
  createSeriesForecaster,
  restoreSeriesForecaster,
  type SeriesForecast,
  type SeriesForecaster,
  type SeriesForecasterOptions,
  type SeriesSnapshot,
} from './series-forecaster.js';

/** Missing steps that one point may bring: a longer gap is a wrong time, or the end of what the past says. */
export const GAP_STEPS_MAX = 10_000;

export interface SeriesStreamOptions extends SeriesForecasterOptions {
  /** Length of a step in milliseconds, above 0. */
  readonly stepMs: number;
}

/** What became of a point: a new step, a value put in the place of an earlier one, or one too old to be held. */
export type PointFate = 'appended' | 'revised' | 'too-late';

export interface SeriesStreamSnapshot {
  readonly version: 1;
  readonly stepMs: number;
  /** Time of step 0; null before the first point. */
  readonly startMs: number | null;
  /** Steps so far, missing ones included. */
  readonly steps: number;
  readonly forecaster: SeriesSnapshot;
}

export interface SeriesStream {
  /**
   * Takes a point. Steps passed over are missing until a late point fills them. Throws a usage error for a time that is
   * no number or more than GAP_STEPS_MAX steps after the newest, and for values that the forecaster refuses.
   */
  observe(timeMs: number, value: number): PointFate;
  /** Forecasts the steps after the newest one. */
  forecast(horizon: number, levels?: readonly number[]): SeriesForecast;
  /** Time of the first forecast step; null before the first point. */
  nextMs(): number | null;
  snapshot(): SeriesStreamSnapshot;
}

class GridStream implements SeriesStream {
  constructor(
    private readonly forecaster: SeriesForecaster,
    private readonly stepMs: number,
    private startMs: number | null = null,
    private steps = 0,
  ) {}

  observe(timeMs: number, value: number): PointFate {
    const startMs = this.startMs ?? timeMs;
    const ahead = Math.round((timeMs - startMs) / this.stepMs) - this.steps;
    if (!Number.isFinite(timeMs) || ahead > GAP_STEPS_MAX) throw this.badTime(timeMs);
    if (ahead < 0) return this.forecaster.revise(-ahead, value) ? 'revised' : 'too-late';
    // First: a refused value must leave no gap behind.
    checkSeriesValue(value);
    for (let missing = 0; missing < ahead; missing++) this.forecaster.update(null);
    this.forecaster.update(value);
    this.startMs = startMs;
    this.steps += ahead + 1;
    return 'appended';
  }

  forecast(horizon: number, levels?: readonly number[]): SeriesForecast {
    return this.forecaster.forecast(horizon, levels);
  }

  nextMs(): number | null {
    return this.startMs === null ? null : this.startMs + this.steps * this.stepMs;
  }

  snapshot(): SeriesStreamSnapshot {
    const { stepMs, startMs, steps } = this;
    return { version: 1, stepMs, startMs, steps, forecaster: this.forecaster.snapshot() };
  }

  private badTime(timeMs: number): Error {
    const newest = this.nextMs();
    return usageError({
      type: 'InvalidTime',
      message: 'the time of a point is not usable',
      expected:
        newest === null
          ? 'milliseconds'
          : `milliseconds, at most ${GAP_STEPS_MAX} steps of ${this.stepMs} ms after ${newest - this.stepMs}`,
      got: String(timeMs),
      hint: 'Begin a new stream where the series really stood still for so long.',
    });
  }
}

/** A stream without history. A step that is not above 0 is refused. */
export function createSeriesStream({ stepMs, ...options }: SeriesStreamOptions): SeriesStream {
  if (!(stepMs > 0 && Number.isFinite(stepMs))) {
    throw usageError({
      type: 'InvalidStep',
      message: 'the step of a stream is not usable',
      expected: 'milliseconds above 0',
      got: String(stepMs),
    });
  }
  return new GridStream(createSeriesForecaster(options), stepMs);
}

/** The stream that wrote the snapshot: its forecasts are identical. */
export function restoreSeriesStream({ forecaster, stepMs, startMs, steps }: SeriesStreamSnapshot): SeriesStream {
  return new GridStream(restoreSeriesForecaster(forecaster), stepMs, startMs, steps);
}
