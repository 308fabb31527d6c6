/**
 * What the anomaly detector measures on each row: the residual to normal, its running means and spread, runs of equal
 * values, gaps; and the window of recent rows from which an event is named.
 */
import { emptyBaseline, scaleAt, seasonAt, SECONDS_PER_DAY, type BaselineState } from './anomaly-baseline.js';
import { emptyTail, learnTail, type TailState } from './anomaly-tail.js';
import type { EventRow } from './anomaly-event.js';

/** Rows kept for naming an event. */
const WINDOW_ROWS = 128;
/** Rows before the residual's scale is known well enough to divide by it. */
const SCALE_ROWS = 30;
/** Residuals enter running means as if they were this large at most: one wild value is not a level. */
const MEAN_CLIP = 12;
/** The window keeps more of it: a shape is told by its heights. */
const RING_CLIP = 100;
/** Memories of the running means in rows; each statistic sees shifts too small for the one before it. */
const MEMORIES = [4, 16, 64] as const;
const SPREAD_MEMORY = 16;
/** Statistics in order: surprise of the row itself, running means, spread. */
export const STATISTICS = MEMORIES.length + 2;
const SPREAD = STATISTICS - 1;
/** Rate of the running lag-1 autocorrelation and repeat share. */
const SLOW_RATE = 1 / 500;
/** Steps of which the median is the series' step. */
const STEPS_KEPT = 15;
/** The longest run and gap of late are forgotten over a thousand rows. */
const LONGEST_DECAY = 0.999;

/** Plain-JSON measurements of one stream. */
export interface MeasureState {
  rows: number;
  stepSeconds: number;
  readonly stepFixed: boolean;
  recentSteps: number[];
  lastSeconds: number;
  lastValue: number;
  baseline: BaselineState;
  /** Distance of the last row from what was expected, in the units of the values. */
  lastDeviation: number;
  /** Residual of the last row, its lag-1 products for the autocorrelation. */
  lastResidual: number;
  products: number;
  squares: number;
  means: number[];
  spread: number;
  tails: TailState[];
  repeats: number;
  repeatsMax: number;
  repeatShare: number;
  gapMax: number;
  ring: { residual: number[]; season: number[]; seconds: number[]; next: number };
}

const zeros = (length: number): number[] => new Array<number>(length).fill(0);

/** The state before the first row. @param stepSeconds step between rows, or `undefined` to learn it. */
export function emptyMeasures(stepSeconds: number | undefined): MeasureState {
  return {
    rows: 0,
    stepSeconds: stepSeconds ?? 0,
    stepFixed: stepSeconds !== undefined,
    recentSteps: [],
    lastSeconds: 0,
    lastValue: 0,
    baseline: emptyBaseline(),
    lastDeviation: 0,
    lastResidual: 0,
    products: 0,
    squares: 0,
    means: zeros(MEMORIES.length),
    spread: 0,
    tails: Array.from({ length: STATISTICS }, emptyTail),
    repeats: 0,
    repeatsMax: 0,
    repeatShare: 0,
    gapMax: 1,
    ring: { residual: zeros(WINDOW_ROWS), season: zeros(WINDOW_ROWS), seconds: zeros(WINDOW_ROWS), next: 0 },
  };
}

/** Rows in a day; as of 5-minute rows while the step is unknown. */
export function rowsPerDay(state: MeasureState): number {
  return state.stepSeconds > 0 ? SECONDS_PER_DAY / state.stepSeconds : 288;
}

/** Learns the step between rows; returns this row's distance from the last one in steps. O(1): the kept steps are few. */
export function learnStep(state: MeasureState, seconds: number): number {
  if (state.rows === 0) return 1;
  const delta = seconds - state.lastSeconds;
  if (!state.stepFixed && delta > 0 && (state.recentSteps.length < STEPS_KEPT || state.rows % 16 === 0)) {
    state.recentSteps.push(delta);
    if (state.recentSteps.length > STEPS_KEPT) state.recentSteps.shift();
    const sorted = [...state.recentSteps].sort((a, b) => a - b);
    state.stepSeconds = sorted[sorted.length >> 1];
  }
  return state.stepSeconds > 0 ? delta / state.stepSeconds : 1;
}

/** Lag-1 autocorrelation of normal residuals, in [0, 0.95]. */
export function memoryOf(state: MeasureState): number {
  return state.squares > 0 ? Math.min(Math.max(state.products / state.squares, 0), 0.95) : 0;
}

