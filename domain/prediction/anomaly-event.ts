/**
 * Names what happened in a window of residuals: which of a few simple shapes explains it best.
 *
 * Each shape is a least-squares fit with its own noise level; the shape with the largest share of explained squares wins.
 * A window that no shape explains changed its variance.
 */

export type AnomalyType = 'spike' | 'dip' | 'level-shift' | 'trend' | 'variance' | 'flatline' | 'season-break';

/** One row of the window: residual to the expected value and expected season, both in units of normal residuals. */
export interface EventRow {
  readonly residual: number;
  readonly season: number;
}

/** Residuals beyond this many scales are outliers; one in 370 normal rows. */
export const OUTLIER = 3;
/** Longest run of outliers that still counts as a spike. */
const SPIKE_ROWS = 5;
/** Share of squares that a shape must explain; below it the window is noise of a new size. */
const EXPLAINED_MIN = 0.45;
/** Share of the end value that a line through the onset may already have there and still count as a trend. */
const TREND_START = 0.4;

/** A shape's share of the window's squares, 1 for a perfect fit. */
function explained(values: readonly number[], fitted: (index: number) => number): number {
  let rest = 0;
  let total = 0;
  values.forEach((value, index) => {
    const error = value - fitted(index);
    rest += error * error;
    total += value * value;
  });
  return total > 0 ? 1 - rest / total : 0;
}

/** Least-squares line of the values on 0, 1, 2 ...; a single value gives slope 0. */
export function fitLine(values: readonly number[]): { start: number; slope: number } {
  const n = values.length;
  const centre = (n - 1) / 2;
  let mean = 0;
  let cross = 0;
  let square = 0;
  values.forEach((value, index) => {
    mean += value / n;
    cross += value * (index - centre);
    square += (index - centre) ** 2;
  });
  const slope = square > 0 ? cross / square : 0;
  return { start: mean - slope * centre, slope };
}

/**
 * Share of squares explained by a change of the season: its amplitude, or its phase.
 * @param phases seasons expected at the window's rows if the phase had moved, one array for each phase tried.
 */
function seasonExplained(window: readonly EventRow[], phases: readonly (readonly number[])[]): number {
  const residuals = window.map((row) => row.residual);
  let cross = 0;
  let square = 0;
  for (const row of window) {
    cross += row.residual * row.season;
    square += row.season * row.season;
  }
  const gain = square > 0 ? cross / square : 0;
  let best = explained(residuals, (index) => gain * window[index].season);
  for (const phase of phases) {
    best = Math.max(
      best,
      explained(residuals, (index) => phase[index] - window[index].season),
    );
  }
  return best;
}

/** Rows at the end of the window that are back to normal. */
function normalTail(window: readonly EventRow[]): number {
  let count = 0;
  while (count < window.length && Math.abs(window[window.length - 1 - count].residual) < OUTLIER) count++;
  return count;
}

/**
 * Names a spike or a dip as soon as a short run of outliers is over; `null` while that is open.
 * @param window rows since the onset, oldest first.
 */
export function nameSpike(window: readonly EventRow[]): 'spike' | 'dip' | null {
  const tail = normalTail(window);
  const first = window.findIndex((row) => Math.abs(row.residual) >= OUTLIER);
  const out = first < 0 ? [] : window.slice(first, window.length - tail);
  if (tail === 0 || out.length === 0 || out.length > SPIKE_ROWS) return null;
  // A run is over after as many normal rows as it was long, so that a burst is not cut into spikes.
  if (tail < Math.min(out.length, 3)) return null;
  return out.reduce((sum, row) => sum + row.residual, 0) >= 0 ? 'spike' : 'dip';
}

/** The longer-lasting types, with the share of squares that each explains. */
export interface ShapeVerdict {
  readonly type: 'level-shift' | 'trend' | 'variance' | 'season-break';
  /** Lead of the winner over the runner-up in explained share; small while the window is too short to tell. */
  readonly lead: number;
}

/** Names the shape of a lasting event. @param window rows since the onset, at least 2, oldest first. */
export function nameShape(window: readonly EventRow[], phases: readonly (readonly number[])[]): ShapeVerdict {
  const residuals = window.map((row) => row.residual);
  const { start, slope } = fitLine(residuals);
  const end = start + slope * (residuals.length - 1);
  const mean = (start + end) / 2;
  const level = explained(residuals, () => mean);
  const line = explained(residuals, (index) => start + slope * index);
  const season = seasonExplained(window, phases);
  const isTrend = Math.abs(end) > Math.abs(start) && start / end < TREND_START && line - level > 0.05;
  const drift = isTrend ? line : level;
  if (Math.max(drift, season) < EXPLAINED_MIN)
    return { type: 'variance', lead: EXPLAINED_MIN - Math.max(drift, season) };
  if (season > drift) return { type: 'season-break', lead: season - drift };
  return { type: isTrend ? 'trend' : 'level-shift', lead: drift - season };
}
