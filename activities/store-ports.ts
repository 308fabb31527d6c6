/** What the activities need from Postgres. Every write is idempotent: keyed by decision, stage, batch or request. */
import type { DataAsk, KnownAsk } from '../domain/decision/coordinate/ask.js';
import type { Circuits, Rests } from '../domain/decision/quality/circuit.js';
import type { ForeseenCost, ForeseenGain } from '../domain/decision/quality/correction-cost.js';
import type { CorrectionRecord, Routed } from '../domain/decision/quality/quality-inputs.js';
import type { NeedReference } from '../domain/decision/quality/reference.js';
import type { Outcome, Recorded, Trigger } from '../domain/decision/stages.js';
import type { DeclaredRun } from '../domain/decision/predict/declared-runs.js';
import type { ExpectedRequest, KnownRequest } from '../domain/decision/predict/expected-requests.js';
import type { NeedState as StandingNeed } from '../domain/decision/coordinate/need-states.js';
import type { DatasetFacts, WaitReason, WorkItem } from '../domain/decision/work.js';
import type { KeptProfile } from '../domain/quality/dataset-profile.js';
import type { StrategyState } from '../domain/quality/strategy.js';
import type { HistoryValue } from '../domain/quality/usual.js';
import type { PoolDefinition, PoolRef } from '../domain/types/pool.js';
import type { SliceAsk, SliceResult } from './ports.js';

/** Kinds of what a pool learns from its own running. */
export type LearnedKind = 'read-cost' | 'credits' | 'cache-clock' | 'release' | 'circuit' | 'patterns';

export interface DecisionRef extends PoolRef {
  readonly decisionId: string;
}

/** What a cycle was asked to do. */
export interface CycleAsked {
  readonly trigger: Trigger;
  /** Event time to decide for; null: the pool's clock (a replay clock advances, except for a `work` cycle). */
  readonly asOfMs: number | null;
  /** The run of a schedule that asked. */
  readonly slice?: SliceRef;
}
export interface SliceRef {
  readonly scheduleId: string;
  readonly nominalMs: number;
}
export interface OpenCycle extends DecisionRef, CycleAsked {
  readonly workflowId: string;
  readonly runId: string;
}
/** Immutable from the moment the decision is open. */
export interface CycleContext extends DecisionRef {
  readonly number: number;
  readonly trigger: Trigger;
  readonly asOfMs: number;
  readonly openedMs: number;
  readonly definition: PoolDefinition;
  readonly baseDir: string;
  readonly items: readonly WorkItem[];
  /** What is known of datasets with a stand-in, and which of them rest: `definition` has their stand-ins in their place. */
  readonly circuits: Circuits;
  readonly rests: Rests;
}
export interface CycleStore {
  /** Opens the decision and claims what is due, once; a second call changes nothing. */
  open(input: OpenCycle, nowMs: number, versions: Readonly<Record<string, string>>): Promise<void>;
  context(ref: DecisionRef): Promise<Omit<CycleContext, 'circuits' | 'rests'>>;
  /** Closes a decision that did not reach its end, or was never opened; claimed requests go back to pending, its needs are dropped. */
  abandon(
    ref: DecisionRef,
    outcome: 'failed' | 'cancelled',
    reason: string,
    nowMs: number,
    asked?: CycleAsked,
  ): Promise<ClosedDecision>;
  /** The decision of a schedule's run that is under way or ended well; null: it is still to be made. */
  decisionOf(pool: PoolRef, slice: SliceRef): Promise<string | null>;
}

export interface StageRecord {
  readonly stage: Recorded;
  readonly state: 'ok' | 'degraded' | 'failed';
  readonly inputs: unknown;
  readonly inputDigest: string;
  readonly outcome: unknown;
  readonly outcomeDigest: string;
  readonly reasons: readonly string[];
  readonly startedMs: number;
  readonly endedMs: number;
}
export interface StageStore {
  find(ref: DecisionRef, stage: Recorded): Promise<StageRecord | null>;
  save(ref: DecisionRef, record: StageRecord): Promise<void>;
}

