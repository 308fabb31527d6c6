/**
 * The two plug-in contracts of analysis.
 *
 * An `Analyzer` compares what each need asks with what is there: pure, over one immutable snapshot, and its
 * failure is a value. A `ColumnMeter` measures one column with a state that merges, so that a new batch costs
 * O(batch) and shards can be measured apart; `test/domain/analyzers/conformance.ts` checks its laws.
 */

import type { DatasetProfile } from '../quality/dataset-profile.js';

/** What one model wants of one dataset each cycle. */
export interface NeedView {
  readonly id: string;
  readonly model: string;
  readonly dataset: string;
  readonly fields: readonly string[];
  /** Rows wanted each cycle; 0 means whatever is there. */
  readonly rowsPerCycle: number;
  readonly classColumn: string | null;
  /** Wanted class mix; the weights need not sum to 1. Null: no mix is asked for. */
  readonly classTarget: Readonly<Record<string, number>> | 'uniform' | null;
  readonly maxAgeMs: number | null;
  /** Least share of present values over the need's fields, 0 to 1. */
  readonly minCompleteness: number | null;
  /** How much it matters that the need is met, 0 to 1. */
  readonly critical: number;
  /** The model's share of what is scarce, relative to the other models. */
  readonly weight: number;
}

/** Rows by class (text form of the value). */
export type ClassCounts = Readonly<Record<string, number>>;

/** Counts over the half-open bins `(edges[i-1], edges[i]]`; the first and last bin are open: `edges.length + 1` counts. */
export interface Histogram {
  readonly edges: readonly number[];
  readonly counts: readonly number[];
}

/** What is known of a dataset as of a time. */
export interface DatasetView {
  readonly id: string;
  readonly version: string;
  readonly rows: number;
  readonly newestEventMs: number | null;
  readonly asOfMs: number;
  /** Share of present values by column, 0 to 1. */
  readonly completeness: Readonly<Record<string, number>>;
  readonly classCounts: Readonly<Record<string, ClassCounts>>;
  /** What the columns that needs read hold, over all rows that have arrived; absent: not profiled. */
  readonly profile?: DatasetProfile;
  /** Class counts by column in the data that the models were trained on. */
  readonly referenceClassCounts?: Readonly<Record<string, ClassCounts>>;
  /** Numeric columns now and in the reference, over the same edges. */
  readonly histograms?: Readonly<Record<string, Histogram>>;
  readonly referenceHistograms?: Readonly<Record<string, Histogram>>;
}

/** Rows with the same values of a need's segment columns, in its order, as text. */
export interface SegmentCell {
  readonly values: readonly string[];
  readonly rows: number;
}

/** Rows by segment: the values of the need's segment columns, as declared by it, joined with ` | `. */
export interface SegmentCounts {
  /** One column, or several for an interaction. */
  readonly columns: readonly string[];
  readonly counts: ClassCounts;
}

/** What the rows that match one need look like. */
export interface NeedMeasurement {
  readonly needId: string;
  readonly rowsAvailable: number;
  readonly classCounts: ClassCounts | null;
  /** Rows by class of everything that matched when the model was last given data in good order; absent: no reference. */
  readonly referenceClassCounts?: ClassCounts;
  /** Share of present values by field, 0 to 1. */
  readonly completeness: Readonly<Record<string, number>>;
  readonly newestEventMs: number | null;
  /** Rows that match but have no event time that can be read, of a need that takes rows by their time; absent: none. */
  readonly untimedRows?: number;
  /** Rows by segment, for needs that must cover them; 0 for a segment that is known and empty. */
  readonly segments?: readonly SegmentCounts[];
}

/** Rows that a need is forecast to ask for: median and an upper quantile; and those that will be there for it. */
export interface NeedForecast {
  readonly needId: string;
  readonly rowsMedian: number;
  readonly rowsHigh: number;
  /** When; absent: in the next cycle. */
  readonly byMs?: number;
  /** Central 80 % interval and median of the rows that match then; absent: as many as now. */
  readonly available?: { readonly low: number; readonly median: number; readonly high: number };
}

/** The immutable view that every analyzer of a cycle reads. Input order carries no meaning. */
export interface AnalysisSnapshot {
  readonly asOfMs: number;
  readonly needs: readonly NeedView[];
  readonly datasets: readonly DatasetView[];
  readonly measurements: readonly NeedMeasurement[];
  readonly forecasts?: readonly NeedForecast[];
}

export type FindingKind =
  | 'unmeasured'
  | 'volume'
  | 'future-volume'
  | 'freshness'
  | 'untimed'
  | 'completeness'
  | 'hidden-missing'
  | 'vectors'
  | 'texts'
  | 'class-mix'
  | 'class-shortfall'
  | 'coverage'
  | 'drift';

/** One gap between what is needed and what is there. */
export interface Finding {
  readonly needId: string;
  readonly model: string;
  readonly dataset: string;
  readonly kind: FindingKind;
  /** The column concerned; absent where the finding is about whole rows. */
  readonly column?: string;
  /** 0 (nothing is lost) to 1 (everything that was asked for is missing). */
  readonly severity: number;
  /** False where the draw itself corrects the gap (a stratified draw repairs a class mix that has the rows). */
  readonly blocking: boolean;
  readonly message: string;
  readonly expected: string;
  readonly got: string;
  /** Rows missing, by class; `*` where no class is concerned. */
  readonly shortfall?: Readonly<Record<string, number>>;
}

/** A score between 0 (worst) and 1 (as asked), by need and dimension. */
export interface NeedScore {
  readonly needId: string;
  readonly dimension: string;
  readonly score: number;
}

export type AnalyzerOutcome =
  | { readonly ok: true; readonly findings: readonly Finding[]; readonly scores: readonly NeedScore[] }
  | { readonly ok: false; readonly type: string; readonly message: string };

/** `id` and `version` are recorded with the decision; a change of results is a new version. */
export interface Analyzer {
  readonly id: string;
  readonly version: number;
  analyze(snapshot: AnalysisSnapshot): AnalyzerOutcome;
}

/** A column as a meter sees it before it has read a value. */
export interface ColumnView {
  readonly name: string;
  readonly kind: 'number' | 'string' | 'boolean' | 'time' | 'other';
}

/** A metric, or why there is none. `standardError` is null where no honest one is known. */
export type Metric =
  | { readonly ok: true; readonly value: number; readonly n: number; readonly standardError: number | null }
  | { readonly ok: false; readonly type: string; readonly message: string };

/**
 * Measures one column incrementally. Laws (checked by the conformance kit): `merge` is associative and
 * commutative with `empty()` as its identity; updating with a batch equals merging the states of any split of
 * it; `decode(encode(state))` gives the same encoding back; no call changes its arguments.
 */
export interface ColumnMeter<State> {
  readonly id: string;
  /** Part of the key of a stored state: states of different versions never merge. */
  readonly version: number;
  appliesTo(column: ColumnView, need: NeedView | null): boolean;
  empty(): State;
  /** Values in any order; null is missing. */
  update(state: State, values: readonly unknown[]): State;
  merge(left: State, right: State): State;
  /** Plain JSON text: equal states have equal text. */
  encode(state: State): string;
  /** Throws `BalanceError` `CorruptState` for text that no `encode` of this version wrote. */
  decode(text: string): State;
  metric(state: State): Metric;
}
