/**
 * Names what happened at the end of a window of residuals.
 *
 * Each type is a small model with an unknown onset: normal rows before it, after it a pulse, a step, a ramp, a wider
 * spread, or a season of another size or phase. All are fitted by least squares in one pass over the onsets, with sums
 * from the end of the window, and compared by the Bayesian information criterion (Schwarz, 1978). O(rows x models).
 */

export type AnomalyType = 'spike' | 'dip' | 'level-shift' | 'trend' | 'variance' | 'flatline' | 'season-break';

/** One row of the window: residual to the expected value and expected season, both in units of normal residuals. */
export interface EventRow {
  readonly residual: number;
  readonly season: number;
}

/** The best name for a window, `null` for nothing, and its lead over the second best in nats: 4 are odds of 55 to 1. */
export interface NameVerdict {
  readonly type: Exclude<AnomalyType, 'flatline'> | null;
  readonly lead: number;
}

/** Longest run of outliers that still counts as a spike. */
const PULSE_ROWS_MAX = 4;
/** Normal rows assumed before the window, and their variance: that of a normal residual whose mean size is 1, pi / 2. */
const PRIOR_ROWS = 16;
const PRIOR_SQUARES = (PRIOR_ROWS * Math.PI) / 2;
/** Every other change must outlast a pulse. */
const SHAPE_ROWS_MIN = PULSE_ROWS_MAX + 1;

type Shape = 'nothing' | 'pulse' | 'open' | 'step' | 'ramp' | 'variance' | 'season';

/** Log-likelihood of normal residuals with the given squared sum and unknown variance, up to a constant. */
function fit(rows: number, squares: number): number {
  return -0.5 * rows * Math.log(Math.max(squares, 1e-12) / rows);
}

/** Sums over the window's first rows: `before[i]` is the squared sum of rows 0 ... i-1. */
function squaresBefore(window: readonly EventRow[]): number[] {
  const before = [0];
  for (const { residual } of window) before.push(before[before.length - 1] + residual * residual);
  return before;
}

interface Pulses {
  /** Least squared sum with a pulse that is over: a run of up to four rows of one height, then normal rows. */
  readonly over: number;
  /** The same with a run that lasts to the end, so that nobody knows yet what it will be. */
  readonly open: number;
  readonly height: number;
}

/** Best pulses that reach into the open event's rows; `height`, of the one that is over, tells a spike from a dip. */
function bestPulses(window: readonly EventRow[], total: number, rowsOpen: number): Pulses {
  const n = window.length;
  let [over, open, height] = [total, total, 0];
  const opened = Math.max(0, n - rowsOpen);
  for (let from = Math.max(0, opened - PULSE_ROWS_MAX + 1); from < n; from++) {
    let sum = 0;
    for (let to = from + 1; to <= Math.min(from + PULSE_ROWS_MAX, n); to++) {
      sum += window[to - 1].residual;
      if (to <= opened) continue;
      const squares = total - (sum * sum) / (to - from);
      if (to === n) open = Math.min(open, squares);
      else if (squares < over) [over, height] = [squares, sum / (to - from)];
    }
  }
  return { over, open, height };
}

/** Best squared sums of a step, a ramp, a season of another size, and the best likelihood of another spread. */
function bestOnsets(
  window: readonly EventRow[],
  before: readonly number[],
): Record<'step' | 'ramp' | 'season' | 'variance', number> {
  const n = window.length;
  const total = before[n];
  const best = { step: total, ramp: total, season: total, variance: -Infinity };
  // Sums over the rows from the onset to the end; `moment` weighs them 1, 2, 3 ... from the onset.
  let [sum, moment, cross, size] = [0, 0, 0, 0];
  for (let from = n - 1; from >= 0; from--) {
    const { residual, season } = window[from];
    const m = n - from;
    moment += sum + residual;
    sum += residual;
    cross += residual * season;
    size += season * season;
    if (m < SHAPE_ROWS_MIN) continue;
    best.step = Math.min(best.step, total - (sum * sum) / m);
    best.ramp = Math.min(best.ramp, total - (moment * moment) / ((m * (m + 1) * (2 * m + 1)) / 6));
    if (size > 0) best.season = Math.min(best.season, total - (cross * cross) / size);
    const after = total - before[from];
    // A smaller spread is not an anomaly here: a stuck value is found as a run.
    if (after / m > (before[from] + PRIOR_SQUARES) / (from + PRIOR_ROWS)) {
      best.variance = Math.max(best.variance, fit(from + PRIOR_ROWS, before[from] + PRIOR_SQUARES) + fit(m, after));
    }
  }
  return best;
}

