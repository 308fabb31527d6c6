/** What the stages of one cycle read and write: plain JSON, stored with the decision so that it can be replayed. */
import type { SegmentCell } from '../analyzers/analyzer.js';
import type { FileAction } from '../quality/correction.js';
import type { Condition, Predicate } from '../types/predicate.js';
import type { GangRef } from '../types/request.js';

export type { GangRef };

/** Event times that one cycle hands out for a need with `rows: new`: after `fromMs`, up to and with `toMs`. */
export interface ArrivalWindow {
  /** The dataset's event time. */
  readonly column: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** The window before it, as it was handed out: what has come into it since then came too late. */
  readonly before: { readonly fromMs: number; readonly rows: number } | null;
  /** Rows of it that earlier cycles asked for and did not hand out; absent: none. */
  readonly askedRows?: number;
}

/** Rows with an event time up to and with this instant. */
export function arrivedUpTo(column: string, ms: number): Condition {
  return { column, op: '<=', value: new Date(ms).toISOString() };
}
/** Rows with an event time after this instant. */
export function arrivedAfter(column: string, ms: number): Condition {
  return { column, op: '>', value: new Date(ms).toISOString() };
}

/** The conditions that a window adds to those of its need: the last of an item's `where`. */
export function windowConditions({ column, fromMs, toMs }: ArrivalWindow): Predicate {
  return [arrivedAfter(column, fromMs), arrivedUpTo(column, toMs)];
}
/** What a need with a window asks in every one of them. */
export function standingWhere({ where, window }: Pick<WorkItem, 'where' | 'window'>): Predicate {
  return window == null ? where : where.slice(0, -windowConditions(window).length);
}
/** What a need asks in every window, as one text: counts of different questions say nothing about each other. */
export function standingQuestion(dataset: string, where: Predicate): string {
  const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1);
  return JSON.stringify([dataset, where.map((condition) => Object.entries(condition).sort(byKey))]);
}

/** Told in the report, degraded, or kept back with the last good delivery in its place. */
export type OnDrift = 'pass' | 'degrade' | 'hold';

/** One thing asked for in this cycle: a one-off request, or a standing need that is due. */
export interface WorkItem {
  readonly id: string;
  readonly kind: 'request' | 'need';
  /** `model/need` for a need, else null. */
  readonly needId: string | null;
  readonly model: string;
  readonly dataset: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  /** Rows wanted; null: all that match. */
  readonly rows: number | null;
  readonly seed: number;
  readonly maxAgeMs: number | null;
  readonly deadlineMs: number | null;
  /** What the cycle before this one said it waited for; absent where none did, and of items without a deadline. */
  readonly waited?: string;
  /** 1 (urgent) to 5. */
  readonly priority: number;
  /** Pinned dataset version, or null for the newest. */
  readonly datasetVersion: string | null;
  readonly createdMs: number;
  /** The read of an earlier cycle that is, or was, made for it and outlasted that cycle; absent: there is none. */
  readonly readId?: string;
  /** Cycles that looked at it, this one included. */
  readonly attempts: number;
  readonly classColumn: string | null;
  readonly target: 'uniform' | Readonly<Record<string, number>> | null;
  readonly maxClassGap: number;
  readonly minCompleteness: number | null;
  readonly minRows: number;
  readonly critical: number;
  readonly resources: Readonly<Record<string, number>>;
  /** Needs (`model/need`) that must be good in this cycle first. */
  readonly after: readonly string[];
  /** Of requests that are served together or not at all; absent: it stands alone. */
  readonly gang?: GangRef;
  /** `rows: new`: which event times it stands for; absent or null otherwise. */
  readonly window?: ArrivalWindow | null;
  /** Rows that scarcity kept back in earlier cycles, asked for on top of `rows`; absent: none. */
  readonly owedRows?: number;
  /** Columns whose segments must have rows enough; absent: none are declared. */
  readonly segments?: readonly string[];
  /** Rows of each segment that a draw takes first. Absent in records of older versions: segments steered no draw. */
  readonly segmentRows?: number;
  /** What drift from its reference does to a delivery. Absent in records of older versions: it was not looked for. */
  readonly onDrift?: OnDrift;
  /** Declared: the dataset that holds what the model was trained on, and whether its class mix is the target. */
  readonly reference?: { readonly dataset: string; readonly isTarget: boolean };
  /** What may be done with a delivery that is at fault. Absent in records of older versions: nothing. */
  readonly corrections?: readonly FileAction[];
}

