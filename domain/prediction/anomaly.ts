/**
 * Online anomaly detector: one row in, a novelty score and at most one named alarm out. Uses the past only.
 *
 * Normal rows are learned. A row that is too improbable opens an event; learning stops, so an outage poisons nothing.
 * The event is named as soon as its shape is clear and alarmed once. It ends when the stream is back to normal; a change
 * that lasts half a day is adopted as the new normal, and the old level is remembered for a return.
 */
import { severityOf, suggestedAction, type AnomalySeverity } from './anomaly-actions.js';
import {
  learnBaseline,
  scaleAt,
  seasonAt,
  SECONDS_PER_DAY,
  SECONDS_PER_WEEK,
  withoutFollowing,
} from './anomaly-baseline.js';
import { nameEvent, type AnomalyType } from './anomaly-event.js';
import { emptyNovelty, updateNovelty, type NoveltyState } from './anomaly-novelty.js';
import {
  calmMeasures,
  emptyMeasures,
  learnMeasures,
  learnStep,
  learnTails,
  measure,
  memoryOf,
  recentOffset,
  recentRows,
  rowsPerDay,
  runSurprise,
  STATISTICS,
  type MeasureState,
} from './anomaly-statistics.js';
import { emptyTail, surprise } from './anomaly-tail.js';

/** What the detector says about one row. */
export interface AnomalyVerdict {
  /** Novelty in [0, 1], comparable between streams; rises at the onset of an event. */
  readonly score: number;
  /** True on the row that raises an alarm: one row an event. */
  readonly isAnomaly: boolean;
  readonly type: AnomalyType | null;
  readonly severity: AnomalySeverity | null;
  readonly action: string | null;
}

export interface AnomalyOptions {
  /** Most alarms in any 7 days; below 1 it means one in 7 / maxPerWeek days. Default 7. */
  readonly maxPerWeek?: number;
  /** Seconds between rows; learned from the timestamps when absent. */
  readonly stepSeconds?: number;
}

/** Plain-JSON state; opaque to callers. */
export interface AnomalySnapshot {
  readonly version: 1;
  readonly maxPerWeek: number;
  readonly novelty: NoveltyState;
  readonly measures: MeasureState;
  /** Rows in a row that came without a value, and the longest such run of late. */
  missing: number;
  missingMax: number;
  /** Rows in a row that were not later than the newest one; absent: none. */
  lateRows?: number;
  event: EventState | null;
  /** Normal rows since the last event. */
  rowsCalm: number;
  /** Levels before the adopted changes, latest last. */
  pastLevels: number[];
  alarmSeconds: number[];
  /** The latest events that were named, oldest first, whether alarmed or not. */
  pastEvents: { type: AnomalyType; seconds: number; size: number }[];
}

interface EventState {
  rowsOpen: number;
  surprise: number;
  /** Largest distance from the expected value so far. */
  size: number;
  type: AnomalyType | null;
  rowsNamed: number;
  calm: number;
}

export interface AnomalyDetector {
  /**
   * Scores and learns one row; `null` or a value that is not finite is missing. A row that repeats a time, or comes later
   * than a newer one, tells nothing of the present: it scores 0 and is not learned.
   */
  update(timestampSeconds: number, value: number | null): AnomalyVerdict;
  /** Plain-JSON copy of the state. */
  snapshot(): AnomalySnapshot;
}

type Alarm = Omit<AnomalyVerdict, 'score'>;

const NOTHING: Alarm = { isAnomaly: false, type: null, severity: null, action: null };
/** Two days of rows teach the season; a stream of seconds need not wait that long, one of hours must. */
const WARM_UP_ROWS_MIN = 64;
const WARM_UP_ROWS_MAX = 500;
/** False alarms a week that the tails aim at; the budget bounds the rest. */
const FALSE_ALARMS_PER_WEEK = 0.25;
/** Rows that a tail must have seen before it is believed. */
const TAIL_ROWS_MIN = 50;
/** Lead over the second best name, in nats, at which an event is named: odds of 55 to 1; less costs accuracy, more delay. */
const LEAD_MIN = 4;
const CALM_ROWS = 8;
const CALM_MEAN = 1.5;
/** Events of a type within two weeks, at most this many times smaller, after which another is no news. */
const HABIT_EVENTS = 3;
const HABIT_RATIO = 1.5;
const PAST_EVENTS_MAX = 16;
/** Past levels that a stream may return to without an alarm. */
const PAST_LEVELS_MAX = 3;

