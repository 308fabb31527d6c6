/** What a column of vectors (embeddings) looks like: dimension, norms, near duplicates, dead places; and rows that do not fit. */
import type { CellColumn } from './cell-table.js';
import type { Signal } from './detector/signal.js';
import { quantileOf } from './sketch.js';
import { measureVectors, normOf, readVector, type DimensionState, type VectorState } from './vector-state.js';

export interface VectorSummary {
  /** The dimension that nearly all have. */
  readonly dimension: number;
  /** Rows of any other dimension. */
  readonly otherDimensions: number;
  /** Rows with a NaN, an infinity or a missing number. */
  readonly nonFinite: number;
  readonly zeros: number;
  /** Quantiles of the Euclidean norm, each within 1 %. */
  readonly norms: Readonly<Record<'p05' | 'p50' | 'p95', number | null>>;
  /** Places at which all vectors have the same number (of two vectors or more). */
  readonly constantPlaces: number;
  readonly nearDuplicates: NearDuplicates;
}

/** Vectors of a sample that have another, or the same again, in nearly their direction. */
export interface NearDuplicates {
  readonly rows: number;
  /** Rows of the sample that have one / its rows; at least so many of all rows. */
  readonly share: number;
  /** Pairs of texts of sampled vectors, the nearest first. */
  readonly pairs: readonly { readonly first: string; readonly second: string; readonly cosine: number }[];
}

/** So many of the present cells are vectors of one dimension in a column of vectors; the rest are its errors. */
export const DIMENSION_SHARE = 0.9;
/** Cosine from which on two vectors say the same. Independent directions of 100 places differ by .1 from 0 (one deviation). */
export const NEAR_COSINE = 0.99;
const PAIRS_LISTED = 3;

/** The dimension of a column of vectors; `null` where it is none. */
function dimensionOf({ unreadable, vectors, dimensions }: VectorState): number | null {
  const [most] = [...dimensions].sort(([a, x], [b, y]) => y.rows - x.rows || a - b);
  if (most === undefined || most[0] < 2) return null;
  return most[1].rows >= DIMENSION_SHARE * (vectors + unreadable) ? most[0] : null;
}

/** Reads a state; `null` where the column is none of vectors. */
export function summarizeVectorState(state: VectorState): VectorSummary | null {
  const dimension = dimensionOf(state);
  if (dimension === null) return null;
  const own = state.dimensions.get(dimension)!;
  const buckets = [...own.norms].sort(([a], [b]) => a - b);
  const finite = own.rows - own.nonFinite;
  return {
    dimension,
    otherDimensions: state.vectors - own.rows,
    nonFinite: [...state.dimensions.values()].reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    zeros: own.zeros,
    norms: { p05: quantileOf(buckets, 0.05), p50: quantileOf(buckets, 0.5), p95: quantileOf(buckets, 0.95) },
    constantPlaces: finite < 2 ? 0 : own.least.filter((least, at) => least === own.most[at]).length,
    nearDuplicates: nearDuplicatesOf(own),
  };
}

/** Every pair of the sample: it holds at most 65,536 numbers, so that at most some 33 million are multiplied. */
export function nearDuplicatesOf({ sample }: DimensionState): NearDuplicates {
  const directions = sample.map(({ text }) => {
    const vector = text.split(',').map(Number);
    const norm = normOf(vector);
    return Float64Array.from(vector, (x) => x / norm);
  });
  const isNear = sample.map(({ rows }) => rows > 1);
  const pairs: { first: string; second: string; cosine: number }[] = [];
  for (let i = 0; i < sample.length; i++) {
    for (let j = 0; j < i; j++) {
      let cosine = 0;
      for (let at = 0; at < directions[i].length; at++) cosine += directions[i][at] * directions[j][at];
      if (cosine < NEAR_COSINE) continue;
      isNear[i] = isNear[j] = true;
      pairs.push({ first: sample[j].text, second: sample[i].text, cosine: Math.min(1, cosine) });
    }
  }
  pairs.sort((a, b) => b.cosine - a.cosine || (a.first + a.second < b.first + b.second ? -1 : 1));
  const rows = sample.reduce((sum, entry) => sum + entry.rows, 0);
  const near = sample.reduce((sum, entry, at) => sum + (isNear[at] ? entry.rows : 0), 0);
  return { rows, share: rows === 0 ? 0 : near / rows, pairs: pairs.slice(0, PAIRS_LISTED) };
}