/** The dataset facts that stages after `analyze` need. */
export interface DatasetFacts {
  readonly id: string;
  readonly source: string;
  readonly contentId: string;
  readonly version: string;
  readonly rows: number;
  readonly newestEventMs: number | null;
  /** Mean logical bytes of one value, by column. */
  readonly bytesPerValue: Readonly<Record<string, number>>;
  readonly completeness: Readonly<Record<string, number>>;
}

/** What matches one work item now. `exact` is false where only a bound is known (very many distinct predicates). */
export interface ItemFacts {
  readonly itemId: string;
  readonly rows: number;
  readonly exact: boolean;
  readonly classCounts: Readonly<Record<string, number>> | null;
  readonly completeness: Readonly<Record<string, number>>;
  readonly newestEventMs: number | null;
  /** `rows: new` on a limited source: how many of the oldest rows can be handed out without the rest. */
  readonly cuts?: readonly ArrivalCut[];
  /** `rows: new`: rows that came into the window before after it had been handed out. */
  readonly lateRows?: number;
  /** Rows by segment, where the item declares segments; null: too many to list. */
  readonly segments?: readonly SegmentCell[] | null;
  /** `rows: new`: rows that match but have no event time that can be read, and so are in no window. */
  readonly untimedRows?: number;
}
/** Rows of a window with an event time up to and with `upToMs`. */
export interface ArrivalCut {
  readonly upToMs: number;
  readonly rows: number;
}

/** Why something was not done, in a form that people and programs can read. */
export interface Refusal {
  readonly itemId: string;
  /** Stable name: UnknownDataset, UnknownColumn, RestrictedField, DeadlinePassed, VersionGone, SourceFailed, … */
  readonly type: string;
  readonly reason: string;
  /** What to change: waiting alone will not do. */
  readonly hint?: string;
  /** What it failed on: `deadline`, `dataset:ID`, `column:DATASET.COLUMN`, `version:DATASET`, `fields`, `gang:NAME`, or a limit. Absent in records of older versions. */
  readonly resource?: string;
  /** By how much: milliseconds of a deadline, columns, or amounts of a limit; absent where nothing is counted. */
  readonly shortfall?: number;
  /** Items or needs on whose account it was refused; absent: none. */
  readonly blockers?: readonly string[];
  /**
   * When it can be served at the earliest: null is never, unless what the hint says is done. Absent: as a standing need it
   * is looked at again in the next cycle; and until it is coordinated, and in records of older versions.
   */
  readonly earliestMs?: null;
}

/** A tiered reason for waiting: misconfigured / over quota / waiting / paused. */
export interface WaitReason {
  readonly itemId: string;
  readonly tier: 'misconfigured' | 'over-quota' | 'waiting' | 'paused';
  readonly resource: string | null;
  /** The cohort whose limit of it that is; absent: the pool's. */
  readonly cohort?: string | undefined;
  /** Items or models that hold what is missing. */
  readonly blockers: readonly string[];
  /** How much of the resource is missing. */
  readonly shortfall: number;
  /** All that is missing, by resource; absent where nothing is counted. */
  readonly short?: Readonly<Record<string, number>>;
  readonly earliestMs: number;
  readonly reason: string;
  /** What to change, where waiting alone will not do. */
  readonly hint?: string;
  /** What its place in the queue is made of; absent where no queue decided. */
  readonly terms?: Readonly<Record<string, number>>;
}
