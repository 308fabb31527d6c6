/**
 * The predictor that every other must beat: what was one season ago, else the last value. Its intervals are the quantiles
 * of its own errors of late, so that it is judged by the same rules as everybody.
 */
import type { Predictor, PredictorOptions, PredictorRun } from './predictor.js';
import type { SeriesForecast } from './series-forecaster.js';
import { SEASON_STEPS_MAX } from './series-memory.js';

/** Errors that the intervals rest on: as many as the accuracy monitor looks back on. */
const ERRORS_KEPT = 100;
/** Values before a forecast counts as reliable, as for the mixture. */
const RELIABLE_VALUES_MIN = 24;

interface NaiveState {
  readonly seasons: readonly number[];
  /** Values of the longest season, newest last; missing ones are filled with what was forecast. */
  values: number[];
  /** Errors one step ahead, newest last. */
  errors: number[];
  history: number;
}

class SeasonalNaiveRun implements PredictorRun {
  constructor(private readonly state: NaiveState) {}

  update(value: number | null): void {
    const { state } = this;
    const expected = this.at(1);
    if (value === null && state.values.length === 0) return;
    if (value !== null) {
      state.history++;
      if (state.values.length > 0) state.errors = [...state.errors, value - expected + 0].slice(-ERRORS_KEPT);
    }
    // A snapshot is JSON, which has no negative zero: adding zero makes it the plain one.
    state.values.push((value ?? expected) + 0);
    const longest = state.seasons.at(-1) ?? 1;
    if (state.values.length > longest) state.values.shift();
  }

  /** The value of the longest season that has been seen in full, at the phase of `step` steps ahead. */
  private at(step: number): number {
    const { values, seasons } = this.state;
    const season = seasons.filter((steps) => steps <= values.length).at(-1) ?? 1;
    return values.at(-season + ((step - 1) % season)) ?? 0;
  }

  forecast(horizon: number, levels: readonly number[]): SeriesForecast {
    const { values, errors, history, seasons } = this.state;
    const sorted = [...errors].sort((a, b) => a - b);
    const quantile = (probability: number): number =>
      sorted.length === 0 ? 0 : sorted[Math.min(sorted.length - 1, Math.floor(probability * sorted.length))];
    const mean = Array.from({ length: horizon }, (_, index) => this.at(index + 1));
    // Without a season the error of a last value grows with the root of the distance, as that of a random walk.
    const walks = !seasons.some((season) => season <= values.length);
    const growth = (index: number): number => (walks ? Math.sqrt(index + 1) : 1);
    return {
      mean,
      quantiles: levels.map((level) => ({
        level,
        lower: mean.map((value, index) => value + growth(index) * quantile((1 - level) / 2)),
        upper: mean.map((value, index) => value + growth(index) * quantile((1 + level) / 2)),
      })),
      method: 'seasonal-naive',
      history,
      reliable: history >= RELIABLE_VALUES_MIN,
    };
  }

  snapshot(): NaiveState {
    return structuredClone(this.state);
  }
}

export const seasonalNaive: Predictor = {
  id: 'seasonal-naive',
  version: 1,
  create: ({ seasons }: PredictorOptions) =>
    new SeasonalNaiveRun({
      seasons: seasons.filter((season) => season <= SEASON_STEPS_MAX).sort((a, b) => a - b),
      ...{ values: [], errors: [], history: 0 },
    }),
  restore: (snapshot) => new SeasonalNaiveRun(structuredClone(snapshot as NaiveState)),
};