/** The state of a column of exact cell text; `null` where hardly any cell begins as a list does. */
function stateOf(column: CellColumn): VectorState | null {
  const lists = column.values.reduce((sum, value, code) => sum + (value.startsWith('[') ? column.counts[code] : 0), 0);
  const present = column.values.reduce((sum, value, code) => sum + (value === '' ? 0 : column.counts[code]), 0);
  if (lists === 0 || lists < DIMENSION_SHARE * present) return null;
  return measureVectors(Array.from(column.codes, (code) => column.values[code]));
}

/** A profile's view of a column: example pairs by row. */
export interface VectorColumn extends Omit<VectorSummary, 'nearDuplicates'> {
  readonly nearDuplicates: Omit<NearDuplicates, 'pairs'> & {
    readonly pairs: readonly { readonly rows: readonly [number, number]; readonly cosine: number }[];
  };
}

/** Summarises a column of exact cell text; `null` where it is none of vectors. */
export function summarizeVectors(column: CellColumn): VectorColumn | null {
  const state = stateOf(column);
  const summary = state === null ? null : summarizeVectorState(state);
  if (summary === null) return null;
  const named = new Set(summary.nearDuplicates.pairs.flatMap(({ first, second }) => [first, second]));
  const rowOf = new Map<string, number>();
  column.values.forEach((value, code) => {
    const text = named.size === 0 ? undefined : readVector(value)?.join(',');
    if (text !== undefined && named.has(text) && !rowOf.has(text)) rowOf.set(text, column.codes.indexOf(code));
  });
  const pairs = summary.nearDuplicates.pairs.map(({ first, second, cosine }) => ({
    rows: [rowOf.get(first)!, rowOf.get(second)!].sort((a, b) => a - b) as unknown as readonly [number, number],
    cosine,
  }));
  return { ...summary, nearDuplicates: { ...summary.nearDuplicates, pairs } };
}

/** A vector that cannot be used is wrong; one without a direction may be a default. */
const UNUSABLE_SCORE = 0.95;
const ZERO_SCORE = 0.6;

/** Cells that do not fit a column of vectors; `null` where the column is none. */
export function vectorSignals(column: CellColumn, index: number): Signal[] | null {
  const state = stateOf(column);
  const dimension = state === null ? null : dimensionOf(state);
  if (dimension === null) return null;
  const isZeroUsual = state!.dimensions.get(dimension)!.zeros > (1 - DIMENSION_SHARE) * state!.vectors;
  const faults = column.values.map((value) => {
    if (value.trim() === '') return undefined;
    const vector = readVector(value);
    if (vector === null) return { score: UNUSABLE_SCORE, evidence: `no vector of ${dimension} numbers` };
    if (vector.length !== dimension)
      return { score: UNUSABLE_SCORE, evidence: `${vector.length} numbers where nearly all vectors have ${dimension}` };
    const norm = normOf(vector);
    if (!Number.isFinite(norm)) return { score: UNUSABLE_SCORE, evidence: 'a number that is missing, NaN or infinite' };
    return norm === 0 && !isZeroUsual ? { score: ZERO_SCORE, evidence: 'a vector without a direction' } : undefined;
  });
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const fault = faults[code];
    if (fault !== undefined) signals.push({ row, column: index, kind: 'vector', ...fault });
  });
  return signals;
}

/** The dimension of a column of vectors in exact text; `null` where it is none. */
export function vectorDimension(column: CellColumn): number | null {
  const state = stateOf(column);
  return state === null ? null : dimensionOf(state);
}
