/** The values of a metric since its last change: ranks each new one among them and gathers the evidence of another change. */
import { addEvidence, alarmLimit, emptyEvidence, totalEvidence, type EvidenceState } from './shift-evidence.js';
import { countBelow, scoresAmong, type Scores } from './watch-scores.js';

/** Plain JSON. */
export interface RegimeState {
  /** Its values, oldest first, at most `HISTORY_MAX`. */
  readonly history: readonly number[];
  /** Its values, also those that the history has dropped. */
  readonly seen: number;
  readonly evidence: EvidenceState;
  /** Newest scores, the newest first, at most `LAGS_MAX`. */
  readonly recent: readonly number[];
  /** Sums of products of scores 1, 2, ... `LAGS_MAX` steps apart. */
  readonly products: readonly number[];
  /** `varianceInflation` as it was while the evidence was last small. */
  readonly inflation: number;
  /** Values since the evidence was last small. */
  readonly uneasy: number;
}

/** Values kept for ranking: the standard error of their level is a thirtieth of the shift to be found. */
export const HISTORY_MAX = 4096;
/** Values before the first alarm: fewer say nothing of their autocorrelation. */
export const WARM_UP = 32;
/** Values after which evidence that neither grows into an alarm nor fades no longer keeps the correlation from being learned. */
const UNEASY_MAX = 256;
/** Standard errors that a correlation must have to count: fewer slow the detector on independent values, more make it nervous. */
const SIGNIFICANT = 1.5;
/** Correlation is learned up to this share of the alarm limit. In control the evidence passes it about one time in ten. */
const QUIET_SHARE = 0.01;
/** Longest correlation that is looked for, in steps. */
export const LAGS_MAX = 64;

/**
 * How much wider a sum of the scores spreads than if they were independent: 1 + 2 sum of autocorrelations, over the
 * lags up to the first that is not significant (initial positive sequence, after Geyer 1992, Statistical Science
 * 7:473). The evidence is divided by it, so that correlated data make the detector slower, not nervous.
 */
function varianceInflation(products: readonly number[], seen: number): number {
  let inflation = 1;
  for (let lag = 1; lag <= products.length && lag < seen; lag++) {
    const correlation = products[lag - 1] / (seen - lag);
    if (correlation < SIGNIFICANT / Math.sqrt(seen - lag)) break;
    inflation += 2 * correlation;
  }
  return inflation;
}

/** Before the first value. */
export const EMPTY_REGIME: RegimeState = {
  history: [],
  seen: 0,
  evidence: emptyEvidence(),
  recent: [],
  products: [],
  inflation: 1,
  uneasy: 0,
};

/** The values since the last change: ranks each new one and gathers the evidence against them. */
export class Regime {
  seen: number;
  evidence: EvidenceState;
  inflation: number;
  private uneasy: number;
  readonly history: number[];
  private readonly sorted: number[];
  private readonly recent: number[];
  private readonly products: number[];

  constructor(state: RegimeState) {
    ({ seen: this.seen, evidence: this.evidence, inflation: this.inflation, uneasy: this.uneasy } = state);
    this.history = [...state.history];
    this.sorted = [...state.history].sort((a, b) => a - b);
    this.recent = [...state.recent];
    this.products = [...state.products];
  }

  /** A regime that starts from these values: what they tell of a change among themselves is forgotten. O(n log n). */
  static of(values: readonly number[]): Regime {
    const regime = new Regime(EMPTY_REGIME);
    values.slice(-HISTORY_MAX).forEach((value) => regime.add(value));
    regime.evidence = emptyEvidence();
    return regime;
  }

  scoresOf(value: number): Scores {
    return scoresAmong(this.sorted, value);
  }

  add(value: number): void {
    const { level, spread } = this.scoresOf(value);
    const [before, ranked] = [this.seen, this.sorted.length + 1];
    this.evidence = addEvidence(this.evidence, { level, spread, before, ranked, inflation: this.inflation });
    this.recent.forEach((earlier, index) => (this.products[index] = (this.products[index] ?? 0) + earlier * level));
    this.recent.unshift(level);
    if (this.recent.length > LAGS_MAX) this.recent.pop();
    this.keep(value);
    // Shifted values resemble each other: what they have in common must not pass for correlation.
    const isQuiet = totalEvidence(this.evidence) <= QUIET_SHARE * alarmLimit(this.inflation);
    this.uneasy = isQuiet ? 0 : this.uneasy + 1;
    if (isQuiet || this.uneasy > UNEASY_MAX) this.inflation = varianceInflation(this.products, this.seen);
  }

  private keep(value: number): void {
    this.history.push(value);
    this.sorted.splice(countBelow(this.sorted, value, false), 0, value);
    if (this.history.length > HISTORY_MAX) this.sorted.splice(countBelow(this.sorted, this.history.shift()!, false), 1);
    this.seen++;
  }

  hasChanged(): boolean {
    return this.seen >= WARM_UP && totalEvidence(this.evidence) > alarmLimit(this.inflation);
  }

  /**
   * The values before a change and those since, each as a regime of its own; `before` counts from the first value. Where a
   * change began is known to a dozen values only: of those since, the older half is left out.
   */
  split(before: number): { readonly earlier: Regime; readonly later: Regime } {
    const since = Math.max(1, Math.min(this.history.length, this.seen - before));
    return {
      earlier: Regime.of(this.history.slice(0, -since)),
      later: Regime.of(this.history.slice(-Math.ceil(since / 2))),
    };
  }

  snapshot(): RegimeState {
    const { seen, evidence, inflation, uneasy } = this;
    return {
      history: [...this.history],
      seen,
      evidence,
      recent: [...this.recent],
      products: [...this.products],
      inflation,
      uneasy,
    };
  }
}
