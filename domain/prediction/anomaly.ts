/**
 * Online anomaly detector: one row in, a novelty score and at most one named alarm out. Uses the past only.
 *
 * Normal rows are learned. A row that is too improbable opens an event; learning stops, so an outage poisons nothing.
 * The event is named as soon as its shape is clear, alarmed once, and ends when the stream returns, or when the change
 * has lasted so long that it is the new normal: then the baseline adopts it.
 */
import { severityOf, suggestedAction, type AnomalySeverity } from './anomaly-actions.js';
import {
  emptyBaseline,
  learnBaseline,
  scaleAt,
  seasonAt,
  SECONDS_PER_DAY,
  SECONDS_PER_WEEK,
  type BaselineState,
} from './anomaly-baseline.js';
import { nameShape, nameSpike, OUTLIER, type AnomalyType, type EventRow } from './anomaly-event.js';
import { emptyNovelty, updateNovelty, type NoveltyState } from './anomaly-novelty.js';
import { emptyTail, learnTail, surprise, type TailState } from './anomaly-tail.js';

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

const WINDOW_ROWS = 96;
/** Rows before the residual's scale is known well enough to divide by it. */
const SCALE_ROWS = 30;
const WARM_UP_ROWS_MIN = 64;
const WARM_UP_ROWS_MAX = 500;
/** False alarms a week that the tails aim at; the budget bounds the rest. */
const FALSE_ALARMS_PER_WEEK = 0.25;
/** Residuals enter running means as if they were this large at most. */
const MEAN_CLIP = 12;
const NOTHING = { isAnomaly: false, type: null, severity: null, action: null } as const;
/** Memories of the running means of the residual, in rows; the first statistic is the residual itself. */
const MEMORIES = [1, 4, 16, 64] as const;
const SPREAD_MEMORY = 16;
const STATISTICS = MEMORIES.length + 1;

/** Plain-JSON state; opaque to callers. */
export interface AnomalySnapshot {
  readonly version: 1;
  readonly maxPerWeek: number;
  stepSeconds: number;
  readonly stepFixed: boolean;
  recentSteps: number[];
  rows: number;
  lastSeconds: number;
  lastValue: number;
  novelty: NoveltyState;
  baseline: BaselineState;
  means: number[];
  spread: number;
  tails: TailState[];
  /** Length of the current run of equal values, the longest of late, and the share of repeats. */
  repeats: number;
  repeatsMax: number;
  repeatShare: number;
  missing: number;
  gapMax: number;
  event: EventState | null;
  ring: { residual: number[]; season: number[]; seconds: number[]; value: number[]; next: number };
  alarmSeconds: number[];
}

interface EventState {
  /** Rows since the onset, the onset included. */
  rows: number;
  rowsOpen: number;
  surprise: number;
  named: AnomalyType | null;
  rowsNamed: number;
  calm: number;
}

export interface AnomalyDetector {
  /** Scores and learns one row; `null` is a missing value. Times must not decrease; a repeated time counts as a row. */
  update(timestampSeconds: number, value: number | null): AnomalyVerdict;
  /** Plain-JSON copy of the state. */
  snapshot(): AnomalySnapshot;
}

/** A new detector. Throws on `maxPerWeek` or `stepSeconds` that is not positive. */
export function createAnomalyDetector(options: AnomalyOptions = {}): AnomalyDetector {
  const { maxPerWeek = 7, stepSeconds } = options;
  if (!(maxPerWeek > 0)) throw new RangeError(`maxPerWeek: expected a positive number, got ${maxPerWeek}`);
  if (stepSeconds !== undefined && !(stepSeconds > 0))
    throw new RangeError(`stepSeconds: expected a positive number, got ${stepSeconds}`);
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return restoreAnomalyDetector({
    version: 1,
    maxPerWeek,
    stepSeconds: stepSeconds ?? 0,
    stepFixed: stepSeconds !== undefined,
    recentSteps: [],
    rows: 0,
    lastSeconds: 0,
    lastValue: 0,
    novelty: emptyNovelty(),
    baseline: emptyBaseline(),
    means: zeros(MEMORIES.length),
    spread: 0,
    tails: Array.from({ length: STATISTICS }, emptyTail),
    repeats: 0,
    repeatsMax: 0,
    repeatShare: 0,
    missing: 0,
    gapMax: 1,
    event: null,
    ring: {
      residual: zeros(WINDOW_ROWS),
      season: zeros(WINDOW_ROWS),
      seconds: zeros(WINDOW_ROWS),
      value: zeros(WINDOW_ROWS),
      next: 0,
    },
    alarmSeconds: [],
  });
}

