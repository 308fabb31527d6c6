/**
 * The season of a metric's history: what repeats with the day, the week or any other period that predicts. Without it
 * half a deviation is a smaller shift and the wave itself is none.
 */
import { findPeriods, flatten, median, periodGain, phaseProfile } from '../prediction/period.js';

/** Where a time lies on an even grid: `origin` has slot 0. */
export interface Clock {
  readonly origin: number;
  readonly step: number;
}
/** Plain JSON. `profiles` are the means of each phase, about zero, one list a period; they add up. */
export interface Season {
  readonly clock: Clock;
  readonly profiles: readonly (readonly number[])[];
}

/** Slots without a value, and values that share one, that a grid may have, as a share of the values. */
const HOLES_MAX = 1;
const SHARED_MAX = 0.05;
const CALENDAR_SECONDS = [86_400, 604_800];

function slotOf({ origin, step }: Clock, time: number): number {
  return Math.round((time - origin) / step);
}

/** The grid on which the times lie; null where they go back or lie on none. */
function clockOf(times: readonly number[]): Clock | null {
  const steps = times.slice(1).map((time, i) => time - times[i]);
  const clock = { origin: times[0], step: steps.length > 0 ? median(steps) : 0 };
  if (!(clock.step > 0) || steps.some((step) => step < 0)) return null;
  const slots = times.map((time) => slotOf(clock, time));
  const shared = times.length - new Set(slots).size;
  const isEven = slots[slots.length - 1] < (1 + HOLES_MAX) * times.length && shared <= SHARED_MAX * times.length;
  return isEven ? clock : null;
}

/** Values by slot; a slot without one repeats the value before it. */
function evenly(values: readonly number[], slots: readonly number[]): number[] {
  const series: number[] = [];
  values.forEach((value, i) => {
    while (series.length < slots[i]) series.push(series[series.length - 1]);
    series[slots[i]] = value;
  });
  return series;
}

/** What the season adds at a time. */
export function seasonAt(season: Season | null, time: number): number {
  if (season === null) return 0;
  const slot = slotOf(season.clock, time);
  return season.profiles.reduce((sum, profile) => {
    const { length } = profile;
    return sum + profile[((slot % length) + length) % length];
  }, 0);
}

/**
 * The length within a sixteenth of a found one that predicts best: a length that is off by one row in a smooth wave loses
 * little in a few cycles and its phase in many. Lengths of the calendar are exact.
 */
function sharpened(series: readonly number[], steps: number, calendar: readonly number[]): number {
  if (calendar.includes(steps)) return steps;
  let best = { steps, gain: periodGain(series, steps) };
  for (let near = steps - (steps >> 4); near <= steps + (steps >> 4); near++) {
    const gain = periodGain(series, near);
    if (gain > best.gain) best = { steps: near, gain };
  }
  return best.steps;
}

/** The season of a history, and what it adds at each of its times according to the other cycles. */
export interface LearnedSeason {
  readonly season: Season | null;
  readonly addedAt: (time: number) => number;
}

/**
 * Learns the season of a history.
 *
 * What the season adds at a time of the history is taken from a profile that does not know the value there (leave one
 * out): only so are values without it as wide as those to come will be.
 *
 * @param times of the values, ascending: seconds since 1970, or row numbers
 * @returns no season where the times lie on no grid, or no period predicts
 */
export function learnSeason(values: readonly number[], times: readonly number[]): LearnedSeason {
  const clock = clockOf(times);
  if (clock === null) return { season: null, addedAt: () => 0 };
  const slots = times.map((time) => slotOf(clock, time));
  const series = evenly(values, slots);
  const calendar = CALENDAR_SECONDS.map((seconds) => seconds / clock.step).filter((steps) => Number.isInteger(steps));
  let shape = flatten(series);
  const found = findPeriods(series, calendar).periods.map(({ steps }) => sharpened(shape, steps, calendar));
  const periods = [...new Set(found)];
  const added = new Array<number>(shape.length).fill(0);
  const profiles = periods.map((steps) => {
    const visits = Math.floor(series.length / steps);
    const profile = phaseProfile(shape, steps);
    shape = shape.map((x, i) => {
      const rest = ((x - profile[i % steps]) * visits) / (visits - 1);
      added[i] += x - rest;
      return rest;
    });
    return profile;
  });
  const season = profiles.length === 0 ? null : { clock, profiles };
  return { season, addedAt: (time) => added[slotOf(clock, time)] ?? seasonAt(season, time) };
}