/** A read as planned: everything but the dataset reference, which the pool's definition gives. */
export interface PlannedBatch {
  readonly batchId: string;
  readonly ordinal: number;
  readonly source: string;
  readonly dataset: string;
  readonly contentId: string | null;
  readonly asOfMs: number;
  readonly slices: readonly SliceAsk[];
  readonly predictedBytes: number;
  readonly predictedRows: number;
  readonly askedBytes: number;
  /** Set where nobody asked yet: the slices' ids are the questions that they answer. */
  readonly prefetch?: { readonly predictedRows: number };
  /** Foreseen at planning: how long it takes, how much memory it holds, when it starts (ms after the plan), what its slices would take one by one. */
  readonly predictedMs: number | null;
  readonly predictedMemoryBytes: number | null;
  readonly predictedStartMs: number | null;
  readonly aloneMs: number | null;
  /** When it has probably ended, within the limits of its source; absent in rows of older versions, and of reads ahead. */
  readonly foreseenEndMs?: number;
  /** Whether what it reads can still be cut for others when it ends. Absent: it cannot. */
  readonly joinable?: true;
}
export interface CacheHit {
  readonly shape: string;
  readonly asOfMs: number;
  readonly contentId: string;
  readonly slice: SliceResult;
}
/** A read beyond the plan, of a source with a quota. */
export interface QuotaCharge {
  readonly id: string;
  readonly source: string;
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly sinceMs: number;
  readonly nowMs: number;
}
export interface PlanStore {
  /** Newest cached result of each shape that is not older than asked (`minAsOfMs`) and not newer than `asOfMs`. */
  cached(
    ref: DecisionRef,
    asks: readonly { shape: string; minAsOfMs: number; contentId: string | null }[],
    asOfMs: number,
  ): Promise<readonly CacheHit[]>;
  /** Logical bytes of a source's reads that ended after `sinceMs`, or are planned and may still run. */
  bytesSince(ref: PoolRef, source: string, sinceMs: number): Promise<number>;
  /** Counts a read beyond the plan in the quota of its source before it begins: nothing, and not `taken`, where less is left of it. */
  takeQuota(ref: DecisionRef, asked: QuotaCharge): Promise<{ readonly taken: boolean; readonly left: number }>;
  /** Adds to what was counted for such a read what it took beyond it; less than 0 gives back. */
  settleQuota(ref: DecisionRef, read: Pick<QuotaCharge, 'id' | 'bytes' | 'nowMs'>): Promise<void>;
  /** What the pool has learned of one kind, by subject. */
  learned(ref: PoolRef, kind: LearnedKind): Promise<Readonly<Record<string, unknown>>>;
  /** Tokens of each limited resource at `nowMs`: refilled at `perSecond`, at most `burst`. Takes nothing. */
  tokens(ref: DecisionRef, limits: readonly BudgetLimit[], nowMs: number): Promise<Readonly<Record<string, number>>>;
  /** Stage record, batches, promises and budget charges in one transaction; nothing, and false, when the stage is already stored. */
  savePlan(
    ref: DecisionRef,
    record: StageRecord,
    batches: readonly PlannedBatch[],
    charges: readonly BudgetCharge[],
    nowMs: number,
    promises?: readonly RequestPromise[],
  ): Promise<boolean>;
}
/** A request that a decision expects; `read`: a result is read ahead for it. */
export interface RequestPromise extends Pick<
  ExpectedRequest,
  'shape' | 'model' | 'dataset' | 'fromMs' | 'untilMs' | 'probability' | 'basis' | 'resultRows'