/** A detector that continues from a snapshot exactly where it was taken. */
export function restoreAnomalyDetector(snapshot: AnomalySnapshot): AnomalyDetector {
  const state = structuredClone(snapshot);
  return {
    update: (seconds, value) => updateDetector(state, seconds, value),
    snapshot: () => structuredClone(state),
  };
}

function rowsPerDay(state: AnomalySnapshot): number {
  return state.stepSeconds > 0 ? SECONDS_PER_DAY / state.stepSeconds : 288;
}

/** Surprise that opens an event: so that normal rows raise about `FALSE_ALARMS_PER_WEEK`. */
function alarmSurprise(state: AnomalySnapshot): number {
  const chances = 7 * rowsPerDay(state) * STATISTICS;
  return Math.max(Math.log(chances / FALSE_ALARMS_PER_WEEK), 7);
}

function isWarm(state: AnomalySnapshot): boolean {
  const rows = Math.min(Math.max(2 * rowsPerDay(state), WARM_UP_ROWS_MIN), WARM_UP_ROWS_MAX);
  return state.rows > rows;
}

function updateDetector(state: AnomalySnapshot, seconds: number, value: number | null): AnomalyVerdict {
  if (value === null || !Number.isFinite(value)) return updateMissing(state, seconds);
  const gap = learnStep(state, seconds);
  state.rows++;
  const novelty = updateNovelty(state.novelty, seconds, value);
  const season = seasonAt(state.baseline, seconds);
  const scale = scaleAt(state.baseline, seconds);
  const residual = state.rows <= SCALE_ROWS ? 0 : (value - state.baseline.level - season) / scale;
  learnRuns(state, value);
  const statistics = updateStatistics(state, residual);
  remember(state, seconds, value, residual, season / scale);
  state.missing = 0;
  state.lastSeconds = seconds;
  state.lastValue = value;
  const verdict = judge(state, seconds, value, statistics, gap);
  return { score: novelty, ...(verdict === null ? NOTHING : verdict) };
}

/** Learns the step between rows; returns this row's gap in steps. */
function learnStep(state: AnomalySnapshot, seconds: number): number {
  if (state.rows === 0) return 1;
  const delta = seconds - state.lastSeconds;
  if (!state.stepFixed && delta > 0 && (state.recentSteps.length < 15 || state.rows % 16 === 0)) {
    state.recentSteps.push(delta);
    if (state.recentSteps.length > 15) state.recentSteps.shift();
    const sorted = [...state.recentSteps].sort((a, b) => a - b);
    state.stepSeconds = sorted[Math.floor(sorted.length / 2)]!;
  }
  return state.stepSeconds > 0 ? Math.max(delta / state.stepSeconds, 0) : 1;
}

function learnRuns(state: AnomalySnapshot, value: number): void {
  const repeat = state.rows > 1 && value === state.lastValue;
  if (repeat) {
    state.repeats++;
  } else {
    if (state.event?.named !== 'flatline') state.repeatsMax = Math.max(state.repeatsMax * 0.999, state.repeats);
    state.repeats = 0;
  }
  if (state.event === null) state.repeatShare += 0.002 * ((repeat ? 1 : 0) - state.repeatShare);
}

/** Surprise that a run of equal values as long as this is chance. */
function runSurprise(state: AnomalySnapshot): number {
  if (state.repeats < 5 || state.repeats <= 2 * state.repeatsMax) return 0;
  return -state.repeats * Math.log(Math.max(state.repeatShare, 0.05));
}

