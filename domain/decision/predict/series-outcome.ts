/** One series in the predict stage: what goes in, and what comes out of it. */
import type { Leader } from '../../prediction/led-run.js';
import type { TrackAlarm, TrackChange } from '../../prediction/series-track.js';

/** A stored state of a series: it had learned the steps up to `upToMs`. */
export interface StateRef {
  readonly series: string;
  readonly upToMs: number;
  readonly digest: string;
}
export interface SeriesInput {
  /** `model/dataset` in rows, `source:ID` and `system` in bytes. */
  readonly series: string;
  /** The state that it goes on from; null: none, it is learned from `values`. */
  readonly state: StateRef | null;
  /** States of series that behave alike: a start for one without a state. */
  readonly similar: readonly StateRef[];
  /** Complete steps since the state, oldest first, the last one ending at `upToMs`; null: nothing was recorded. */
  readonly values: readonly (number | null)[];
  readonly upToMs: number;
  /** What was learned before this cycle: only later steps can be news. */
  readonly seenUpToMs: number | null;
  /** What is newly asked in the step that runs now, this cycle included. */
  readonly asked: number;
  /** Demand that models declared, in the steps ahead; it is not in `values`. Absent: none. */
  readonly declared?: DeclaredAhead;
  /** Asked before and not handed out yet: claimed now on top of `asked`; absent: nothing. */
  readonly backlog?: Backlog;
  /** Rows of standing needs and requests that were put off and that this cycle does not look at; absent: none. */
  readonly waiting?: number;
  /** The series that it follows; absent: none is known. */
  readonly leader?: LeaderAhead;
  /** Seasons in steps that its longer past shows and the calendar does not; absent: none. */
  readonly seasons?: readonly number[];
}
export interface LeaderAhead extends Leader {
  /** What it did in the steps up to and with the one that ends at `upToMs`, oldest first: those of `values`, or more. */
  readonly leads: readonly (number | null)[];
}
export interface DeclaredAhead {
  /** The declaration that was taken out of `values`, now and in the state. */
  readonly calendar: string;
  /** For each of the steps after `upToMs`. */
  readonly amounts: readonly number[];
  /** How well it has been kept, 0 to 1. */
  readonly kept: number;
}
export interface Backlog {
  readonly rows: number;
  /** That part of it that was beyond expectation when it was asked. */
  readonly beyond: number;
}
/** Bytes a row of demand series, and the source that they are read from. */
export type SeriesCosts = Readonly<Record<string, { readonly source: string; readonly bytesPerRow: number }>>;
export interface SeriesPrediction {
  readonly series: string;
  /** Who forecasts it: id of a predictor, and what leads within it. */
  readonly predictor: string;
  readonly method: string;
  readonly reliable: boolean;
  readonly history: number;
  /** Error against the last value's on the same steps, and share of values within the interval; null: too few steps. */
  readonly errorToNaive: number | null;
  readonly coverage: number | null;
  /** Units a step by which it grows: a line through the recent steps, where that says more than one jump; null: none. */
  readonly trend: number | null;
  /** What of the steps' forecasts is declared; absent: nothing. */
  readonly declared?: readonly number[];
  readonly steps: readonly {
    readonly targetMs: number;
    readonly mean: number;
    readonly lower: number;
    readonly upper: number;
  }[];
}
/** What came of one series. The distribution and the recent values are used within the stage only. */
export interface SeriesOutcome {
  readonly prediction: SeriesPrediction;
  readonly distribution: readonly { readonly probability: number; readonly values: readonly number[] }[];
  /** Of a source; that of a demand series is let go of. */
  readonly recent: readonly (number | null)[];
  readonly alarms: readonly TrackAlarm[];
  readonly changes: readonly TrackChange[];
  /** Whether the newest step was kept out of what is learned. */
  readonly outlying: boolean;
  readonly tuned: number;
  /** Whether it has begun to follow a leader, or tried other seasons, now: its state is worth keeping. */
  readonly turned: boolean;
}
