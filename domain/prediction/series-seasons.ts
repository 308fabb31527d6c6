/** Seasons of a series for its forecasters: from the calendar where the length of a step is known, else found. */
import { findPeriods } from './period.js';
import { SEASON_STEPS_MAX } from './series-memory.js';

const DAY_SECONDS = 86_400;
const CALENDAR_SECONDS = [DAY_SECONDS, 7 * DAY_SECONDS, 365 * DAY_SECONDS];
/** Steps of a few seconds say nothing: such times are usually row numbers. */
const STEP_SECONDS_MIN = 30;
/** Shorter seasons are covered by the last values themselves. */
const SEASON_STEPS_MIN = 4;
/** Values looked at: two cycles of the longest season. */
const WINDOW = 2 * SEASON_STEPS_MAX;
/** Held-out share of variance that a season must explain to be used. */
const STRENGTH_MIN = 0.05;

/** Day, week and year in steps, as far as they are whole, at least 4 and not too long for a forecaster. */
export function calendarSeasons(stepSeconds: number): number[] {
  if (!(stepSeconds >= STEP_SECONDS_MIN)) return [];
  return CALENDAR_SECONDS.map((seconds) => seconds / stepSeconds).filter(
    (steps) => Number.isInteger(steps) && steps >= SEASON_STEPS_MIN && steps <= SEASON_STEPS_MAX,
  );
}

/**
 * Finds up to two seasons (ascending, in steps) in the last values of a series; missing values are carried forward.
 * The longer one is a whole multiple of the shorter. None for a short, constant or shapeless series.
 */
export function detectSeasons(series: readonly (number | null)[]): number[] {
  const recent = series.slice(-WINDOW);
  let last = recent.find((value) => value !== null) ?? 0;
  const filled = recent.map((value) => (last = value ?? last));
  const steps = findPeriods(filled)
    .periods.filter(({ steps, strength }) => steps >= SEASON_STEPS_MIN && strength >= STRENGTH_MIN)
    .map((period) => period.steps);
  const short = steps.at(0);
  if (short === undefined) return [];
  // A found length is off by a step or two when it is long: the multiple of the short season is meant.
  const cycles = steps.slice(1).map((length) => Math.round(length / short));
  const long = short * Math.max(1, ...cycles);
  return long > short && long <= SEASON_STEPS_MAX ? [short, long] : [short];
}
