/**
 * Lagged correlations between series, with the false discovery rate controlled.
 *
 * Autocorrelation makes unrelated series look related, so each is first whitened by its own autoregression (Haugh, 1976,
 * "Checking the independence of two covariance-stationary time series"): under independence a correlation of whitened
 * series is normal with variance 1/n. The best lag of a pair is corrected for the lags tried (Sidak), the pairs for each
 * other by the step-up rule of Benjamini and Hochberg (1995).
 */
import { autocorrelation } from './period.js';

/** One series on a common grid of rows; `null` where it has no value. */
export interface GridSeries {
  readonly id: string;
  readonly values: readonly (number | null)[];
}

/** A pair of series of which one follows the other. */
export interface LagCorrelation {
  readonly leader: string;
  readonly follower: string;
  /** Rows by which the follower is later, at least 0. */
  readonly lagSteps: number;
  /** Correlation of the whitened series at this lag, in [-1, 1]. */
  readonly correlation: number;
  readonly pValue: number;
  /** Least false discovery rate at which the pair is reported. */
  readonly qValue: number;
}

const ORDER_MAX = 5;
const OVERLAP_ROWS_MIN = 30;
/** Pairs with less than this share of common variation are of no use to anyone, however significant. */
const CORRELATION_MIN = 0.1;

/** Autoregressive weights of a series by Levinson and Durbin's recursion on its autocorrelation, order at most 5. */
export function autoregression(values: readonly number[], order: number): number[] {
  const r = autocorrelation(values, order);
  if (r[0] === 0) return new Array<number>(order).fill(0);
  let weights: number[] = [];
  let error = 1;
  for (let k = 1; k <= order; k++) {
    let reflection = r[k];
    weights.forEach((w, j) => (reflection -= w * r[k - 1 - j]));
    reflection = Math.min(Math.max(reflection / error, -0.99), 0.99);
    weights = [...weights.map((w, j) => w - reflection * weights[k - 2 - j]), reflection];
    error *= 1 - reflection * reflection;
  }
  return weights;
}

/** Innovations of a series as normal scores of unit variance, 0 where they are unknown; a constant series gives zeros. */
function whiten(values: readonly (number | null)[]): Float64Array {
  const known = values.filter((x): x is number => x !== null);
  const mean = known.reduce((sum, x) => sum + x / known.length, 0);
  const filled = values.map((x) => (x === null ? 0 : x - mean));
  const weights = autoregression(filled, Math.min(ORDER_MAX, Math.floor(known.length / 10)));
  const innovations: { at: number; value: number }[] = [];
  for (let i = weights.length; i < values.length; i++) {
    let innovation = filled[i];
    let complete = values[i] !== null;
    for (let j = 0; j < weights.length; j++) {
      innovation -= weights[j] * filled[i - 1 - j];
      complete &&= values[i - 1 - j] !== null;
    }
    if (complete) innovations.push({ at: i, value: innovation });
  }
  return normalScores(innovations, values.length);
}

/** Ranks as normal quantiles (van der Waerden, 1952), ties at their mean rank: an outlier counts as the largest, no more. */
function normalScores(items: readonly { at: number; value: number }[], length: number): Float64Array {
  const out = new Float64Array(length);
  const ranked = [...items].sort((a, b) => a.value - b.value || a.at - b.at);
  let square = 0;
  for (let from = 0, to = 0; from < ranked.length; from = to) {
    while (to < ranked.length && ranked[to].value === ranked[from].value) to++;
    const score = normalQuantile((from + to + 1) / 2 / (ranked.length + 1));
    for (let k = from; k < to; k++) out[ranked[k].at] = score;
    square += (to - from) * score * score;
  }
  const deviation = Math.sqrt(square / Math.max(ranked.length, 1));
  return deviation > 0 ? out.map((x) => x / deviation) : out;
}

/** Quantile of a standard normal for p in (0, 1) (Abramowitz and Stegun, 26.2.23; error below 4.5e-4). */
function normalQuantile(p: number): number {
  const t = Math.sqrt(-2 * Math.log(Math.min(p, 1 - p)));
  const z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  return p < 0.5 ? -z : z;
}

/** Two-sided tail probability of a standard normal (Abramowitz and Stegun, 26.2.17; error below 7.5e-8). */
export function normalTail(z: number): number {
  const x = Math.abs(z);
  const t = 1 / (1 + 0.2316419 * x);
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  return Math.min(1, 2 * Math.exp((-x * x) / 2) * 0.3989422804014327 * polynomial);
}