/** A new detector. Throws a RangeError on `maxPerWeek` or `stepSeconds` that is not positive. */
export function createAnomalyDetector(options: AnomalyOptions = {}): AnomalyDetector {
  const { maxPerWeek = 7, stepSeconds } = options;
  if (!(maxPerWeek > 0)) throw new RangeError(`maxPerWeek: expected a positive number, got ${maxPerWeek}`);
  if (stepSeconds !== undefined && !(stepSeconds > 0)) {
    throw new RangeError(`stepSeconds: expected a positive number, got ${stepSeconds}`);
  }
  return restoreAnomalyDetector({
    version: 1,
    maxPerWeek,
    novelty: emptyNovelty(),
    measures: emptyMeasures(stepSeconds),
    missing: 0,
    missingMax: 1,
    event: null,
    rowsCalm: 0,
    pastLevels: [],
    alarmSeconds: [],
    pastEvents: [],
  });
}

/** A detector that continues from a snapshot exactly where it was taken. */
export function restoreAnomalyDetector(snapshot: AnomalySnapshot): AnomalyDetector {
  const state = structuredClone(snapshot);
  const statistics = new Array<number>(STATISTICS).fill(0);
  return {
    update: (seconds, value) => {
      if (isLate(state, seconds)) return { score: 0, ...NOTHING };
      if (value === null || !Number.isFinite(value)) return { score: 0, ...updateMissing(state, seconds) };
      return { score: updateNovelty(state.novelty, seconds, value), ...updateValue(state, seconds, value, statistics) };
    },
    snapshot: () => structuredClone(state),
  };
}

/** Whether the row is of a time that has passed. More such rows in a row than a day has: the clock was set back, and goes on from there. */
function isLate(state: AnomalySnapshot, seconds: number): boolean {
  const { measures, lateRows = 0 } = state;
  const late = measures.rows > 0 && seconds <= measures.lastSeconds;
  if (late && lateRows < Math.max(WARM_UP_ROWS_MIN, rowsPerDay(measures))) {
    state.lateRows = lateRows + 1;
    return true;
  }
  delete state.lateRows;
  return false;
}

/** Surprise that opens an event: normal rows of all statistics reach it about `FALSE_ALARMS_PER_WEEK`. */
function alarmSurprise(state: AnomalySnapshot): number {
  return Math.log((7 * rowsPerDay(state.measures) * STATISTICS) / FALSE_ALARMS_PER_WEEK);
}

function isWarm({ measures }: AnomalySnapshot): boolean {
  const twoDays = 2 * rowsPerDay(measures);
  return (
    measures.rows > Math.min(Math.max(twoDays, WARM_UP_ROWS_MIN), WARM_UP_ROWS_MAX) &&
    measures.tails[0].rows >= TAIL_ROWS_MIN
  );
}

function updateValue(state: AnomalySnapshot, seconds: number, value: number, statistics: number[]): Alarm {
  const { measures } = state;
  const gap = learnStep(measures, seconds);
  const before = measures.lastResidual;
  measure(measures, seconds, value, state.event !== null, statistics);
  state.missingMax = Math.max(1, state.missingMax * 0.999, state.missing);
  state.missing = 0;
  let highest = 0;
  for (let k = 0; k < STATISTICS; k++) highest = Math.max(highest, surprise(measures.tails[k], statistics[k]));
  if (state.event !== null) {
    learnBaseline(measures.baseline, seconds, value, false);
    return followEvent(state, seconds, highest);
  }
  if (isWarm(state)) {
    const threshold = alarmSurprise(state);
    const wideGap = gap > 3 && gap > 2 * measures.gapMax;
    measures.gapMax = Math.max(1, measures.gapMax * 0.999, gap);
    if (wideGap) return raise(state, seconds, 'flatline', 2 * threshold, suggestedAction('missing'));
    const run = runSurprise(measures);
    if (run > threshold || highest > threshold) {
      const size = measures.lastDeviation;
      state.event = { rowsOpen: 1, surprise: Math.max(run, highest), size, type: null, rowsNamed: 0, calm: 0 };
      return tryToName(state, seconds);
    }
  } else {
    measures.gapMax = Math.max(measures.gapMax, gap);
  }
  learnNormal(state, seconds, value, before, statistics);
  return NOTHING;
}

