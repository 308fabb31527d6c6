/** What the batch stage decides from. */
import type { Surge } from '../predict/demand-anomalies.js';
import type { ExpectedRequest } from '../predict/expected-requests.js';
import type { SeriesPrediction } from '../predict/series-outcome.js';
import type { SizeModelState } from '../../batch/size-model.js';
import type { DayWindow } from '../../types/units.js';
import type { ReadLimits } from './read-cost.js';
import type { ReadUnderWay } from './planned-slice.js';
import type { DatasetFacts, ItemFacts, WorkItem } from '../work.js';

/** A limited resource: what this cycle may take of it, and how it refills. */
export interface ResourceLimit {
  /** `bytes:SOURCE`, `rows:SOURCE`, `quota:SOURCE` (bytes in a period), or the name of a pool resource. */
  readonly resource: string;
  /** Source that it belongs to; null: a resource of the whole pool, available anew in each cycle. */
  readonly source: string | null;
  readonly available: number;
  /** Refill in units a second; 0 for pool resources. */
  readonly perSecond: number;
  /** The most that one cycle can take. */
  readonly burst: number;
}
export interface BatchInputs {
  readonly nowMs: number;
  readonly asOfMs: number;
  readonly windowMs: number;
  /** Windows in one step of the demand series: what a source can give in a step. 1 for a replay clock, whose step is one cycle. */
  readonly windowsPerStep: number;
  readonly items: readonly WorkItem[];
  /** Items that analyze refused. */
  readonly refused: readonly string[];
  readonly datasets: readonly DatasetFacts[];
  readonly facts: readonly ItemFacts[];
  readonly models: Readonly<Record<string, ModelRules>>;
  /** Absent: none are declared. */
  readonly cohorts?: readonly CohortRules[];
  readonly limits: readonly ResourceLimit[];
  /** Whether what can wait is put off to hours of lower load. Absent in records of older versions: it was not. */
  readonly levelled?: boolean;
  /** Whether the outcome names the forecasts that it rests on. Absent in records of older versions: it does not. */
  readonly namesForecasts?: true;
  /** Attempts of each request so far, this one included. */
  readonly attempts: Readonly<Record<string, number>>;
  /** Rows that an earlier decision already delivered ahead, by item. */
  readonly aheadRows: Readonly<Record<string, number>>;
  /** Items that a cached result answers, or a read that an earlier cycle was charged for. */
  readonly hits: readonly string[];
  /** Reads of earlier cycles that have not ended. Absent: there are none. */
  readonly underWay?: readonly ReadUnderWay[];
  /** Criticality from analyze, 0 to 1, by item. */
  readonly criticality: Readonly<Record<string, number>>;
  readonly predictions: readonly SeriesPrediction[];
  /** Demand beyond all expectation. */
  readonly surges: readonly Surge[];
  /** Requests that are likely to come: they may be read ahead. */
  readonly expected: readonly ExpectedRequest[];
  /** Questions (digests) that this cycle reads anyway. */
  readonly readingShapes: readonly string[];
  /** The most that one cycle reads ahead, in bytes. */
  readonly prefetchBytesMax: number;
  /** Shares of the classes that analyze wants resampled, by item. */
  readonly resample: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /**
   * What each model is owed on each source (`model@source`), in full buckets by weight; negative for who had more than its
   * share while others went short. Karma credits (Vuppalapati et al., OSDI 2023).
   */
  readonly credits: Readonly<Record<string, number>>;
  readonly sources: Readonly<Record<string, SourceRules>>;
  /** Datasets that are read alone. */
  readonly exclusive: readonly string[];
  /** What reads took so far, by dataset. */
  readonly readCosts: Readonly<Record<string, SizeModelState>>;
  /** Whether samples of equal rows share a counted read only where that takes no more. Absent in records of older versions: always. */
  readonly weighsSamples?: boolean;
  readonly readLimits: ReadLimits;
  /** How long the cycle waits for its reads. Absent in records of older versions: to their end. */
  readonly readWaitMs?: number;
}

/** How a model shares. */
export interface ModelRules {
  readonly weight: number;
  readonly priority: number;
  /** Absent: it is a member of the pool itself. */
  readonly cohort?: string;
}

/** A cohort as it is declared, in parts of each limit: a guarantee of half a source's bytes is half of what is in its bucket. */
export interface CohortRules {
  readonly id: string;
  readonly parent: string | null;
  readonly weight: number;
  readonly nominal: Readonly<Record<string, number>>;
  readonly lendingLimit: Readonly<Record<string, number>>;
  readonly borrowingLimit: Readonly<Record<string, number>>;
}

/** How a source may be read. */
export interface SourceRules {
  readonly scansAtOnce: number;
  /** Times of day at which it is open; null: always. */
  readonly windows: readonly DayWindow[] | null;
}
