/**
 * What the activities need from the world: small interfaces, implemented by `interfaces/data` (sources and
 * shared cache) and `db` (stores), handed in by `workers/compose`. Units: rows, bytes, milliseconds since 1970.
 */
import type { PlannedSlice } from '../domain/decision/batch/reads.js';
import type { SliceMetrics } from '../domain/decision/quality/quality-inputs.js';
import type { SegmentCell } from '../domain/analyzers/analyzer.js';
import type { DatasetDefinition, PoolRef, SourceDefinition } from '../domain/types/pool.js';
import type { Correction } from '../domain/quality/correction.js';
import type { DatasetProfile, KeptProfile } from '../domain/quality/dataset-profile.js';
import type { Recount, Sample } from '../domain/quality/sample.js';
import type { Predicate } from '../domain/types/predicate.js';

/** A dataset with the source that it is read from. */
export interface DatasetRef extends PoolRef {
  readonly id: string;
  readonly definition: DatasetDefinition;
  readonly sourceId: string;
  readonly source: SourceDefinition;
}

/** A column as the source reports it. `kind` is what predicates and profiles care about. */
export interface ColumnState {
  readonly name: string;
  /** The engine's own name of the type, for people. */
  readonly type: string;
  readonly kind: 'number' | 'string' | 'boolean' | 'time' | 'other';
  /** Mean logical width of one value in bytes: 8 for numbers and times, 1 for booleans, the mean text length else. */
  readonly bytesPerValue: number;
  /** Non-null values / rows, as of the time asked; 1 for an empty dataset. */
  readonly completeness: number;
}

/** A dataset as of a time: rows with an event time after `asOfMs` have not arrived yet. */
export interface DatasetState {
  /** Digest of the content (files) or of the rows (tables): the same content has the same id. */
  readonly contentId: string;
  /** `contentId@newestEventMs`, or the content id alone without an event time. What a request may pin. */
  readonly version: string;
  readonly rows: number;
  readonly oldestEventMs: number | null;
  readonly newestEventMs: number | null;
  readonly columns: readonly ColumnState[];
}

/** One question to a dataset: how many rows match, of which classes, how new, how complete. */
export interface MeasureAsk {
  readonly id: string;
  readonly where: Predicate;
  readonly fields: readonly string[];
  readonly classColumn: string | null;
  /** Also say at which event times its rows can be parted. Needs an event time. */
  readonly cuts?: boolean;
  /** Also count its rows by the values of these columns. */
  readonly segments?: readonly string[];
  /** Count only rows without an event time that can be read: NULL, or a text that is no time. Needs an event time. */
  readonly untimed?: boolean;
}
export interface MeasureAnswer {
  readonly id: string;
  readonly rows: number;
  /** Rows by class (text form; NULL is left out), at most 1,000 classes, the largest first; null without a class column. */
  readonly classCounts: Readonly<Record<string, number>> | null;
  readonly completeness: Readonly<Record<string, number>>;
  readonly newestEventMs: number | null;
  /** Rows by their values of the asked columns, in the order asked; rows that lack one are left out. Null: too many to list. */
  readonly segments?: readonly SegmentCell[] | null;
  /** Rows up to and with some of the event times that occur, ascending; each has at most 4 % more rows than the one before, or one event time more. */
  readonly cuts?: readonly { readonly upToMs: number; readonly rows: number }[];
}

/** A profile to make: of which columns, from what is kept of the dataset. */
export interface ProfileAsk {
  /** Each once; they exist. */
  readonly columns: readonly string[];
  /** How long after its event time a row may still become visible. */
  readonly latenessMs: number;
  readonly kept: KeptProfile | null;
  /** The dataset as it was described a moment ago: if what is kept is of that, nothing is opened. */
  readonly described?: DatasetState;
}
export interface ProfileAnswer {
  readonly profile: DatasetProfile;
  /** What to keep for the next version; null: what is kept stays. */
  readonly keep: KeptProfile | null;
}

/** What one requester gets out of a merged read. */
export type SliceAsk = PlannedSlice;

/** One physical read of one dataset that serves all its slices. The rows read are those that at least one slice may use. */
export interface MergedRead {
  readonly id: string;
  readonly dataset: DatasetRef;
  readonly asOfMs: number;
  /** Refuse (error type `VersionGone`) when the content is no longer this; null: whatever is there. */
  readonly contentId: string | null;
  readonly slices: readonly SliceAsk[];
}

/** A slice that now lies in the shared cache, with what the quality gate wants to know of it. */
export interface SliceResult extends SliceMetrics {
  readonly id: string;
  /** Path relative to the cache root. */
  readonly path: string;
  /** Logical bytes (sum of value widths), what limits are counted in. */
  readonly bytes: number;
  readonly fileBytes: number;
  /** Digest of the contract that it was counted under (`contractDigest`); absent in records of older versions. */
  readonly contract?: string;
}

export interface MergedReadResult {
  readonly id: string;
  readonly contentId: string;
  /** Rows and logical bytes of the union of all slices: each row is counted once, however many slices it serves. */
  readonly rowsRead: number;
  readonly bytesRead: number;
  /** Memory that the engine held more at its end than at its start; absent where it was not measured. */
  readonly memoryBytes?: number;
  readonly slices: readonly SliceResult[];
  /** Slices that joined while it ran. */
  readonly joined?: readonly SliceResult[];
}