function learnNormal(
  state: AnomalySnapshot,
  seconds: number,
  value: number,
  before: number,
  statistics: readonly number[],
): void {
  const { measures } = state;
  state.rowsCalm++;
  const calendar = measures.baseline.calendar;
  learnMeasures(measures, before);
  learnTails(measures, statistics);
  learnBaseline(measures.baseline, seconds, value, true);
  // Residuals to another calendar are another population.
  if (measures.baseline.calendar !== calendar) {
    measures.tails = measures.tails.map(emptyTail);
    calmMeasures(measures);
  }
}

/** Tries to name the open event; raises its alarm when the name is clear. */
function tryToName(state: AnomalySnapshot, seconds: number): Alarm {
  const { measures } = state;
  const event = state.event!;
  if (runSurprise(measures) > alarmSurprise(state)) return settle(state, seconds, 'flatline');
  // A run of equal values that is still too short to be a flatline may become one.
  if (measures.repeats >= 2 && measures.repeats > 2 * measures.repeatsMax) return NOTHING;
  // Looking less often as the event grows older keeps its cost small beside that of its rows.
  const late = event.rowsOpen >= Math.min(Math.max(rowsPerDay(measures) / 2, 12), 96);
  if (!late && event.rowsOpen > 8 && event.rowsOpen % 4 !== 0) return NOTHING;
  const rows = recentRows(measures, state.rowsCalm + event.rowsOpen);
  if (rows.length < 2) return NOTHING;
  const residuals = withoutFollowing(
    rows.map((row) => row.residual),
    event.rowsOpen,
  );
  const window = rows.map((row, i) => ({ ...row, residual: residuals[i] }));
  const { type, lead } = nameEvent(window, {
    rowsOpen: event.rowsOpen,
    phases: phasesOf(state, window),
    memory: memoryOf(measures),
  });
  if (!late && lead < LEAD_MIN) return NOTHING;
  // A season out of phase begins like a drift; an eighth of a day tells them apart.
  const early = measures.baseline.calendar > 0 && event.rowsOpen < Math.min(rowsPerDay(measures) / 8, 36);
  if (type === 'trend' && early) return NOTHING;
  if (type === null) {
    if (late || Math.abs(measures.means[1]) < 0.5) endEvent(state);
    return NOTHING;
  }
  if (type === 'level-shift' && returns(state)) return NOTHING;
  const alarm = settle(state, seconds, type);
  if (type === 'spike' || type === 'dip') endEvent(state);
  return alarm;
}

/** True when the shift leads back to the level before an adopted change: the end of that change, not a new event. */
function returns(state: AnomalySnapshot): boolean {
  const { baseline } = state.measures;
  const old = state.pastLevels[state.pastLevels.length - 1];
  if (old === undefined) return false;
  const now = baseline.level + recentOffset(state.measures, 5);
  if (Math.abs(now - old) > 2 * baseline.scale) return false;
  state.pastLevels.pop();
  baseline.level = old;
  endEvent(state);
  return true;
}

/** Season expected at the window's rows had the phase moved by each twelfth of a day. */
function phasesOf({ measures }: AnomalySnapshot, window: readonly { readonly seconds: number }[]): number[][] {
  const { baseline } = measures;
  if (baseline.calendar === 0) return [];
  return Array.from({ length: 11 }, (_, k) =>
    window.map(
      ({ seconds }) => seasonAt(baseline, seconds + ((k + 1) * SECONDS_PER_DAY) / 12) / scaleAt(baseline, seconds),
    ),
  );
}