interface PairBest {
  readonly lag: number;
  readonly correlation: number;
  readonly pValue: number;
}

/** The strongest lag of a pair; a positive lag means that `b` follows `a`. */
function bestLag(a: Float64Array, b: Float64Array, lagMax: number): PairBest | null {
  const n = a.length;
  let best: PairBest | null = null;
  let lags = 0;
  let highest = 0;
  for (let lag = -lagMax; lag <= lagMax; lag++) {
    let product = 0;
    let count = 0;
    for (let i = Math.max(0, -lag); i < Math.min(n, n - lag); i++) {
      const both = a[i] * b[i + lag];
      if (both !== 0) count++;
      product += both;
    }
    if (count < OVERLAP_ROWS_MIN) continue;
    lags++;
    const z = Math.abs(product) / Math.sqrt(count);
    if (z <= highest) continue;
    highest = z;
    best = { lag, correlation: Math.min(Math.max(product / count, -1), 1), pValue: normalTail(z) };
  }
  if (best === null) return null;
  // Sidak for the lags tried: 1 - (1 - p)^m, without cancellation for tiny p.
  return { ...best, pValue: -Math.expm1(lags * Math.log1p(-Math.min(best.pValue, 1 - 1e-12))) };
}

/**
 * Significant lagged correlations, strongest first, ties by ids. O(series^2 x lags x rows).
 * @param lagMax largest lag in rows that is tried, both ways.
 * @param falseDiscoveryRate share of the reported pairs that may be chance, in (0, 1).
 */
export function findLagCorrelations(
  series: readonly GridSeries[],
  lagMax: number,
  falseDiscoveryRate = 0.05,
): LagCorrelation[] {
  return significantPairs(correlatePairs(series, lagMax), falseDiscoveryRate);
}

/** The strongest lag of every pair that is wanted, significant or not; pairs without enough common rows are left out. */
export function correlatePairs(
  series: readonly GridSeries[],
  lagMax: number,
  wanted: (a: string, b: string) => boolean = () => true,
): LagCorrelation[] {
  const sorted = [...series].sort((a, b) => (a.id < b.id ? -1 : 1));
  const white = sorted.map((one) => whiten(one.values));
  const pairs: LagCorrelation[] = [];
  for (let i = 0; i < sorted.length; i++) {
    for (let j = i + 1; j < sorted.length; j++) {
      const best = wanted(sorted[i].id, sorted[j].id) ? bestLag(white[i], white[j], lagMax) : null;
      if (best === null) continue;
      const [leader, follower] = best.lag >= 0 ? [sorted[i].id, sorted[j].id] : [sorted[j].id, sorted[i].id];
      const { correlation, pValue } = best;
      pairs.push({ leader, follower, lagSteps: Math.abs(best.lag), correlation, pValue, qValue: 1 });
    }
  }
  return pairs;
}

/**
 * The pairs of which at most the given share is chance, strongest first, ties by ids.
 * @param tested pairs that were tried, where those that were surely chance were not kept; default: all that are given
 */
export function significantPairs<T extends LagCorrelation>(
  pairs: readonly T[],
  falseDiscoveryRate: number,
  tested = pairs.length,
): T[] {
  return stepUp(pairs, tested)
    .filter((pair) => pair.qValue <= falseDiscoveryRate && Math.abs(pair.correlation) >= CORRELATION_MIN)
    .sort((a, b) => Math.abs(b.correlation) - Math.abs(a.correlation) || (idOf(a) < idOf(b) ? -1 : 1));
}

function idOf(pair: LagCorrelation): string {
  return JSON.stringify([pair.leader, pair.follower]);
}

/** Fills in the q values of Benjamini and Hochberg (1995): min over larger p of p x m / rank. */
function stepUp<T extends LagCorrelation>(pairs: readonly T[], tested: number): T[] {
  const ranked = [...pairs].sort((a, b) => a.pValue - b.pValue || (idOf(a) < idOf(b) ? -1 : 1));
  let least = 1;
  for (let k = ranked.length - 1; k >= 0; k--) {
    least = Math.min(least, (ranked[k].pValue * tested) / (k + 1));
    ranked[k] = { ...ranked[k], qValue: least };
  }
  return ranked;
}
