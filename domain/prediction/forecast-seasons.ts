/**
 * Seasons of a whole series whose steps have no known length: its day, and its week or another multiple of the day that
 * repeats it better. Unlike an online forecaster, a batch one can use a week of which it has seen only two.
 */
import { findPeriods } from './period.js';
import { SEASON_STEPS_MAX } from './series-memory.js';

/** Days of data by the minute, five, ten, fifteen and thirty minutes, and the hour: likelier than their neighbours. */
const DAY_STEPS = [24, 48, 96, 144, 288, 1440];
/** Shorter seasons are covered by the last values themselves. */
const SEASON_STEPS_MIN = 4;
/** Held-out share of variance that a day must explain. */
const STRENGTH_MIN = 0.05;
/** Days in a week: where days are days, people have weeks, and two of them show no hill of the autocorrelation yet. */
const WEEK_DAYS = 7;
/** Error beside that of the day at which another multiple of it is used: less is within the noise. */
const ERROR_RATIO_MAX = 0.95;

/**
 * Finds up to two seasons (ascending, in steps), the longer one a multiple of the shorter; missing values are carried
 * forward. None for a short, constant or shapeless series. O(n log n).
 */
export function findBatchSeasons(series: readonly (number | null)[]): number[] {
  const recent = series.slice(-4 * SEASON_STEPS_MAX);
  let last = recent.find((value) => value !== null) ?? 0;
  const filled = recent.map((value) => (last = value ?? last));
  const likely = DAY_STEPS.filter((steps) => 3 * steps < filled.length);
  const periods = findPeriods(filled, likely)
    .periods.filter(({ steps, strength }) => steps >= SEASON_STEPS_MIN && strength >= STRENGTH_MIN)
    .map(({ steps }) => steps);
  const shortest = periods.at(0);
  if (shortest === undefined || shortest > SEASON_STEPS_MAX) return [];
  const short = DAY_STEPS.includes(shortest / WEEK_DAYS) ? shortest / WEEK_DAYS : shortest;
  const fits = (steps: number): boolean => steps <= SEASON_STEPS_MAX && 2 * steps <= filled.length;
  if (DAY_STEPS.includes(short)) return [short, WEEK_DAYS * short].filter((steps) => steps === short || fits(steps));
  // A found length is off by a step or two when it is long: the multiple of the short season is meant.
  const multiples = periods.slice(1).map((steps) => short * Math.round(steps / short));
  const shapes = withoutLevel(filled, short);
  let best = { steps: short, ratio: ERROR_RATIO_MAX };
  for (const steps of multiples) {
    if (steps === short || !fits(steps)) continue;
    const ratio = repetitionError(shapes, steps, steps) / repetitionError(shapes, short, steps);
    if (ratio < best.ratio) best = { steps, ratio };
  }
  return best.steps > short ? [short, best.steps] : [short];
}

/** Values less the mean of the season before them. */
function withoutLevel(values: readonly number[], season: number): number[] {
  let sum = 0;
  return values.map((value, t) => {
    const shape = t < season ? 0 : value - sum / season;
    sum += value - (t < season ? 0 : values[t - season]);
    return shape;
  });
}

/** Mean absolute error of repeating the value `lag` steps before, from where a lag of `longest` can be judged too. */
function repetitionError(shapes: readonly number[], lag: number, longest: number): number {
  let sum = 0;
  for (let t = longest; t < shapes.length; t++) sum += Math.abs(shapes[t] - shapes[t - lag]);
  return sum / (shapes.length - longest);
}