/** Squared sum around a straight line through the whole window: a drift that began before it. */
function lineSquares(window: readonly EventRow[], total: number): number {
  const n = window.length;
  const centre = (n - 1) / 2;
  let [sum, cross] = [0, 0];
  window.forEach(({ residual }, i) => {
    sum += residual;
    cross += residual * (i - centre);
  });
  const square = (n * (n * n - 1)) / 12;
  return total - (sum * sum) / n - (square > 0 ? (cross * cross) / square : 0);
}

/** Best squared sum of a season of another phase; `phases` holds the season expected at each row for each phase tried. */
function bestPhase(
  window: readonly EventRow[],
  before: readonly number[],
  phases: readonly (readonly number[])[],
): number {
  let best = Infinity;
  for (const phase of phases) {
    let after = 0;
    for (let from = window.length - 1; from >= 0; from--) {
      const { residual, season } = window[from];
      after += (residual - (phase[from] - season)) ** 2;
      if (window.length - from >= SHAPE_ROWS_MIN) best = Math.min(best, before[from] + after);
    }
  }
  return best;
}

/** What is known about the window beside its rows. */
export interface EventContext {
  /** Rows since the event was opened: what is named must reach into them. */
  readonly rowsOpen: number;
  /** Season expected at the window's rows, for each phase that it may have moved to. */
  readonly phases: readonly (readonly number[])[];
  /** Lag-1 autocorrelation of normal residuals, in [0, 1). */
  readonly memory: number;
}

/** Names the event at the end of the window. @param window at least 2 rows, oldest first, normal rows leading. */
export function nameEvent(window: readonly EventRow[], { rowsOpen, phases, memory }: EventContext): NameVerdict {
  const before = squaresBefore(window);
  const total = before[window.length];
  const pulses = bestPulses(window, total, rowsOpen);
  const onsets = bestOnsets(window, before);
  const season = Math.min(onsets.season, bestPhase(window, before, phases));
  const rows = window.length + PRIOR_ROWS;
  const model = (squares: number): number => fit(rows, squares + PRIOR_SQUARES);
  const penalty = 0.5 * Math.log(rows);
  // Noise with a memory wanders: by chance a shape explains as many times more as the variance of its mean is larger.
  const wander = (1 + memory) / (1 - memory) - 1;
  const scores: [Shape, number][] = [
    // Nothing has neither onset nor size; a pulse has an end as well.
    ['nothing', model(total) + 2 * penalty],
    ['pulse', model(pulses.over) - penalty],
    ['open', model(pulses.open)],
    ['step', model(onsets.step) - wander],
    ['ramp', model(Math.min(onsets.ramp, lineSquares(window, total))) - wander],
    // Each size or phase of the season that was tried is a chance to fit by accident.
    ['season', model(season) - wander - Math.log(1 + phases.length)],
    ['variance', onsets.variance],
  ];
  scores.sort((a, b) => b[1] - a[1]);
  const [[shape, first], [, second]] = scores;
  // What may still turn into something longer has no name yet.
  return { type: typeOf(shape, pulses.height), lead: shape === 'open' ? 0 : first - second };
}

function typeOf(shape: Shape, height: number): NameVerdict['type'] {
  switch (shape) {
    case 'nothing':
      return null;
    case 'open':
    case 'pulse':
      return height >= 0 ? 'spike' : 'dip';
    case 'step':
      return 'level-shift';
    case 'ramp':
      return 'trend';
    case 'season':
      return 'season-break';
    case 'variance':
      return 'variance';
  }
}