/** Rows of one delivered file that refer to a dataset. */
export interface OrphanAsk {
  readonly id: string;
  /** Path relative to the cache root. */
  readonly path: string;
  /** Columns of the file, and the dataset's columns that they name. */
  readonly columns: readonly string[];
  readonly keys: readonly string[];
}
export interface OrphanAnswer {
  readonly id: string;
  /** Rows that refer to something, and those of them whose target is not there. */
  readonly rows: number;
  readonly orphans: number;
  /** The most frequent values without a target, at most three. */
  readonly examples: readonly string[];
}

/** How the rows of a dataset are looked at, as those of a slice are. */
export interface DatasetSampleAsk extends Pick<SampleAsk, 'fields' | 'moving'> {
  readonly where: Predicate;
}

/** The data plane. Implemented by `interfaces/data/data-plane.ts` over DuckDB and postgres.js. */
export interface DataPlane {
  describe(dataset: DatasetRef, asOfMs: number, signal: AbortSignal): Promise<DatasetState>;
  /** All asks in one scan. */
  measure(
    dataset: DatasetRef,
    asOfMs: number,
    asks: readonly MeasureAsk[],
    signal: AbortSignal,
  ): Promise<readonly MeasureAnswer[]>;
  /** What its columns hold, as of a time: only what is new is read where the content extends what is kept. */
  profile(dataset: DatasetRef, asOfMs: number, ask: ProfileAsk, signal: AbortSignal): Promise<ProfileAnswer>;
  /** What the rows that match look like: of many, a draw by hash. Every field exists. */
  sample(dataset: DatasetRef, asOfMs: number, ask: DatasetSampleAsk, signal: AbortSignal): Promise<Sample>;
  /** Rows that arrived in each of the `steps` intervals of `stepMs` before `asOfMs`, oldest first, by ask id. Needs an event time. */
  arrivals(
    dataset: DatasetRef,
    asOfMs: number,
    asks: readonly MeasureAsk[],
    stepMs: number,
    steps: number,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, readonly number[]>>>;
  /** Which rows of delivered files refer to what the dataset did not have at `asOfMs`; all against one version of it. */
  orphans(
    dataset: DatasetRef,
    asOfMs: number,
    asks: readonly OrphanAsk[],
    signal: AbortSignal,
  ): Promise<{ readonly contentId: string; readonly answers: readonly OrphanAnswer[] }>;
  /**
   * One read for all slices; the files are complete and named by content before the promise resolves.
   * @param joining slices that are to be cut from the same rows, asked for before the source is scanned and after it; each
   *   has no row and no field that one of the read's slices has not
   * @param pace how fast rows may leave the source; without it as fast as they can
   */
  read(
    read: MergedRead,
    signal: AbortSignal,
    joining?: () => Promise<readonly SliceAsk[]>,
    pace?: ReadPace,
  ): Promise<MergedReadResult>;
}

/** The pace of a read that takes its part of its source's limits while it runs. */
export interface ReadPace {
  /** Rows and bytes that it will probably hand out. */
  readonly rows: number;
  readonly bytes: number;
  /** Told what has just left the source; resolves when the next piece may, and rejects when the read is cancelled. */
  readonly onward: (rows: number, bytes: number) => Promise<void>;
}

/** How a slice's file is looked at. */
export interface SampleAsk {
  /** Columns to look at. */
  readonly fields: readonly string[];
  /** Rows count by their weight column. */
  readonly weighted?: boolean;
  /** Columns that always move on (event time, keys): only what is missing of them is compared. */
  readonly moving: readonly string[];
  /** An earlier sample; the slice is counted over its values and bins too. */
  readonly reference: Sample | null;
}
export interface SliceSample {
  readonly own: Sample;
  readonly current: Recount | null;
}
export interface CorrectAsk extends SampleAsk {
  readonly correction: Correction;
  /** `drop-rows`: of the rows that are left the first so many, or so many of each class. Absent: all. */
  readonly limit?: Pick<SliceAsk, 'rows' | 'quotas'>;
  readonly dataset: DatasetRef;
  readonly classColumn: string | null;
}
/** A corrected copy, measured as every slice is. */
export interface CorrectedSlice {
  readonly file: SliceResult;
  readonly sample: SliceSample | null;
  /** Class counts as the gate should see them: weighted where rows have weights towards the class target. */
  readonly judgedClassCounts: SliceResult['classCounts'];
  readonly effectiveRows: number;
  readonly changedCells: number;
}
/** Files of the shared cache, looked at again. Implemented by `interfaces/data/slice-files.ts`. */
export interface SliceFiles {
  /** What the rows look like; of large slices their first rows, which are a random draw. */
  sample(slice: Pick<SliceResult, 'path'>, ask: SampleAsk, signal: AbortSignal): Promise<SliceSample>;
  /** A corrected copy beside the file; null where the action cannot be done. The same ask gives the same file. */
  correct(slice: SliceResult, ask: CorrectAsk, signal: AbortSignal): Promise<CorrectedSlice | null>;
}

/** The shared cache's files. What may be removed is decided by the store, which knows the leases. */
export interface CacheFiles {
  /** True when the file is there with its full size. */
  has(path: string, fileBytes: number): Promise<boolean>;
  /** Removes files written before `writtenBeforeMs`: a younger one was just written again by a cycle that will deliver it. */
  remove(paths: readonly string[], writtenBeforeMs: number): Promise<void>;
}
