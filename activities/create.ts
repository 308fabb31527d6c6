/** The activities: each loads what its stage needs, calls one area of `domain/`, and stores what came out. */
import type { Analyzer } from '../domain/analyzers/analyzer.js';
import type {
  BatchStore,
  CloseStore,
  CycleContext,
  CycleStore,
  DecisionRef,
  HistoryStore,
  PlanStore,
  RequestGate,
  SeriesStore,
  StageStore,
} from './store-ports.js';
import type { DataPlane, CacheFiles } from './ports.js';
import { createAnalyze } from './analyze.js';
import { createBatch } from './batch.js';
import { createCoordinate } from './coordinate.js';
import { createContexts } from './stage.js';
import { withTypedFailures } from './failure.js';
import { createOpen } from './open.js';
import { createPredict } from './predict.js';
import { createQualityCheck } from './quality-check.js';
import { createReadBatch } from './read-batch.js';
import { createTrigger, type LoopGateway } from './trigger.js';

/** A source's slots for concurrent reads, held across workers. */
export interface ScanSlots {
  /** Runs `read` while holding one of `slots` slots of the source. */
  hold<T>(source: string, slots: number, read: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface ActivityDependencies {
  readonly now: () => number;
  readonly versions: Readonly<Record<string, string>>;
  readonly analyzers: readonly Analyzer[];
  readonly data: DataPlane;
  readonly cacheFiles: CacheFiles;
  readonly scanSlots: ScanSlots;
  readonly cycles: CycleStore;
  readonly stages: StageStore;
  readonly plans: PlanStore;
  readonly batches: BatchStore;
  readonly series: SeriesStore;
  readonly history: HistoryStore;
  readonly closing: CloseStore;
  readonly requests: RequestGate;
  readonly loops: LoopGateway;
}

/** The dependencies, with the contexts of running cycles kept between their stages. */
export interface StageDependencies extends ActivityDependencies {
  readonly contextOf: (ref: DecisionRef) => Promise<CycleContext>;
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
}
export function createActivities(dependencies: ActivityDependencies) {
  const deps: StageDependencies = { ...dependencies, contextOf: createContexts(dependencies) };
  return withTypedFailures({
    ...createOpen(deps),
    ...createAnalyze(deps),
    ...createPredict(deps),
    ...createBatch(deps),
    ...createReadBatch(deps),
    ...createQualityCheck(deps),
    ...createCoordinate(deps),
    ...createTrigger(deps),
  });
}
export type Activities = ReturnType<typeof createActivities>;
