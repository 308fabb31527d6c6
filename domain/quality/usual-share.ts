/**
 * Whether a share of bad rows is larger than it usually is, where earlier deliveries differ by no more than draws of rows
 * do: then its number is a count, known far better than the spread of twenty values tells. The newest deliveries are looked
 * at together as well, so that a change too small for one of them shows in a few.
 *
 * Where the history varies more than draws would (bursts, seasons, trends), this says nothing: only its own spread tells.
 */
import { betaBinomialUpper } from './shift-probability.js';

/** A history of shares, small enough to be kept with a decision. */
export interface ShareHistory {
  /** Mean share of the older deliveries. A bad day among them makes later alarms rarer, never more frequent. */
  readonly rate: number;
  readonly values: number;
  /** Standard deviations of the means of so many deliveries in a row as the windows have, as far as enough are known. */
  readonly spreads: readonly number[];
  /** Shares of the newest deliveries, the oldest first: they are judged, and teach nothing yet. */
  readonly recent: readonly number[];
}

/** So many deliveries are judged together: each window is twice as long as the one before it. */
const WINDOWS = [1, 2, 4, 8];
/** Deliveries before the one at hand that may be part of a window. */
export const RECENT_MAX = 7;
/** A window is looked at once the history has so many of its length: their variance is known to a third (sqrt(2 / (k - 1))). */
const WINDOWS_KNOWN = 20;
/** One value in twenty may be wild: so many of the farthest from the middle are moved as near as the next one is (winsorised). */
const WILD_SHARE = 0.05;
/** Standard errors of the ratio of a variance to that of draws within which it is one. */
const DISPERSION_Z = 3;

/**
 * @param bad shares of bad rows, the oldest first; at least two
 * @param least values that must be left to learn from: without so many, the newest teach as well
 */
export function learnShares(bad: readonly number[], least: number): ShareHistory {
  const cut = bad.length - RECENT_MAX < least ? bad.length : bad.length - RECENT_MAX;
  const older = bad.slice(0, cut);
  const spreads = WINDOWS.filter((length) => length === 1 || older.length >= WINDOWS_KNOWN * length).map((length) =>
    deviationOf(meansOf(older, length)),
  );
  return { rate: mean(older), values: older.length, spreads, recent: bad.slice(cut) };
}

const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

/** Means of every so many values in a row. */
function meansOf(values: readonly number[], length: number): number[] {
  return values.slice(length - 1).map((_, at) => mean(values.slice(at, at + length)));
}

/** Standard deviation, winsorised. */
function deviationOf(values: readonly number[]): number {
  const middle = [...values].sort((a, b) => a - b)[values.length >> 1];
  const distances = values.map((value) => Math.abs(value - middle)).sort((a, b) => b - a);
  const far = distances[Math.ceil(WILD_SHARE * values.length)];
  const near = values.map((value) => Math.min(middle + far, Math.max(middle - far, value)));
  const centre = mean(near);
  return Math.sqrt(near.reduce((sum, one) => sum + (one - centre) ** 2, 0) / (near.length - 1));
}

export interface ShareEvidence {
  /** Chance of so many bad rows or more, over all windows. */
  readonly p: number;
  /** By how much the share of the window that speaks is above the usual one, and how many deliveries it is of. */
  readonly change: number;
  readonly deliveries: number;
}

/**
 * The evidence that a share rose. Of k deliveries of n rows each the number of bad rows is beta-binomial: a binomial count
 * whose rate is known from `values * n` rows (Jeffreys' prior). Where windows of the history spread a little more than draws,
 * rows count for less in proportion (quasi-likelihood, Wedderburn 1974); where much more, the window is left out. The least p
 * counts as often as there are windows (Bonferroni).
 *
 * @param share of bad rows in the delivery at hand
 * @param rows of each delivery: earlier ones are taken to have had as many
 * @returns null where single deliveries of the history do not spread as draws do
 */
export function shareEvidence(history: ShareHistory, share: number, rows: number): ShareEvidence | null {
  const { rate, values, spreads, recent } = history;
  if (rows === 0) return null;
  const smoothed = (rate * values * rows + 0.5) / (values * rows + 1);
  const judged = spreads.flatMap((spread, index): ShareEvidence[] => {
    const length = WINDOWS[index];
    const dispersion = (spread * spread * length * rows) / (smoothed * (1 - smoothed));
    const noise = DISPERSION_Z * Math.sqrt((2 * length) / (values - 1));
    if (length - 1 > recent.length || dispersion > 1 + noise) return [];
    const worth = 1 / Math.max(1, dispersion);
    const known = values * rows * worth;
    const drawn = Math.floor(length * rows * worth);
    const now = mean(length === 1 ? [share] : [...recent.slice(1 - length), share]);
    // Rounded down: a part of a row is none.
    const count = Math.floor(now * drawn + 1e-9);
    const p = betaBinomialUpper(count, drawn, rate * known + 0.5, (1 - rate) * known + 0.5);
    return [{ p, change: now - rate, deliveries: length }];
  });
  if (judged.at(0)?.deliveries !== 1) return null;
  const first = judged.reduce((a, b) => (b.p < a.p ? b : a));
  return { ...first, p: Math.min(1, judged.length * first.p) };
}
