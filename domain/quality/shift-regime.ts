/** The values of a metric since its last change: ranks each new one among them and gathers the evidence of another change. */
import { addEvidence, alarmLimit, emptyEvidence, totalEvidence, type EvidenceState } from './shift-evidence.js';
import { seasonAt, type LearnedSeason, type Season } from './shift-season.js';
import { countBelow, scoresAmong, type Scores } from './watch-scores.js';

/** Plain JSON. */
export interface RegimeState {
  /** Its values, oldest first, at most `HISTORY_MAX`. */
  readonly history: readonly number[];
  /** Their times, and what each is without the season. */
  readonly times: readonly number[];
  readonly rests: readonly number[];
  readonly season: Season | null;
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
  times: [],
  rests: [],
  season: null,
  seen: 0,
  evidence: emptyEvidence(),
  recent: [],
  products: [],
  inflation: 1,
  uneasy: 0,
};

/** The values since the last change: ranks each new one and gathers the evidence against them. */
export class Regime {
  evidence: EvidenceState;
  private seen: number;
  private inflation: number;
  private uneasy: number;
  private readonly season: Season | null;
  private readonly history: number[];
  private readonly times: number[];
  private readonly rests: number[];
  private readonly sorted: number[];
  private readonly recent: number[];
  private readonly products: number[];

  constructor(state: RegimeState) {
    ({ seen: this.seen, evidence: this.evidence, inflation: this.inflation, uneasy: this.uneasy } = state);
    this.season = state.season;
    [this.history, this.times, this.rests] = [[...state.history], [...state.times], [...state.rests]];
    this.sorted = [...state.rests].sort((a, b) => a - b);
    [this.recent, this.products] = [[...state.recent], [...state.products]];
  }

  /** A regime that starts from some values of others: what they tell of a change among themselves is forgotten. O(n log n). */
  private static of(parts: readonly Pick<RegimeState, 'history' | 'times' | 'rests'>[], season: Season | null): Regime {
    const regime = new Regime({ ...EMPTY_REGIME, season });
    for (const { history, times, rests } of parts) history.forEach((x, i) => regime.take(x, times[i], rests[i]));
    regime.evidence = emptyEvidence();
    return regime;
  }

  /** Scores of a value against this regime, which does not take it in, and how much wider their sums spread than independent ones. */
  score(value: number, time: number): Scores & { readonly inflation: number } {
    return { ...scoresAmong(this.sorted, value - seasonAt(this.season, time)), inflation: this.inflation };
  }

  /** Takes a value in: its evidence, then its place among the others. */
  add(value: number, time: number): void {
    this.take(value, time, value - seasonAt(this.season, time));
  }

  private take(value: number, time: number, rest: number): void {
    const { level, spread } = scoresAmong(this.sorted, rest);
    const [before, ranked] = [this.seen, this.sorted.length + 1];
    this.evidence = addEvidence(this.evidence, { level, spread, before, ranked, inflation: this.inflation });
    this.correlate(level);
    this.keep(value, time, rest);
    // Shifted values resemble each other: what they have in common must not pass for correlation.
    const isQuiet = totalEvidence(this.evidence) <= QUIET_SHARE * alarmLimit(this.inflation);
    this.uneasy = isQuiet ? 0 : this.uneasy + 1;
    if (isQuiet || this.uneasy > UNEASY_MAX) this.inflation = varianceInflation(this.products, this.seen);
  }

  private correlate(score: number): void {
    this.recent.forEach((earlier, index) => (this.products[index] = (this.products[index] ?? 0) + earlier * score));
    this.recent.unshift(score);
    if (this.recent.length > LAGS_MAX) this.recent.pop();
  }

  private keep(value: number, time: number, rest: number): void {
    this.seen++;
    this.history.push(value);
    this.times.push(time);
    this.rests.push(rest);
    this.sorted.splice(countBelow(this.sorted, rest, false), 0, rest);
    if (this.history.length <= HISTORY_MAX) return;
    this.history.shift();
    this.times.shift();
    this.sorted.splice(countBelow(this.sorted, this.rests.shift()!, false), 1);
  }

  /** The same values without another season. */
  without({ season, addedAt }: LearnedSeason): Regime {
    if (season === null && this.season === null) return this;
    const { history, times } = this;
    return Regime.of([{ history, times, rests: history.map((value, i) => value - addedAt(times[i])) }], season);
  }

  /** Whether a season may be learned: none is known yet, or little speaks for a change that would be learned with it. */
  isTeachable(): boolean {
    return this.season === null || this.uneasy === 0;
  }

  /** Whether the evidence of a change has reached the alarm limit. */
  hasChanged(): boolean {
    return this.seen >= WARM_UP && totalEvidence(this.evidence) > alarmLimit(this.inflation);
  }

  private part(from: number, to?: number): Pick<RegimeState, 'history' | 'times' | 'rests'> {
    const [history, times, rests] = [this.history, this.times, this.rests].map((list) => list.slice(from, to));
    return { history, times, rests };
  }

  /**
   * The values before a change and those since, each as a regime of its own; `before` counts from the first value. Where a
   * change began is known to a dozen values only: of those since, the older half is left out. Both keep the season.
   */
  split(before: number): { readonly earlier: Regime; readonly later: Regime } {
    const since = Math.max(1, Math.min(this.history.length, this.seen - before));
    return {
      earlier: Regime.of([this.part(0, -since)], this.season),
      later: Regime.of([this.part(-Math.ceil(since / 2))], this.season),
    };
  }

  /** This regime, gone on with the newest values of another. */
  joinedBy(later: Regime, newest: number): Regime {
    const added = later.part(-newest);
    const rests = added.history.map((value, i) => value - seasonAt(this.season, added.times[i]));
    return Regime.of([this.part(0), { ...added, rests }], this.season);
  }

  snapshot(): RegimeState {
    const { seen, evidence, inflation, uneasy, season } = this;
    const lists = { ...this.part(0), recent: [...this.recent], products: [...this.products] };
    return { ...lists, seen, evidence, inflation, uneasy, season };
  }
}
