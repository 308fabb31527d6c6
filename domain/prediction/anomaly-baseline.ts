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
/** An hour of the week is remembered over four weeks. */
const WEEK_RATE = 1 / 4;
const ERROR_RATE = 1 / 500;
/** Visits for which the stream's residual size counts, and the most for which an hour's own does. */
const SPREAD_VISITS = 20;
/** Rows between two looks at which calendar is best. */
const CHOOSE_EVERY = 8;
/** A residual this small beside the stream's own movement is of no consequence, however regular the stream. */
const NEGLIGIBLE = 0.02;
/** Residuals beyond this many scales are learned as if they were this large (Huber's clipping). */
const LEARN_CLIP = 4;

/** Plain-JSON state. `calendar` says which profile predicts best: 0 none, 1 day, 2 day and week. */
export interface BaselineState {
  rows: number;
  firstSeconds: number;
  lastSeconds: number;
  /** Level from which the profiles are measured while none is in use, and the values of the first day. */
  origin: number;
  readonly firstDay: { sum: number; count: number };
  level: number;
  scale: number;
  calendar: 0 | 1 | 2;
  /** Running absolute error of each calendar, and the rows that it is taken from. */
  judged: number;
  readonly errors: number[];
  readonly day: number[];
  readonly dayVisits: number[];
  /** Size of normal residuals and visits in each hour of the day. */
  readonly hourSpread: number[];
  readonly hourVisits: number[];
  readonly week: number[];
  readonly weekVisits: number[];
  /** The hour of the week that is being gathered. */
  readonly hour: { bin: number; sum: number; count: number };
}

/** The state before the first value. */
export function emptyBaseline(): BaselineState {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return {
    rows: 0,
    firstSeconds: 0,
    lastSeconds: 0,
    origin: 0,
    firstDay: { sum: 0, count: 0 },
    level: 0,
    scale: 0,
    calendar: 0,
    judged: 0,
    errors: [0, 0, 0],
    day: zeros(DAY_BINS),
    dayVisits: zeros(DAY_BINS),
    hourSpread: zeros(24),
    hourVisits: zeros(24),
    week: zeros(WEEK_BINS),
    weekVisits: zeros(WEEK_BINS),
    hour: { bin: 0, sum: 0, count: 0 },
  };
}

/** Bin of a time in a cycle of `period` seconds cut into `bins`, UTC. */
function binOf(seconds: number, period: number, bins: number): number {
  const phase = seconds / period;
  return Math.floor((phase - Math.floor(phase)) * bins);
}

/** Quarter hours of the day in an hour. */
const QUARTERS = DAY_BINS / 24;

/** Season of the week at a time: the mean of its hour of the week, with the shape of the day inside the hour. */
function weekSeason(state: BaselineState, weekBin: number, dayBin: number): number {
  const first = dayBin - (dayBin % QUARTERS);
  let sum = 0;
  let known = 0;
  for (let bin = first; bin < first + QUARTERS; bin++) {
    if (state.dayVisits[bin] === 0) continue;
    sum += state.day[bin];
    known++;
  }
  return state.week[weekBin] + (known > 0 ? state.day[dayBin] - sum / known : 0);
}

/** Season that the baseline expects at a time: the profile in use, 0 without one. */
export function seasonAt(state: BaselineState, seconds: number): number {
  if (state.calendar === 0) return 0;
  const dayBin = binOf(seconds, SECONDS_PER_DAY, DAY_BINS);
  if (state.calendar === 1) return state.day[dayBin];
  return weekSeason(state, binOf(seconds, SECONDS_PER_WEEK, WEEK_BINS), dayBin);
}

/** Size of a normal residual at a time: the hour's own where it is known, the stream's otherwise; never 0. */
export function scaleAt(state: BaselineState, seconds: number): number {
  const floor = NEGLIGIBLE * state.errors[0] + 1e-9 * Math.abs(state.level) + 1e-12;
  if (state.calendar === 0) return Math.max(state.scale, floor);
  const hour = binOf(seconds, SECONDS_PER_DAY, 24);
  const visits = Math.min(state.hourVisits[hour], SPREAD_VISITS);
  const own = state.hourSpread[hour];
  return Math.max((SPREAD_VISITS * state.scale + visits * own) / (SPREAD_VISITS + visits), 0.2 * state.scale, floor);
}

/**
 * Residuals to the level as it was before the first of them: a level that follows a drift hides it from its residuals.
 * @param residuals in scales, oldest first; the last `frozen` of them have not moved the level.
 */
export function withoutFollowing(residuals: readonly number[], frozen: number): number[] {
  let moved = 0;
  return residuals.map((residual, i) => {
    const whole = residual + moved;
    if (i < residuals.length - frozen) moved += LEVEL_RATE * clip(residual, LEARN_CLIP);
    return whole;
  });
}

function clip(value: number, limit: number): number {
  return value > limit ? limit : value < -limit ? -limit : value;
}

/**
 * Learns one value. O(1).
 * @param normal false inside an event: then only the weekly profile learns, and only while it is not in use, so that
 * weekends, which look like events at first, become known, and outages spoil nothing that matters.
 */