/** Updates the running means of the residual; returns the absolute statistics that the tails judge. */
function updateStatistics(state: AnomalySnapshot, residual: number): number[] {
  const clipped = Math.min(Math.max(residual, -MEAN_CLIP), MEAN_CLIP);
  const { means } = state;
  const statistics: number[] = [Math.abs(residual)];
  means[0] = clipped;
  for (let k = 1; k < MEMORIES.length; k++) {
    means[k] += (clipped - means[k]) / MEMORIES[k];
    statistics.push(Math.abs(means[k]));
  }
  state.spread += (Math.abs(clipped - means[2]) - state.spread) / SPREAD_MEMORY;
  statistics.push(state.spread);
  return statistics;
}

function remember(state: AnomalySnapshot, seconds: number, value: number, residual: number, season: number): void {
  const { ring } = state;
  ring.residual[ring.next] = residual;
  ring.season[ring.next] = season;
  ring.seconds[ring.next] = seconds;
  ring.value[ring.next] = value;
  ring.next = (ring.next + 1) % WINDOW_ROWS;
}

/** The last `count` rows of the ring, oldest first. */
function recent(state: AnomalySnapshot, count: number): (EventRow & { seconds: number; value: number })[] {
  const { ring } = state;
  const n = Math.min(count, WINDOW_ROWS, state.rows);
  return Array.from({ length: n }, (_, i) => {
    const at = (ring.next - n + i + WINDOW_ROWS) % WINDOW_ROWS;
    return {
      residual: ring.residual[at],
      season: ring.season[at],
      seconds: ring.seconds[at],
      value: ring.value[at],
    };
  });
}

type Alarm = Omit<AnomalyVerdict, 'score'>;

function judge(
  state: AnomalySnapshot,
  seconds: number,
  value: number,
  statistics: readonly number[],
  gap: number,
): Alarm | null {
  const threshold = alarmSurprise(state);
  const warm = isWarm(state);
  let highest = 0;
  let kind = 0;
  for (let k = 0; k < STATISTICS; k++) {
    const s = surprise(state.tails[k], statistics[k]);
    if (s > highest) {
      highest = s;
      kind = k;
    }
  }
  if (state.event !== null) return followEvent(state, seconds, value, highest);
  if (warm && gap > 3 && gap > 2 * state.gapMax) {
    state.gapMax = gap;
    return raise(state, seconds, 'flatline', 2 * threshold, suggestedAction('missing'));
  }
  state.gapMax = Math.max(1, state.gapMax * 0.999, gap);
  const run = runSurprise(state);
  if (warm && run > threshold) {
    state.event = { rows: state.repeats, rowsOpen: 1, surprise: run, named: 'flatline', rowsNamed: 0, calm: 0 };
    return raise(state, seconds, 'flatline', run, suggestedAction('flatline'));
  }
  if (warm && highest > threshold) {
    state.event = { rows: onsetRows(state, kind), rowsOpen: 1, surprise: highest, named: null, rowsNamed: 0, calm: 0 };
    return nameEvent(state, seconds);
  }
  if (state.rows > SCALE_ROWS) for (let k = 0; k < STATISTICS; k++) learnTail(state.tails[k], statistics[k]);
  learnBaseline(state.baseline, seconds, value);
  return null;
}

/** Rows back to the onset of what statistic `kind` saw: the last row before the residual kept its side. */
function onsetRows(state: AnomalySnapshot, kind: number): number {
  if (kind === 0) return 1;
  if (kind === STATISTICS - 1) {
    const window = recent(state, 2 * SPREAD_MEMORY);
    return (
      window.length -
      Math.max(
        window.findIndex((row) => Math.abs(row.residual) > OUTLIER),
        0,
      )
    );
  }
  const limit = 2 * MEMORIES[kind];
  const window = recent(state, limit);
  const sign = Math.sign(state.means[kind]);
  let rows = 1;
  let quiet = 0;
  for (let i = window.length - 1; i >= 0 && quiet < 3; i--) {
    quiet = sign * window[i].residual > 0.5 ? 0 : quiet + 1;
    if (quiet === 0) rows = window.length - i;
  }
  return rows;
}

/** Rows after which a lasting event must be named however unclear. */
function nameRowsMax(state: AnomalySnapshot): number {
  return Math.min(Math.max(rowsPerDay(state) / 4, 12), 64);
}