function settle(state: AnomalySnapshot, seconds: number, type: AnomalyType): Alarm {
  const event = state.event!;
  event.type = type;
  const known = isHabit(state, seconds, type, event.size);
  state.pastEvents.push({ type, seconds, size: event.size });
  if (state.pastEvents.length > PAST_EVENTS_MAX) state.pastEvents.shift();
  return known ? NOTHING : raise(state, seconds, type, event.surprise, suggestedAction(type));
}

/** True for an event that the stream has shown so often of late, and about as large, that it is its habit. */
function isHabit(state: AnomalySnapshot, seconds: number, type: AnomalyType, size: number): boolean {
  const alike = state.pastEvents.filter(
    (past) => past.type === type && past.seconds > seconds - 2 * SECONDS_PER_WEEK && past.size >= size / HABIT_RATIO,
  );
  return alike.length >= HABIT_EVENTS;
}

/** One more row of an open event: name it, end it when calm, adopt it when it lasts. */
function followEvent(state: AnomalySnapshot, seconds: number, highest: number): Alarm {
  const { measures } = state;
  const event = state.event!;
  event.rowsOpen++;
  event.surprise = Math.max(event.surprise, highest);
  event.size = Math.max(event.size, measures.lastDeviation);
  if (event.type === null) return tryToName(state, seconds);
  event.rowsNamed++;
  const calm = Math.abs(measures.means[0]) < CALM_MEAN && measures.repeats <= 2 * measures.repeatsMax + 2;
  event.calm = calm ? event.calm + 1 : 0;
  // A drift looks calm for a while after each adoption.
  if (event.calm >= (event.type === 'trend' ? 4 : 1) * CALM_ROWS) endEvent(state);
  else if (event.rowsNamed >= adoptRows(measures) && event.rowsNamed % 16 === 0) adopt(state, event);
  return NOTHING;
}

/** Rows after which a change is the new normal: half a day, at least a day of hours, at most a day of 5 minutes. */
function adoptRows(measures: MeasureState): number {
  return Math.min(Math.max(rowsPerDay(measures) / 2, 24), 288);
}

/** Makes the present the new normal. */
function adopt(state: AnomalySnapshot, event: EventState): void {
  const { measures } = state;
  state.pastLevels.push(measures.baseline.level);
  if (state.pastLevels.length > PAST_LEVELS_MAX) state.pastLevels.shift();
  measures.baseline.level += recentOffset(measures, 32);
  if (event.type === 'variance' || event.type === 'season-break') measures.baseline.scale *= 1.5;
  calmMeasures(measures);
}

function endEvent(state: AnomalySnapshot): void {
  state.event = null;
  state.rowsCalm = 0;
  calmMeasures(state.measures);
}

/** A row without a value, and the rows that did not come before it: an alarm once the run is longer than twice the longest of late. */
function updateMissing(state: AnomalySnapshot, seconds: number): Alarm {
  const { measures } = state;
  const before = state.missing;
  const steps =
    measures.rows > 0 && measures.stepSeconds > 0 ? (seconds - measures.lastSeconds) / measures.stepSeconds : 1;
  state.missing += Math.max(1, Math.round(steps));
  measures.lastSeconds = seconds;
  const limit = Math.max(4, Math.ceil(2 * state.missingMax + 1));
  if (!isWarm(state) || before >= limit || state.missing < limit) return NOTHING;
  return raise(state, seconds, 'flatline', 2 * alarmSurprise(state), suggestedAction('missing'));
}

/** Raises an alarm if the budget allows one more. */
function raise(state: AnomalySnapshot, seconds: number, type: AnomalyType, size: number, action: string): Alarm {
  const horizon = SECONDS_PER_WEEK * Math.max(1, 1 / state.maxPerWeek);
  state.alarmSeconds = state.alarmSeconds.filter((at) => at > seconds - horizon);
  if (state.alarmSeconds.length >= Math.max(1, Math.floor(state.maxPerWeek))) return NOTHING;
  state.alarmSeconds.push(seconds);
  return { isAnomaly: true, type, severity: severityOf(size, alarmSurprise(state)), action };
}