export function learnBaseline(state: BaselineState, seconds: number, x: number, normal: boolean): void {
  if (state.rows === 0) {
    state.level = state.origin = x;
    state.firstSeconds = state.lastSeconds = seconds;
  }
  state.rows++;
  const age = seconds - state.firstSeconds;
  learnOrigin(state, seconds, x, age);
  const dayBin = binOf(seconds, SECONDS_PER_DAY, DAY_BINS);
  const weekBin = binOf(seconds, SECONDS_PER_WEEK, WEEK_BINS);
  const plain = x - (state.calendar === 0 ? state.origin : state.level);
  const toDay = plain - state.day[dayBin];
  const toWeek = plain - weekSeason(state, weekBin, dayBin);
  const limit = state.rows < 30 ? Infinity : LEARN_CLIP * scaleAt(state, seconds);
  // A profile is judged only on cycles after its first: within one it has seen the hour that it predicts.
  if (age >= SECONDS_PER_DAY) {
    const rate = Math.max(1 / ++state.judged, ERROR_RATE);
    const { errors } = state;
    errors[0] += rate * (Math.min(Math.abs(plain), 2 * limit) - errors[0]);
    errors[1] += rate * (Math.min(Math.abs(toDay), 2 * limit) - errors[1]);
    errors[2] += rate * (Math.min(Math.abs(age < SECONDS_PER_WEEK ? toDay : toWeek), 2 * limit) - errors[2]);
    if (state.judged % CHOOSE_EVERY === 0) chooseCalendar(state);
  }
  learnHour(state, weekBin, plain, normal || state.calendar < 2, limit);
  if (normal) {
    const residual = state.calendar === 0 ? x - state.level : state.calendar === 1 ? toDay : toWeek;
    const size = Math.min(Math.abs(residual), limit);
    state.scale += Math.max(1 / state.rows, ERROR_RATE) * (size - state.scale);
    const rate = Math.max(1 / ++state.dayVisits[dayBin], BIN_RATE);
    const hour = Math.floor(dayBin / QUARTERS);
    const hourRate = Math.max(1 / ++state.hourVisits[hour], BIN_RATE / QUARTERS);
    state.hourSpread[hour] += hourRate * (size - state.hourSpread[hour]);
    state.day[dayBin] += rate * (rate === 1 ? toDay : clip(toDay, 2 * limit));
    state.level += Math.max(1 / state.rows, LEVEL_RATE) * clip(residual, limit);
  }
}

/**
 * Learns the origin of the profiles while none is in use: the first value during the first day, so that the whole day is
 * measured from one point; then the mean of that day, followed over a day. The first profile in use takes it for its level.
 */
function learnOrigin(state: BaselineState, seconds: number, x: number, age: number): void {
  const days = Math.max(seconds - state.lastSeconds, 0) / SECONDS_PER_DAY;
  state.lastSeconds = seconds;
  if (state.calendar > 0) return;
  if (age < SECONDS_PER_DAY) {
    state.firstDay.sum += x;
    state.firstDay.count++;
    return;
  }
  const { sum, count } = state.firstDay;
  if (count > 0) {
    const shift = sum / count - state.origin;
    state.origin += shift;
    state.firstDay.sum = state.firstDay.count = 0;
    for (let bin = 0; bin < DAY_BINS; bin++) if (state.dayVisits[bin] > 0) state.day[bin] -= shift;
    for (let bin = 0; bin < WEEK_BINS; bin++) if (state.weekVisits[bin] > 0) state.week[bin] -= shift;
    state.hour.sum -= shift * state.hour.count;
  }
  state.origin += Math.min(days, LEVEL_RATE) * (x - state.origin);
}

/**
 * Gathers the mean of the present hour of the week and learns it when the hour is over: a profile that learned within
 * the hour would seem to predict what it has just seen.
 */
function learnHour(state: BaselineState, weekBin: number, plain: number, learns: boolean, limit: number): void {
  const { hour } = state;
  if (hour.bin !== weekBin) {
    if (hour.count > 0) {
      const mean = hour.sum / hour.count;
      const rate = Math.max(1 / ++state.weekVisits[hour.bin], WEEK_RATE);
      const step = mean - state.week[hour.bin];
      state.week[hour.bin] += rate * (rate === 1 ? step : clip(step, 4 * limit));
    }
    hour.bin = weekBin;
    hour.sum = hour.count = 0;
  }
  if (!learns) return;
  hour.sum += plain;
  hour.count++;
}

/** A calendar replaces a simpler one when it saves a tenth of the error, and gives way when it saves nothing. */
function chooseCalendar(state: BaselineState): void {
  const before = state.calendar;
  const { errors } = state;
  const keep = before > 0 && errors[before] < Math.min(...errors.slice(0, before));
  let best = keep ? before : 0;
  for (const k of [1, 2] as const) if (k > best && errors[k] < 0.9 * errors[best] - NEGLIGIBLE * errors[0]) best = k;
  state.calendar = best;
  // Residuals shrink with the better calendar at once, not as the running mean finds out.
  if (best !== before && errors[before] > 0) state.scale *= errors[best] / errors[before];
  if (before === 0 && best > 0) state.level = state.origin;
  if (best === 0) state.origin = state.level;
}
