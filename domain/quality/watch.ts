/**
 * Streaming shift detection on one metric, parameters not given: does the level or the spread of the values change?
 *
 * Each value is ranked among the values before it and the rank becomes a normal score. In control these scores are
 * independent and standard normal whatever the distribution of independent values is (sequential normal scores:
 * Conover, Tercero-Gomez & Cordero-Franco 2017, Quality Engineering 29:385), so that the charts on them need no
 * estimated mean or deviation and their false-alarm rate is known beforehand. Four CUSUM charts (Page 1954) run on
 * the scores: level up and down, spread up and down.
 */
import { BalanceError } from '../types/errors.js';
import { chartAverageRunLength, chartLimit, normalQuantile, normalScoreOfSize } from './watch-scores.js';

export type ShiftKind = 'level-up' | 'level-down' | 'spread-up' | 'spread-down';
export interface ShiftVerdict {
  readonly alarm: boolean;
  readonly kind: ShiftKind | null;
}

/** Plain JSON state; the next verdict depends on nothing else. */
export interface ShiftState {
  readonly version: 1;
  /** Values since the last alarm, oldest first, at most `HISTORY_MAX`. */
  readonly history: readonly number[];
  /** Sums of the charts in the order of `KINDS`. */
  readonly charts: readonly number[];
  /** Values since the last alarm, also those that the history has dropped. */
  readonly seen: number;
  /** Newest scores, the newest first, at most `LAGS_MAX`. */
  readonly recent: readonly number[];
  /** Sums of products of scores 1, 2, ... `LAGS_MAX` steps apart. */
  readonly products: readonly number[];
  /** `varianceInflation` as it was while the charts were last quiet. */
  readonly inflation: number;
}

export interface ShiftDetector {
  /** Takes the next value; a missing one (null or not finite) changes nothing and gives no alarm. O(log n) amortised search. */
  update(value: number | null): ShiftVerdict;
  snapshot(): ShiftState;
}

const KINDS: readonly ShiftKind[] = ['level-up', 'level-down', 'spread-up', 'spread-down'];
/** Reference value of the charts: half of the shift they are fastest for, which is half a standard deviation. */
export const CHART_REFERENCE = 0.25;
/** Alarm limit of the level charts: one false alarm in 25,000 values for the two together (`chartAverageRunLength`). */
export const LEVEL_LIMIT = 16.3;
/** Alarm limit of the spread charts: one false alarm in 1,000,000 values for the two together. */
export const SPREAD_LIMIT = 24;
/** Values kept for ranking: the standard error of their level is a thirtieth of the shift to be found. */
export const HISTORY_MAX = 4096;
/** Values before the first alarm: fewer say nothing of their autocorrelation. */
export const WARM_UP = 32;
/** Values before the first alarm whose correlation is learned whatever the charts say. */
const LEARNING = 64;
/** The charts are quiet up to this share of their limits. In control they pass it about one time in ten. */
const QUIET_SHARE = 0.25;
/** Longest correlation that is looked for, in steps. */
export const LAGS_MAX = 64;

/** False alarms per value of independent data, by Siegmund's approximation of the four charts. */
export function falseAlarmRate(): number {
  return (
    2 / chartAverageRunLength(CHART_REFERENCE, LEVEL_LIMIT) + 2 / chartAverageRunLength(CHART_REFERENCE, SPREAD_LIMIT)
  );
}

