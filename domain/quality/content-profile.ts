/** What the profile of a dataset says of its vectors and texts: of all rows, and of those that came since the last one. */
import { isFreeTextState, summarizeTextState, type TextFacts, type TextState } from './text-state.js';
import { DIMENSION_SHARE, nearDuplicatesOf } from './vectors.js';
import { quantileOf } from './sketch.js';
import type { VectorState } from './vector-state.js';

export interface ProfiledVectors {
  /** Present rows. */
  readonly rows: number;
  /** The dimension that most have. */
  readonly dimension: number;
  /** Rows by dimension, the most frequent first. */
  readonly dimensions: readonly { readonly dimension: number; readonly rows: number }[];
  readonly nonFinite: number;
  readonly zeros: number;
  /** Quantiles of the Euclidean norm of vectors of `dimension`, each within 1 %; null of a restricted column. */
  readonly norms: Readonly<Record<'p05' | 'p50' | 'p95', number | null>> | null;
  /** Vectors of the sample that have another in nearly their direction; at least so many of all. */
  readonly nearDuplicates: Sampled;
  /** Rows that cannot be used beside the others: of another dimension, not finite, or zero where few are. */
  readonly unusable: number;
  /** The same of the rows that were read for this profile; null where they are all rows, or none. */
  readonly latest: { readonly rows: number; readonly unusable: number; readonly nearDuplicates?: Sampled } | null;
  /** Near duplicates of the rows before those; absent or null where they are all rows, or none. */
  readonly before?: { readonly nearDuplicates: Sampled } | null;
}

/** Rows of a sample, and the share of them that a thing is true of. */
export interface Sampled {
  readonly rows: number;
  readonly share: number;
}

/** Facts of some rows, and the lengths of their texts: rows by logarithmic bucket. */
type TextPart = Omit<TextFacts, 'lengths'> & { readonly lengthBuckets?: readonly (readonly [number, number])[] };

export interface ProfiledText extends Omit<TextFacts, 'lengths'> {
  /** Null of a restricted column. */
  readonly lengths: TextFacts['lengths'] | null;
  /** The rows that were read for this profile, and those before them; null where they are all rows, or none. */
  readonly latest: TextPart | null;
  readonly before: TextPart | null;
}

/** A second dimension makes a list of any length a column of two kinds of vectors only from here on: few embeddings are shorter. */
const SECOND_DIMENSION_MIN = 16;
const LISTED = 5;

/** Rows of a state by dimension, the most frequent first. */
function byDimension({ dimensions }: VectorState): { dimension: number; rows: number }[] {
  return [...dimensions]
    .map(([dimension, { rows }]) => ({ dimension, rows }))
    .sort((a, b) => b.rows - a.rows || a.dimension - b.dimension);
}

/**
 * Whether lists of numbers are vectors rather than lists of any length.
 *
 * @param lengths rows by length, the most frequent first
 * @param rows all of them
 */
export function areVectors(
  lengths: readonly { readonly dimension: number; readonly rows: number }[],
  rows: number,
): boolean {
  const [first, second] = lengths;
  if (first === undefined || first.dimension < 2) return false;
  if (first.rows >= DIMENSION_SHARE * rows) return true;
  if (second === undefined) return false;
  const isSecond = Math.min(first.dimension, second.dimension) >= SECOND_DIMENSION_MIN;
  return isSecond && first.rows + second.rows >= DIMENSION_SHARE * rows;
}

/** @param parts the rows that were read now and those before; null where they are all. Null: the column is none of vectors */
export function describeVectors(
  state: VectorState,
  parts: { readonly before: VectorState; readonly latest: VectorState } | null,
): ProfiledVectors | null {
  const dimensions = byDimension(state);
  if (!areVectors(dimensions, state.vectors)) return null;
  const [{ dimension }] = dimensions;
  const own = state.dimensions.get(dimension)!;
  const isZeroUsual = own.zeros > (1 - DIMENSION_SHARE) * own.rows;
  const unusable = (of: VectorState): number => {
    const alike = of.dimensions.get(dimension);
    const usable = alike === undefined ? 0 : alike.rows - alike.nonFinite - (isZeroUsual ? 0 : alike.zeros);
    return of.vectors - usable;
  };
  const buckets = [...own.norms].sort(([a], [b]) => a - b);
  const near = (of: VectorState): Sampled => {
    const alike = of.dimensions.get(dimension);
    const { rows, share } = alike === undefined ? { rows: 0, share: 0 } : nearDuplicatesOf(alike);
    return { rows, share };
  };
  const parted = parts === null || parts.latest.vectors === 0 ? null : parts;
  return {
    ...{ rows: state.vectors, dimension, dimensions: dimensions.slice(0, LISTED) },
    nonFinite: [...state.dimensions.values()].reduce((sum, { nonFinite }) => sum + nonFinite, 0),
    zeros: own.zeros,
    norms: { p05: quantileOf(buckets, 0.05), p50: quantileOf(buckets, 0.5), p95: quantileOf(buckets, 0.95) },
    nearDuplicates: near(state),
    unusable: unusable(state),
    latest:
      parted === null
        ? null
        : {
            ...{ rows: parted.latest.vectors, unusable: unusable(parted.latest) },
            nearDuplicates: near(parted.latest),
          },
    before: parted === null ? null : { nearDuplicates: near(parted.before) },
  };
}

/** @param parts the rows that were read now and those before; null where the column holds no free text */
export function describeTexts(
  state: TextState,
  parts: { readonly before: TextState; readonly latest: TextState } | null,
): ProfiledText | null {
  // Once the texts are gone the earlier rows still tell what the column is.
  if (!isFreeTextState(state) && !(parts !== null && isFreeTextState(parts.before))) return null;
  const facts = (of: TextState): Omit<TextFacts, 'lengths'> => {
    const { rows, empty, languageTexts, languages } = summarizeTextState(of);
    return { rows, empty, languageTexts, languages: languages.slice(0, LISTED) };
  };
  const parted = parts === null || parts.latest.rows === 0 ? null : parts;
  const partFacts = (of: TextState): TextPart => ({
    ...facts(of),
    lengthBuckets: [...of.lengths].sort(([a], [b]) => a - b),
  });
  return {
    ...facts(state),
    lengths: summarizeTextState(state).lengths,
    before: parted === null ? null : partFacts(parted.before),
    latest: parted === null ? null : partFacts(parted.latest),
  };
}
