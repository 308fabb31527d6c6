/** What the activities need from Postgres of planned reads: what comes of them, for their cycle and beyond it. */
import type { LateRequest } from '../domain/decision/batch/joining.js';
import type { ReadUnderWay } from '../domain/decision/batch/under-way.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { MergedReadResult } from './ports.js';
import type { BudgetCharge, CacheEntry, DecisionRef, PlannedBatch } from './store-ports.js';

/** What a read leaves for whoever asks next, and what it settles by itself. */
export interface ReadEnd {
  readonly cache: readonly CacheEntry[];
  readonly settle: readonly BudgetCharge[];
}

/** A read for somebody ends for its cycle; one that outlasted it, by itself. */
export interface ReadEnds {
  /** Of a read ahead everything, of any other what was cut for those who joined it. */
  readonly always?: ReadEnd;
  readonly outlasted?: ReadEnd;
}
export interface Ended {
  /** Whether its cycle had gone on without it: those it was made for wait for a further cycle. */
  readonly outlasted: boolean;
}

export interface BatchStore {
  /** Requests of a dataset that no cycle has taken yet and for which no read is made, oldest first, at most so many. */
  late(ref: PoolRef, dataset: string, most: number): Promise<readonly LateRequest[]>;
  find(ref: DecisionRef, batchId: string): Promise<{ plan: PlannedBatch; state: 'planned' | 'done' | 'failed' } | null>;
  /**
   * Keeps the result and teaches the model of the dataset's reads, once however often it is called. What `ends` says enters the
   * cache's index and settles the budget at once. Those that wait for a read which outlasted its cycle are due now.
   * `readFrom`: the stand-in that was read instead.
   */
  done(
    ref: DecisionRef,
    batchId: string,
    result: MergedReadResult & { readonly failures: readonly SliceFailure[] },
    actualMs: number,
    nowMs: number,
    ends: ReadEnds,
    readFrom?: string,
  ): Promise<Ended>;
  fail(ref: DecisionRef, batchId: string, reason: string, nowMs: number, ends: ReadEnds): Promise<Ended>;
  /** Whether anybody may still get what the read gives. */
  wanted(ref: DecisionRef, batchId: string): Promise<boolean>;
  /**
   * The cycle goes on without those of its reads that have not ended: those that run go on by themselves, and are linked with
   * the requests that they are made for; those that have not begun never will. A second call changes nothing.
   */
  leave(ref: DecisionRef, left: LeftReads, nowMs: number): Promise<void>;
  /** The pool's reads that outlasted their cycles and have not ended, the oldest first. */
  underWay(ref: PoolRef): Promise<readonly ReadUnderWay[]>;
  /** What came of these reads, of whichever decisions; those that have not ended are left out. */
  ended(ref: PoolRef, batchIds: readonly string[]): Promise<readonly BatchOutcome[]>;
  /** The decision's reads for those who asked, with what came of them. */
  all(ref: DecisionRef): Promise<readonly BatchOutcome[]>;
}
/** The reads that a cycle goes on without. */
export type LeftReads = Readonly<Record<'running' | 'notBegun', readonly string[]>>;
export interface SliceFailure {
  readonly id: string;
  readonly type: string;
  readonly reason: string;
}
export interface BatchOutcome {
  readonly plan: PlannedBatch;
  readonly result: (MergedReadResult & { readonly failures: readonly SliceFailure[] }) | null;
  readonly error: string | null;
  /** When its cycle went on without it; null: it did not. */
  readonly outlastedMs: number | null;
}