/** Tries to name the open event; raises its alarm when the name is clear. */
function nameEvent(state: AnomalySnapshot, seconds: number): Alarm | null {
  const event = state.event!;
  const window = recent(state, event.rows);
  const spike = nameSpike(window);
  if (spike !== null) {
    const alarm = raise(state, seconds, spike, event.surprise, suggestedAction(spike));
    endEvent(state);
    return alarm;
  }
  const run = runSurprise(state);
  if (run > alarmSurprise(state)) return settle(state, seconds, 'flatline');
  // Between two looks the evidence must grow by a quarter, so naming costs O(1) amortised.
  const due = event.rowsOpen >= 6 && (event.rowsOpen < 10 || event.rowsOpen % 4 === 0);
  if (!due) return null;
  const verdict = nameShape(window, phasesOf(state, window));
  const late = event.rowsOpen >= nameRowsMax(state);
  if (late || verdict.lead > 0.25) return settle(state, seconds, verdict.type);
  return null;
}

/** Season expected at the window's rows had the phase moved by every twelfth of a day. */
function phasesOf(state: AnomalySnapshot, window: readonly { seconds: number }[]): number[][] {
  if (state.baseline.calendar === 0) return [];
  return Array.from({ length: 11 }, (_, k) =>
    window.map(({ seconds }) => {
      const scale = scaleAt(state.baseline, seconds);
      return seasonAt(state.baseline, seconds + ((k + 1) * SECONDS_PER_DAY) / 12) / scale;
    }),
  );
}

function settle(state: AnomalySnapshot, seconds: number, type: AnomalyType): Alarm | null {
  const event = state.event!;
  event.named = type;
  event.rowsNamed = 0;
  return raise(state, seconds, type, event.surprise, suggestedAction(type));
}

function followEvent(state: AnomalySnapshot, seconds: number, value: number, highest: number): Alarm | null {
  const event = state.event!;
  event.rows++;
  event.rowsOpen++;
  event.surprise = Math.max(event.surprise, highest);
  if (event.named === null) return nameEvent(state, seconds);
  event.rowsNamed++;
  event.calm = Math.abs(state.means[1]) < 1.5 && state.repeats < 3 ? event.calm + 1 : 0;
  if (event.calm >= 8) {
    endEvent(state);
    return null;
  }
  const adoptRows = Math.min(Math.max(rowsPerDay(state) / 2, 24), 288);
  if (event.rowsNamed >= adoptRows) {
    adopt(state, event.named, seconds, value);
    endEvent(state);
  }
  return null;
}

/** Makes the present the new normal. */
function adopt(state: AnomalySnapshot, type: AnomalyType, _seconds: number, _value: number): void {
  const window = recent(state, 64);
  const { baseline } = state;
  const offsets = window.map((row) => row.residual * scaleAt(baseline, row.seconds)).sort((a, b) => a - b);
  const middle = offsets[Math.floor(offsets.length / 2)];
  baseline.level += middle;
  if (type === 'variance') baseline.scale *= 2;
}

function endEvent(state: AnomalySnapshot): void {
  state.event = null;
  state.means.fill(0);
  state.spread = state.tails[STATISTICS - 1].mean;
}

function updateMissing(state: AnomalySnapshot, seconds: number): AnomalyVerdict {
  state.missing++;
  state.lastSeconds = seconds;
  const verdict =
    isWarm(state) && state.missing > 3 && state.missing > 2 * state.gapMax
      ? raise(state, seconds, 'flatline', 2 * alarmSurprise(state), suggestedAction('missing'))
      : null;
  if (verdict !== null) state.gapMax = state.missing;
  return { score: 0, ...(verdict ?? NOTHING) };
}

/** Raises an alarm if the budget allows one more. */
function raise(state: AnomalySnapshot, seconds: number, type: AnomalyType, size: number, advice: string): Alarm | null {
  const horizon = SECONDS_PER_WEEK * Math.max(1, 1 / state.maxPerWeek);
  state.alarmSeconds = state.alarmSeconds.filter((at) => at > seconds - horizon);
  if (state.alarmSeconds.length >= Math.max(1, Math.floor(state.maxPerWeek))) return null;
  state.alarmSeconds.push(seconds);
  return { isAnomaly: true, type, severity: severityOf(size, alarmSurprise(state)), action: advice };
}

export { OUTLIER };
