/** Names and types that callers of the workflows share with them: queue, ids, signals, queries, updates. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import type { Outcome, Trigger } from '../domain/decision/stages.js';

export const TASK_QUEUE = 'balance';

/** A pool, as workflows and activities name it. */
export interface PoolInput {
  readonly tenant: string;
  readonly pool: string;
}
export function loopWorkflowId(pool: PoolInput): string {
  return `balance-loop/${pool.tenant}/${pool.pool}`;
}
export function cycleWorkflowId(pool: PoolInput, decisionId: string): string {
  return `balance-cycle/${pool.tenant}/${pool.pool}/${decisionId}`;
}

export function backfillWorkflowId(pool: PoolInput, scheduleId: string): string {
  return `balance-backfill/${pool.tenant}/${pool.pool}/${scheduleId}`;
}
/** Id of a schedule's runs; Temporal appends the nominal time. */
export function triggerWorkflowId(pool: PoolInput, scheduleId: string): string {
  return `balance-trigger/${pool.tenant}/${pool.pool}/${scheduleId}`;
}
/** Id of one run, spelt as Temporal spells it: a slice is the same run, whoever starts it. */
export function sliceWorkflowId(pool: PoolInput, scheduleId: string, nominalMs: number): string {
  return `${triggerWorkflowId(pool, scheduleId)}-${new Date(nominalMs).toISOString().slice(0, 19)}Z`;
}

/** A run of a schedule, by its nominal time. */
export interface Slice {
  readonly scheduleId: string;
  readonly nominalMs: number;
}

/** One accepted call of `balanceNow`, waiting for its cycle. */
export interface QueuedCycle {
  readonly decisionId: string;
  readonly trigger: Trigger;
  /** Event time to decide for; null: the pool's clock. */
  readonly asOfMs: number | null;
  readonly slice?: Slice;
}

/** All the state of a loop: carried through continue-as-new, plain JSON. */
export interface LoopInput extends PoolInput {
  readonly paused?: boolean;
  readonly pauseReason?: string | null;
  readonly queue?: readonly QueuedCycle[];
  readonly workWaits?: boolean;
  readonly cycles?: number;
  readonly last?: LoopState['last'];
}
export interface LoopState {
  readonly paused: boolean;
  readonly pauseReason: string | null;
  readonly running: QueuedCycle | null;
  readonly queued: readonly QueuedCycle[];
  readonly workWaits: boolean;
  /** Why requests that wait are held a little longer, and until when; null: none are. */
  readonly held: string | null;
  /** Cycles run since the loop began. */
  readonly cycles: number;
  readonly last: { readonly decisionId: string; readonly outcome: Outcome; readonly summary: string } | null;
}

/** There is work in Postgres. Carries nothing: any number of these is one. */
export const workWaitsSignal = defineSignal('workWaits');
export const pauseSignal = defineSignal<[reason?: string]>('pause');
export const resumeSignal = defineSignal('resume');
export const stateQuery = defineQuery<LoopState>('state');

export interface BalanceNowInput {
  readonly trigger: Exclude<Trigger, 'work'>;
  readonly asOfMs: number | null;
  /** The run of a schedule that asks. */
  readonly slice?: Slice;
}
export interface BalanceNowResult {
  readonly decisionId: string;
  readonly cycleWorkflowId: string;
}
export const balanceNowUpdate = defineUpdate<BalanceNowResult, [BalanceNowInput]>('balanceNow');

export interface CycleInput extends PoolInput, QueuedCycle {
  /** Digest of the reasons why it began when it did, which are kept in Postgres; absent: somebody asked for it. */
  readonly released?: string;
}
/** A decision, as the stages take it. */
export interface DecisionInput extends PoolInput {
  readonly decisionId: string;
}
export interface CycleResult {
  readonly decisionId: string;
  readonly outcome: Outcome;
  readonly summary: string;
}
export interface BatchInput extends DecisionInput {
  readonly batchId: string;
  /** Name of the dataset, for the Web UI. */
  readonly dataset: string;
  readonly requests: number;
  /** Model whose priority and fairness the read carries; null: several, the pool's are used. */
  readonly model: { readonly id: string; readonly priority: number; readonly weight: number } | null;
  /** Nobody waits for it: everything else goes first. */
  readonly ahead?: boolean;
  /** Its cycle may go on without it: who it is made for is then served by a further one, which its end calls for. */
  readonly mayOutlast?: boolean;
  /** How long the limits of their sources make the reads of its plan take (ms): it may wait for any of them. */
  readonly pacedMs?: number;
}
export interface TriggerInput extends PoolInput {
  readonly scheduleId: string;
  /** A nominal time further back than this is a backfill slice, not a late run. */
  readonly catchupWindowMs: number;
  /** Nominal time of a slice that is backfilled; absent: the schedule started it, and Temporal says for which time. */
  readonly asOfMs?: number;
}
export interface TriggerResult extends CycleResult {
  /** The slice had been decided before. */
  readonly known?: boolean;
}

export interface BackfillInput extends PoolInput {
  readonly scheduleId: string;
  /** Nominal times still to do, in order. */
  readonly slices: readonly number[];
  readonly state?: BackfillState;
}
export interface BackfillState {
  readonly total: number;
  /** Slices that were run, that had been run before, and that failed. */
  readonly done: number;
  readonly known: number;
  readonly failed: number;
  readonly failures: readonly { readonly nominalMs: number; readonly reason: string }[];
  readonly running: number | null;
}
export const backfillQuery = defineQuery<BackfillState>('backfill');

/** Search attributes: what a person filters by in the Temporal Web UI. */
export const searchAttributes = {
  pool: defineSearchAttributeKey('BalancePool', SearchAttributeType.KEYWORD),
  models: defineSearchAttributeKey('BalanceModels', SearchAttributeType.KEYWORD_LIST),
  stage: defineSearchAttributeKey('BalanceStage', SearchAttributeType.KEYWORD),
  outcome: defineSearchAttributeKey('BalanceOutcome', SearchAttributeType.KEYWORD),
};
