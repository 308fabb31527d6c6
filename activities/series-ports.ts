/** What the predict stage asks of Postgres: recorded series, stored states, known patterns, warnings. */
import type { Surge } from '../domain/decision/predict/demand-anomalies.js';
import type { StateRef } from '../domain/decision/predict/series-outcome.js';
import type { OpenWarning, Warning } from '../domain/decision/predict/shortage.js';
import type { KnownPatterns } from '../domain/prediction/pattern-watch.js';
import type { HistoryValue } from '../domain/quality/usual.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { DecisionRef, StageRecord } from './store-ports.js';

export interface SeriesState extends StateRef {
  readonly stepMs: number;
  readonly snapshot: unknown;
}
export interface NewPrediction {
  readonly states: readonly SeriesState[];
  /** The series that have now been learned up to a step; null: this cycle leaves nothing for later ones. */
  readonly seen: { readonly series: readonly string[]; readonly upToMs: number } | null;
  readonly warnings: readonly Warning[];
  /** What a look at a few series found: it takes the place of what was known of them. */
  readonly patterns: readonly KnownPatterns[];
}
export interface SeriesStore {
  /** The newest stored state of each series at or before `upToMs`, without its content. */
  heads(ref: PoolRef, series: readonly string[], upToMs: number, stepMs: number): Promise<readonly StateRef[]>;
  /** The states named. One that is gone is left out. */
  states(ref: PoolRef, states: readonly StateRef[]): Promise<readonly SeriesState[]>;
  /** Up to which step each series was learned in an earlier cycle. */
  seen(ref: PoolRef, series: readonly string[]): Promise<Readonly<Record<string, number>>>;
  /** Steps in which anything was recorded, within (fromMs, toMs]. */
  recordedSteps(ref: PoolRef, fromMs: number, toMs: number): Promise<readonly number[]>;
  /** The newest surge of each series in the last full cycle before this one and the cycles since. */
  surgesBefore(ref: DecisionRef): Promise<readonly Surge[]>;
  /** Rows that scarcity put off: of standing needs, and of requests that wait after a cycle has looked at them. */
  putOff(ref: PoolRef): Promise<{
    readonly needs: readonly { needId: string; rows: number }[];
    readonly requests: readonly { id: string; model: string; dataset: string; rows: number }[];
  }>;
  /** What is known of the patterns of these series; those that were never looked at are left out. */
  patterns(ref: PoolRef, series: readonly string[]): Promise<readonly KnownPatterns[]>;
  /** Recorded values of each metric and subject by event time, within (fromMs, toMs]; without values: left out. */
  recorded(
    ref: PoolRef,
    asks: readonly { readonly metric: string; readonly subject: string }[],
    fromMs: number,
    toMs: number,
  ): Promise<readonly { metric: string; subject: string; values: readonly HistoryValue[] }[]>;
  openWarnings(ref: PoolRef): Promise<readonly OpenWarning[]>;
  /** Anomalies that became warnings after this event time. */
  alarmsSince(ref: PoolRef, afterMs: number): Promise<number>;
  /** Demand of each series by step end, within (fromMs, toMs]. */
  demand(
    ref: PoolRef,
    series: readonly string[],
    fromMs: number,
    toMs: number,
  ): Promise<readonly { series: string; atMs: number; value: number }[]>;
  /** Stage record, states and warnings, in one transaction. */
  savePrediction(ref: DecisionRef, record: StageRecord, prediction: NewPrediction, nowMs: number): Promise<void>;
}
