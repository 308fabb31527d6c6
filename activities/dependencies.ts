/** What activities are made of, and what they tell the workflows. */
import type { Analyzer } from '../domain/analyzers/analyzer.js';
import type { Predictor } from '../domain/prediction/predictor.js';
import type { Trigger } from '../domain/decision/stages.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { CacheFiles, DataPlane, SliceFiles } from './ports.js';
import type { RequestGate } from './release-ports.js';
import type { SeriesStore } from './series-ports.js';
import type { BatchStore } from './batch-ports.js';
import type {
  BudgetCharge,
  CloseStore,
  CycleContext,
  CycleStore,
  DecisionRef,
  HistoryStore,
  PlanStore,
  RecurrenceStore,
  SliceRef,
  StageStore,
} from './store-ports.js';

/** The way to a pool's loop: starts it when it does not run. */
export interface LoopGateway {
  /** The same `callId` is the same call, however often it is sent: a retry does not ask for a second cycle. */
  balanceNow(
    pool: PoolRef,
    input: { trigger: Exclude<Trigger, 'work'>; asOfMs: number | null; slice?: SliceRef },
    callId: string,
  ): Promise<{ decisionId: string }>;
}

/** A source's slots for concurrent reads, held across workers. */
export interface ScanSlots {
  /** Runs `read` while holding one of `slots` slots of the source. */
  hold<T>(source: string, slots: number, read: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** What may leave a source at every instant, held across workers. */
export interface Pace {
  /** Waits until all of the charges may be taken, and takes them. Gives the time of that (ms), or null when nothing is charged. */
  take(ref: PoolRef, charges: readonly BudgetCharge[], signal: AbortSignal): Promise<number | null>;
  /** Takes what a read took beyond its charge; gives back, with negative amounts, what it did not take. */
  settle(ref: PoolRef, charges: readonly BudgetCharge[]): Promise<void>;
}

export interface ActivityDependencies {
  readonly now: () => number;
  readonly versions: Readonly<Record<string, string>>;
  readonly analyzers: readonly Analyzer[];
  readonly predictors: readonly Predictor[];
  readonly data: DataPlane;
  readonly cacheFiles: CacheFiles;
  readonly sliceFiles: SliceFiles;
  readonly scanSlots: ScanSlots;
  readonly pace: Pace;
  readonly cycles: CycleStore;
  readonly stages: StageStore;
  readonly plans: PlanStore;
  readonly batches: BatchStore;
  readonly series: SeriesStore;
  readonly recurrences: RecurrenceStore;
  readonly history: HistoryStore;
  readonly closing: CloseStore;
  readonly requests: RequestGate;
  readonly loops: LoopGateway;
}

/** The dependencies, with the contexts of running cycles kept between their stages. */
export interface StageDependencies extends ActivityDependencies {
  readonly contextOf: (ref: DecisionRef) => Promise<CycleContext>;
}

/** Whether a cycle is to begin for what waits; if not, when to ask again (ms from now; null: when something comes). */
export interface ReleaseAnswer {
  readonly due: boolean;
  readonly againMs: number | null;
  /** Why what waits is held, and until when. */
  readonly held?: string;
  /** Digest of the kept reasons why it is due. */
  readonly released?: string;
}
/** What a stage tells the workflow: a sentence for the Web UI. Rows stay in Postgres. */
export interface StageSummary {
  readonly summary: string;
}
/** One planned read, as the workflow schedules it. */
export interface BatchRef {
  readonly batchId: string;
  readonly dataset: string;
  readonly requests: number;
  readonly model: { readonly id: string; readonly priority: number; readonly weight: number } | null;
  /** Reads that must end before it; absent: none. */
  readonly after?: readonly string[];
  /** The cycle goes on without it where it takes long; absent: the cycle waits for its end. */
  readonly mayOutlast?: true;
  /** It is foreseen to take longer than a cycle waits: it is not waited for at all. */
  readonly long?: true;
}
/** A read of an earlier cycle that should be running. */
export interface UnderWayRef extends BatchRef {
  readonly decisionId: string;
  /** How long the limits of its source make it take (ms). */
  readonly pacedMs: number;
}
/** What the workflow schedules: the reads that somebody waits for, and those ahead of being asked, where there are some. */
export interface BatchAnswer extends StageSummary {
  readonly batches: readonly BatchRef[];
  readonly prefetches?: readonly BatchRef[];
  /** How long the limits of their sources make the reads take, at least (ms); absent: they are not limited. */
  readonly pacedMs?: number;
  /** How long the cycle waits for reads that may outlast it (ms); absent: for every read to its end. */
  readonly waitMs?: number;
  /** How many reads that are not waited for at all may begin; absent: none. */
  readonly longLanes?: number;
  /** Reads that outlasted earlier cycles and have not ended when they should have: one that does not run is begun again. */
  readonly overdue?: readonly UnderWayRef[];
}