> {
  readonly ask: AskedRequest['ask'];
  readonly asOfMs: number;
  readonly bytes: number;
  readonly read: boolean;
}
/** A question that a cycle answered. */
export interface AskedRequest {
  readonly shape: string;
  readonly model: string;
  readonly dataset: string;
  readonly ask: Pick<KnownRequest, 'fields' | 'where' | 'rows' | 'seed' | 'maxAgeMs'>;
  readonly resultRows: number;
  readonly resultBytes: number;
  /** Requests that asked it, and the event time of the cached result that answered them; null: it was read. */
  readonly times: number;
  readonly cachedAsOfMs: number | null;
}
export interface RecurrenceStore {
  /** Questions asked three times and more before `asOfMs`; at most `limit`, those first whose usual interval ends nearest to it. */
  known(ref: PoolRef, asOfMs: number, limit: number): Promise<readonly Omit<KnownRequest, 'source'>[]>;
  /** These questions, however often they were asked; those never seen are left out. */
  ofShapes(ref: PoolRef, asOfMs: number, shapes: readonly string[]): Promise<readonly Omit<KnownRequest, 'source'>[]>;
  /** Event time of the first cycle that knew each declared run as it is now, by its id; left out: none so far. */
  declaredSince(ref: PoolRef, runs: readonly DeclaredRun[]): Promise<Readonly<Record<string, number>>>;
}
export interface BudgetLimit {
  readonly resource: string;
  readonly perSecond: number;
  readonly burst: number;
}
export interface BudgetCharge extends BudgetLimit {
  readonly amount: number;
}

/** The part of a delivery's report that speaks of its file, and not of the cycle that handed it out. */
export interface FileReport {
  readonly corrections: readonly string[];
  readonly correction?: CorrectionRecord;
  readonly furtherCorrections?: readonly CorrectionRecord[];
  /** Where it came from, if not from what was read first. */
  readonly routed?: Routed;
  readonly classQuotas: Readonly<Record<string, number>> | null;
  readonly classWeights: Readonly<Record<string, number>> | null;
}
export interface NeedState {
  /** Event time up to which the need has been served. */
  readonly lastAsOfMs: number | null;
  readonly lastGood: {
    readonly slice: SliceResult;
    readonly asOfMs: number;
    readonly contentId: string;
    readonly verdict: 'pass' | 'degrade';
    readonly score: number;
    /** What was asked for then: a need may ask otherwise since. */
    readonly asked: Pick<WorkItem, 'dataset' | 'fields' | 'where'>;
    /** What its report says of its file: what was done about the data, and its draw by class. */
    readonly told: FileReport;
  } | null;
  /** Rows delivered ahead of need, still to be set off. */
  readonly aheadRows: number;
}
/** A corrective action on the slices of a dataset. */
export interface ActionOn {
  readonly dataset: string;
  readonly action: CorrectionRecord['action'];
}
export interface HistoryStore {
  /** State of standing needs from their earlier deliveries, by need id. */
  needs(ref: PoolRef, needIds: readonly string[], asOfMs: number): Promise<Readonly<Record<string, NeedState>>>;
  /** What the needs' models were trained on or last given in good order, by need id. */
  references(ref: PoolRef, needIds: readonly string[]): Promise<Readonly<Record<string, NeedReference>>>;
  /** Keeps declared references as they were looked at. */
  saveReferences(ref: PoolRef, references: Closing['references'], nowMs: number): Promise<void>;
  /** What is known of corrective actions. */
  strategy(ref: PoolRef): Promise<StrategyState>;
  /** What actions are foreseen to take from what the newest of them took, by `costKey`; one without a history is absent. */
  costs(ref: PoolRef, asked: readonly ActionOn[]): Promise<Readonly<Record<string, ForeseenCost>>>;
  /** What the actions are foreseen to bring, by `gainKey`: from the newest cases of each issue; what was never measured is absent. */
  gains(ref: PoolRef, asked: readonly ActionOn[]): Promise<Readonly<Record<string, ForeseenGain>>>;
  /** The last ask for data of each need, by need id. */
  asks(ref: PoolRef, needIds: readonly string[]): Promise<Readonly<Record<string, KnownAsk>>>;
  /** The newest `limit` values of each metric before `beforeMs`, oldest first, in the order asked. */
  metrics(
    ref: PoolRef,
    asks: readonly { readonly metric: string; readonly subject: string }[],
    beforeMs: number,
    limit: number,
  ): Promise<readonly (readonly HistoryValue[])[]>;
  /** What is kept of the newest profile of each dataset, by dataset id. */
  keptProfiles(ref: PoolRef, datasets: readonly string[]): Promise<Readonly<Record<string, KeptProfile>>>;
  /** What each dataset was when it was last looked at, until `asOfMs`; those that never were are left out. */
  lastFacts(ref: PoolRef, datasets: readonly string[], asOfMs: number): Promise<readonly DatasetFacts[]>;
  /** The profiles of dataset versions; `keep` takes the place of what was kept of an earlier time. */
  saveProfiles(
    ref: PoolRef,
    profiles: readonly {
      dataset: string;
      version: string;
      asOfMs: number;
      state: unknown;
      keep: KeptProfile | null;
    }[],
    nowMs: number,
  ): Promise<void>;
}

