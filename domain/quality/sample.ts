/**
 * What one delivery looked like, small enough to be kept: counts by value or by bin of each column. A later delivery
 * is counted over the same values and bins, so that the two can be compared though the first one's rows are gone.
 */
import type { SampledPart } from './sample-parts.js';
import type { PairedColumn, PairedPart } from './shift.js';

/** Rows that a sample looks at most: slices lie in the order of a hash, so the first rows are a random draw of all. */
export const SAMPLE_ROWS_MAX = 20_000;
/** Bins of a number column, by the sample's own quantiles: a shift of one row in forty still shows (shift-tests, KS_MIN). */
export const SAMPLE_BINS = 64;
/**
 * Values of a category column that are counted by name; the others are one pool. Of a column with more of them the names are
 * the most frequent ones of one half of the rows and the counts those of the other half: a value that is named for its
 * count would else be rarer in every later delivery (the winner's curse).
 */
export const SAMPLE_VALUES_MAX = 200;

export type SampleColumn =
  | { readonly kind: 'number'; readonly edges: readonly number[]; readonly counts: readonly number[] }
  | {
      readonly kind: 'category';
      readonly values: readonly string[];
      readonly counts: readonly number[];
      /** `all`: every value that the sample has is named. Absent: there are others. */
      readonly listed?: 'all';
    }
  /** `time` and `identifier` always move on: only what is missing is compared. */
  | { readonly kind: 'time' | 'identifier'; readonly counts: readonly [] }
  /** Vectors: the parts are compared, those beside `dimension` and `norm` of vectors of this dimension. */
  | { readonly kind: 'vector'; readonly dimension: number; readonly counts: readonly [] };

/** A column of a sample. Number bins are `(edges[i-1], edges[i]]`, the last one open: `edges.length + 1` counts. */
export type ColumnSample = SampleColumn & {
  readonly present: number;
  /** Rows that the column was counted on; absent: all of the sample. */
  readonly rows?: number;
  /** Rows whose vector cannot be used; absent: none. */
  readonly malformed?: number;
  /** What is compared of values that hardly repeat. */
  readonly parts?: readonly SampledPart[];
};

export interface Sample {
  readonly rows: number;
  readonly columns: Readonly<Record<string, ColumnSample>>;
}

/** A later delivery over the values and bins of a reference; null for a column that it does not have. */
export interface Recount {
  readonly rows: number;
  readonly columns: Readonly<Record<string, RecountedColumn | null>>;
}
export interface RecountedColumn {
  readonly counts: readonly number[];
  readonly present: number;
  /** Rows of a category that the reference does not name and that no other row is of. */
  readonly singles?: number;
  readonly malformed?: number;
  /** In the order of the reference's. */
  readonly parts?: readonly { readonly counts: readonly number[]; readonly present: number }[];
}

/** Both sides of every column of the reference, as the drift tests read them. Columns that only the later one has are no finding. */
export function pairSamples(reference: Sample, current: Recount): PairedColumn[] {
  return Object.keys(reference.columns)
    .sort()
    .map((column): PairedColumn => {
      const before = reference.columns[column];
      const after = current.columns[column] ?? null;
      if (after === null) {
        const nothing = { values: [], reference: [], current: [], present: [0, 0] as const };
        return { column, kind: before.kind, ...nothing, missing: [0, 0], malformed: [0, 0], absentFrom: 'current' };
      }
      return {
        column,
        kind: before.kind,
        values: before.kind === 'category' ? before.values : before.counts.map((_, bin) => bin),
        reference: before.counts,
        current: after.counts,
        present: [before.present, after.present],
        missing: [
          (before.rows ?? reference.rows) - before.present - (before.malformed ?? 0),
          current.rows - after.present - (after.malformed ?? 0),
        ],
        malformed: [before.malformed ?? 0, after.malformed ?? 0],
        ...(before.parts === undefined || after.parts === undefined
          ? {}
          : { parts: pairParts(before.parts, after.parts) }),
        singles: before.kind === 'category' && before.listed === 'all' ? [0, after.singles ?? 0] : null,
      };
    });
}

function pairParts(before: readonly SampledPart[], after: NonNullable<RecountedColumn['parts']>): PairedPart[] {
  return before.flatMap((part, at) => {
    if (after[at] === undefined) return [];
    const values = part.kind === 'category' ? part.values : part.counts.map((_, bin) => bin);
    const present = [part.present, after[at].present] as const;
    const counts = { values, reference: part.counts, current: after[at].counts, present, singles: null };
    return [{ name: part.name, kind: part.kind, counts }];
  });
}

/** The rows of both sides in each value or bin; the unnamed values and the missing ones are a cell of their own each. */
export function distanceCells(pair: Omit<PairedColumn, 'malformed'>): (readonly [number, number])[] {
  const named = [pair.reference, pair.current].map((counts) => counts.reduce((sum, count) => sum + count, 0));
  return [
    ...pair.reference.map((count, index) => [count, pair.current[index]] as const),
    [pair.present[0] - named[0], pair.present[1] - named[1]],
    [pair.missing[0], pair.missing[1]],
  ];
}

/**
 * Share of rows that would have to change to turn one side into the other: total variation over the cells. In [0, 1]; 0
 * where one side has no rows.
 */
export function sampleDistance(pair: Omit<PairedColumn, 'malformed'>): number {
  const rows = [0, 1].map((side) => pair.present[side] + pair.missing[side]);
  if (rows[0] === 0 || rows[1] === 0) return 0;
  return distanceCells(pair).reduce((sum, [x, y]) => sum + Math.abs(x / rows[0] - y / rows[1]), 0) / 2;
}