/** Number of sorted values below `value`, or at most `value` with `inclusive`. */
function countBelow(sorted: readonly number[], value: number, inclusive: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const below = inclusive ? sorted[middle] <= value : sorted[middle] < value;
    if (below) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * How much wider a sum of the scores spreads than if they were independent: 1 + 2 sum of autocorrelations, over the
 * lags up to the first that is not significant (initial positive sequence, after Geyer 1992, Statistical Science
 * 7:473). The scores are divided by its root, so that correlated or seasonal data make the charts slower, not nervous.
 */
function varianceInflation(products: readonly number[], seen: number): number {
  let inflation = 1;
  for (let lag = 1; lag <= products.length && lag < seen; lag++) {
    const correlation = products[lag - 1] / (seen - lag);
    // Two standard errors of the correlation of independent scores.
    if (correlation < 2 / Math.sqrt(seen - lag)) break;
    inflation += 2 * correlation;
  }
  return inflation;
}

const START: ShiftState = {
  version: 1,
  history: [],
  charts: [0, 0, 0, 0],
  seen: 0,
  recent: [],
  products: [],
  inflation: 1,
};

/**
 * A detector for one metric.
 *
 * @param state where to go on from (`snapshot()` of an earlier detector); absent: from nothing
 * @returns an object that takes the values in order. The verdict on a value depends on that value and earlier ones only
 * @throws BalanceError `CorruptState` for a state that no `snapshot()` made
 *
 * After an alarm everything is forgotten: the next level is learned anew. Degenerate cases: a constant metric never
 * alarms, and alarms after a few values when it moves; missing values are skipped.
 */
export function createShiftDetector(state: ShiftState = START): ShiftDetector {
  checkState(state);
  let { seen } = state;
  let history = [...state.history];
  let sorted = [...history].sort((a, b) => a - b);
  let charts = [...state.charts];
  let recent = [...state.recent];
  let products = [...state.products];
  let { inflation } = state;

  const restart = (): void => {
    seen = 0;
    inflation = 1;
    [history, sorted, charts, recent, products] = [[], [], [0, 0, 0, 0], [], []];
  };
  const remember = (value: number, score: number): void => {
    recent.forEach((earlier, index) => (products[index] = (products[index] ?? 0) + earlier * score));
    recent.unshift(score);
    if (recent.length > LAGS_MAX) recent.pop();
    history.push(value);
    sorted.splice(countBelow(sorted, value, false), 0, value);
    if (history.length > HISTORY_MAX) sorted.splice(countBelow(sorted, history.shift()!, false), 1);
    seen++;
  };

  return {
    update(value) {
      if (value === null || !Number.isFinite(value)) return { alarm: false, kind: null };
      const count = sorted.length + 1;
      // The ranks of the value and its ties, among themselves and the values before, as an interval of (0, 1).
      const low = countBelow(sorted, value, false) / count;
      const high = (countBelow(sorted, value, true) + 1) / count;
      const level = normalQuantile((low + high) / 2);
      const spread = normalScoreOfSize(low, high);
      const root = Math.sqrt(inflation);
      // Scaling shrinks the shift to be found as much as the noise: the reference follows it, the limit keeps the rate.
      const reference = CHART_REFERENCE / root;
      const limits = [LEVEL_LIMIT, SPREAD_LIMIT].map((limit) =>
        root === 1 ? limit : chartLimit(reference, chartAverageRunLength(CHART_REFERENCE, limit)),
      );
      charts = [level, -level, spread, -spread].map((score, i) => Math.max(0, charts[i] + score / root - reference));
      remember(value, level);
      // Shifted values resemble each other: what they have in common must not pass for correlation.
      const isQuiet = charts.every((sum, i) => sum <= limits[i < 2 ? 0 : 1] * QUIET_SHARE);
      if (isQuiet || seen < LEARNING) inflation = varianceInflation(products, seen);
      const index = charts.findIndex((sum, i) => sum > limits[i < 2 ? 0 : 1]);
      if (index < 0 || seen < WARM_UP) return { alarm: false, kind: null };
      restart();
      return { alarm: true, kind: KINDS[index] };
    },
    snapshot: () => ({
      version: 1,
      history: [...history],
      charts: [...charts],
      seen,
      recent: [...recent],
      products: [...products],
      inflation,
    }),
  };
}

function checkState(state: ShiftState): void {
  const lists = [state.history, state.charts, state.recent, state.products];
  const numeric = lists.every((list) => Array.isArray(list) && list.every((value) => Number.isFinite(value)));
  const sized =
    numeric && state.inflation >= 1 && state.charts.length === KINDS.length && state.seen >= state.history.length;
  if ((state.version as number) === 1 && sized) return;
  throw new BalanceError('usage', {
    type: 'CorruptState',
    message: 'not a state of the shift detector',
    expected: 'the value of snapshot(), version 1',
    got: JSON.stringify(state).slice(0, 80),
  });
}
