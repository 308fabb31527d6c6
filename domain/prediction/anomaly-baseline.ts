/**
 * What a normal row looks like: a level, a profile of the day and of the week, and the size of normal residuals.
 * The profile is used only while it predicts better than the level alone, so a stream without season pays nothing.
 */

export const SECONDS_PER_DAY = 86_400;
export const SECONDS_PER_WEEK = 7 * SECONDS_PER_DAY;
/** Quarter hours of the day and hours of the week: the finest calendars that monitoring data fills within weeks. */
const DAY_BINS = 96;
const WEEK_BINS = 168;
/** Slowest rates: the level follows over 200 rows, a bin over 20 visits, an error mean over 500 rows. */
const LEVEL_RATE = 1 / 200;
const BIN_RATE = 1 / 20;
const ERROR_RATE = 1 / 500;
/** Visits after which a bin's own residual size outweighs that of the whole stream. */
const SPREAD_VISITS = 10;
/** Residuals beyond this many scales are learned as if they were this large (Huber's clipping). */
const LEARN_CLIP = 4;

/** Plain-JSON state. `calendar` says which profile predicts best: 0 none, 1 day, 2 day and week. */
export interface BaselineState {
  rows: number;
  firstSeconds: number;
  level: number;
  scale: number;
  calendar: 0 | 1 | 2;
  /** Running absolute error of each calendar. */
  readonly errors: number[];
  readonly day: number[];
  readonly dayVisits: number[];
  readonly daySpread: number[];
  readonly week: number[];
  readonly weekVisits: number[];
}

/** The state before the first value. */
export function emptyBaseline(): BaselineState {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return {
    rows: 0,
    firstSeconds: 0,
    level: 0,
    scale: 0,
    calendar: 0,
    errors: [0, 0, 0],
    day: zeros(DAY_BINS),
    dayVisits: zeros(DAY_BINS),
    daySpread: zeros(DAY_BINS),
    week: zeros(WEEK_BINS),
    weekVisits: zeros(WEEK_BINS),
  };
}

/** Bin of a time in a cycle of `period` seconds cut into `bins`, UTC. */
function binOf(seconds: number, period: number, bins: number): number {
  const phase = seconds / period;
  return Math.floor((phase - Math.floor(phase)) * bins);
}

/** Season that the baseline expects at a time: the profile in use, 0 without one. */
export function seasonAt(state: BaselineState, seconds: number): number {
  if (state.calendar === 0) return 0;
  const day = state.day[binOf(seconds, SECONDS_PER_DAY, DAY_BINS)];
  if (state.calendar === 1) return day;
  return day + state.week[binOf(seconds, SECONDS_PER_WEEK, WEEK_BINS)];
}

/** Size of a normal residual at a time: the bin's own where it is known, the stream's otherwise; never 0. */
export function scaleAt(state: BaselineState, seconds: number): number {
  const floor = 1e-9 * Math.abs(state.level) + 1e-12;
  if (state.calendar === 0) return Math.max(state.scale, floor);
  const bin = binOf(seconds, SECONDS_PER_DAY, DAY_BINS);
  const visits = Math.min(state.dayVisits[bin], 40);
  const own = state.daySpread[bin];
  return Math.max((SPREAD_VISITS * state.scale + visits * own) / (SPREAD_VISITS + visits), 0.2 * state.scale, floor);
}

function clip(value: number, limit: number): number {
  return value > limit ? limit : value < -limit ? -limit : value;
}

/** Learns one normal value. O(1). The level's rate may be raised while a known change is followed. */
export function learnBaseline(state: BaselineState, seconds: number, x: number, levelRate = LEVEL_RATE): void {
  if (state.rows === 0) {
    state.level = x;
    state.firstSeconds = seconds;
  }
  state.rows++;
  const dayBin = binOf(seconds, SECONDS_PER_DAY, DAY_BINS);
  const weekBin = binOf(seconds, SECONDS_PER_WEEK, WEEK_BINS);
  const day = state.day[dayBin];
  const week = state.week[weekBin];
  const errors = [x - state.level, x - state.level - day, x - state.level - day - week];
  const age = seconds - state.firstSeconds;
  const residual = errors[state.calendar];
  const limit = state.rows < 30 ? Infinity : LEARN_CLIP * scaleAt(state, seconds);
  const scaleRate = Math.max(1 / state.rows, ERROR_RATE);
  state.scale += scaleRate * (Math.min(Math.abs(residual), limit) - state.scale);
  // A profile is judged only on cycles after its first: within one it has seen the hour that it predicts.
  if (age >= SECONDS_PER_DAY) {
    if (age < SECONDS_PER_WEEK) errors[2] = errors[1]!;
    for (let k = 0; k < 3; k++) {
      state.errors[k] += ERROR_RATE * (Math.min(Math.abs(errors[k]), 2 * limit) - state.errors[k]);
    }
  }
  const dayVisits = ++state.dayVisits[dayBin];
  const weekVisits = ++state.weekVisits[weekBin];
  state.daySpread[dayBin] +=
    Math.max(1 / dayVisits, BIN_RATE) * (Math.min(Math.abs(residual), limit) - state.daySpread[dayBin]);
  state.day[dayBin] += Math.max(1 / dayVisits, BIN_RATE) * clip(errors[1], 2 * limit);
  state.week[weekBin] += Math.max(1 / (weekVisits + 1), BIN_RATE) * 0.5 * clip(errors[2], 2 * limit);
  state.level += Math.max(1 / state.rows, levelRate) * clip(errors[state.calendar], limit);
  chooseCalendar(state);
}

/** A calendar replaces a simpler one when it saves a tenth of the error: less is within the noise of the estimate. */
function chooseCalendar(state: BaselineState): void {
  const [none, day, week] = state.errors as [number, number, number];
  let best: 0 | 1 | 2 = day < 0.9 * none ? 1 : 0;
  if (week < 0.9 * (best === 1 ? day : none)) best = 2;
  state.calendar = best;
}