/** Measures one row into `out` (the statistics, at least 0) and remembers it. Learns nothing about normal. O(1). */
export function measure(state: MeasureState, seconds: number, value: number, inEvent: boolean, out: number[]): void {
  const { baseline, ring, means } = state;
  const repeat = state.rows > 0 && value === state.lastValue;
  if (!repeat && !inEvent) state.repeatsMax = Math.max(state.repeatsMax * LONGEST_DECAY, state.repeats);
  state.repeats = repeat ? state.repeats + 1 : 0;
  state.rows++;
  const scale = scaleAt(baseline, seconds);
  const season = seasonAt(baseline, seconds);
  const deviation = value - baseline.level - season;
  const residual = state.rows > SCALE_ROWS ? deviation / scale : 0;
  state.lastDeviation = Math.abs(deviation);
  const clipped = Math.min(Math.max(residual, -MEAN_CLIP), MEAN_CLIP);
  // What the last residual does not explain: in a slowly wandering stream a jump shows here first.
  out[0] = Math.abs(residual - memoryOf(state) * state.lastResidual);
  for (let k = 0; k < MEMORIES.length; k++) {
    means[k] += (clipped - means[k]) / MEMORIES[k];
    out[k + 1] = Math.abs(means[k]);
  }
  state.spread += (Math.abs(clipped - means[1]) - state.spread) / SPREAD_MEMORY;
  out[SPREAD] = state.spread;
  // Thousandths suffice for naming and keep the snapshot small.
  ring.residual[ring.next] = Math.round(1000 * Math.min(Math.max(residual, -RING_CLIP), RING_CLIP)) / 1000;
  ring.season[ring.next] = Math.round((1000 * season) / scale) / 1000;
  ring.seconds[ring.next] = seconds;
  ring.next = (ring.next + 1) % WINDOW_ROWS;
  state.lastResidual = clipped;
  state.lastSeconds = seconds;
  state.lastValue = value;
}

/** Learns from a normal row how residuals follow each other and how often values repeat. */
export function learnMeasures(state: MeasureState, before: number): void {
  const rate = Math.max(1 / state.rows, SLOW_RATE);
  state.products += rate * (before * state.lastResidual - state.products);
  state.squares += rate * (before * before - state.squares);
  state.repeatShare += rate * ((state.repeats > 0 ? 1 : 0) - state.repeatShare);
}

/** A statistic is learned once in this many rows: its neighbours repeat it, and a drift must not teach its own tail. */
const LEARN_EVERY = [1, 1, 4, 16, 4] as const;

/** Learns the statistics of a normal row. */
export function learnTails(state: MeasureState, statistics: readonly number[]): void {
  // Before the first day is over its season looks like drifts and shifts.
  if (state.rows <= Math.max(SCALE_ROWS, Math.min(rowsPerDay(state), 288))) return;
  for (let k = 0; k < STATISTICS; k++) {
    if (state.rows % LEARN_EVERY[k] === 0) learnTail(state.tails[k], statistics[k]);
  }
}

/** Shortest run of equal values that can be a flatline, and the least share of repeats believed. */
const FLAT_ROWS_MIN = 5;
const REPEAT_SHARE_MIN = 0.05;

/** Surprise that a run of equal values as long as the present one is chance; 0 for a run of a length seen of late. */
export function runSurprise(state: MeasureState): number {
  if (state.repeats < FLAT_ROWS_MIN || state.repeats <= 2 * state.repeatsMax) return 0;
  return -state.repeats * Math.log(Math.max(state.repeatShare, REPEAT_SHARE_MIN));
}

/** The last `count` rows, oldest first. */
export function recentRows(state: MeasureState, count: number): (EventRow & { readonly seconds: number })[] {
  const { ring } = state;
  const n = Math.min(count, WINDOW_ROWS, state.rows);
  return Array.from({ length: n }, (_, i) => {
    const at = (ring.next - n + i + WINDOW_ROWS) % WINDOW_ROWS;
    return { residual: ring.residual[at], season: ring.season[at], seconds: ring.seconds[at] };
  });
}

/** Forgets a past event: running means start from normal. */
export function calmMeasures(state: MeasureState): void {
  state.means.fill(0);
  state.spread = state.tails[SPREAD].mean;
  state.lastResidual = 0;
}

/** Median distance of the last `count` rows from normal, in the units of the values. */
export function recentOffset(state: MeasureState, count: number): number {
  const rows = recentRows(state, count);
  const offsets = rows.map((row) => row.residual * scaleAt(state.baseline, row.seconds)).sort((a, b) => a - b);
  return offsets[offsets.length >> 1];
}