export interface NewDelivery {
  readonly id: string;
  readonly requestId: string;
  readonly model: string;
  readonly dataset: string;
  readonly needId: string | null;
  readonly slice: SliceResult;
  readonly chargedBytes: number;
  readonly contentId: string;
  readonly asOfMs: number;
  /** `rows: new`: event time up to which every row was handed out, else null. */
  readonly upToMs: number | null;
  readonly verdict: 'pass' | 'degrade';
  readonly score: number;
  readonly served: 'read' | 'merged' | 'cache' | 'last-good';
  readonly report: unknown;
}
export interface CacheEntry {
  readonly shape: string;
  readonly contentId: string;
  readonly asOfMs: number;
  readonly slice: SliceResult;
  /** Time that a read of its own would take. */
  readonly costMs: number;
}
/** What was done about one slice at fault. */
export interface NewCorrection extends Omit<CorrectionRecord, 'columns' | 'rules' | 'chosen'> {
  readonly requestId: string;
  /** Which of the corrections of one slice it is, from 0. */
  readonly step: number;
  readonly needId: string | null;
  readonly dataset: string;
}
export interface Closing {
  readonly record: StageRecord;
  readonly outcome: Outcome;
  readonly risk: 'low' | 'medium' | 'high';
  readonly summary: string;
  readonly reasons: readonly string[];
  readonly impact: unknown;
  readonly digest: string;
  readonly deliveries: readonly NewDelivery[];
  readonly ended: readonly {
    requestId: string;
    state: 'refused' | 'quarantined' | 'expired';
    reason: string;
    type: string;
    hint?: string;
    resource?: string;
    shortfall?: number;
    blockers?: readonly string[];
  }[];
  readonly waiting: readonly WaitReason[];
  readonly cache: readonly CacheEntry[];
  /** Cached results that were found to be no good. */
  readonly spoiled: readonly Pick<CacheEntry, 'shape' | 'contentId' | 'asOfMs'>[];
  /** Questions that were answered at this event time; absent: a slice of the past teaches nothing. */
  readonly learned?: { readonly asOfMs: number; readonly asked: readonly AskedRequest[] };
  /** Standing needs whose state this cycle changes. */
  readonly needs: readonly StandingNeed[];
  readonly settle: readonly BudgetCharge[];
  /** New balances between models, by `model@source`. */
  readonly credits: Readonly<Record<string, number>>;
  readonly metrics: readonly { metric: string; subject: string; atMs: number; value: number }[];
  /** References that this decision's deliveries make, by need. */
  readonly references: readonly { readonly needId: string; readonly reference: NeedReference }[];
  /** What is known of corrective actions now; null: nothing new. */
  readonly strategy: StrategyState | null;
  readonly corrections: readonly NewCorrection[];
  /** Circuits that this decision changes, by dataset. */
  readonly circuits: Circuits;
  /** Messages to owners of datasets, each with the id of the need's row in this cycle. */
  readonly asks: readonly (DataAsk & { readonly requestId: string })[];
  readonly leaseUntilMs: number;
}
export interface ClosedDecision {
  readonly outcome: Outcome;
  readonly summary: string;
}
export interface CloseStore {
  /** One transaction: deliveries, request states, outbox, cache index, metrics, and the decision itself. Idempotent. */
  close(ref: DecisionRef, closing: Closing, nowMs: number): Promise<ClosedDecision>;
  /** How a decision ended, or null while it is open or not there yet. */
  closed(ref: DecisionRef): Promise<ClosedDecision | null>;
}
