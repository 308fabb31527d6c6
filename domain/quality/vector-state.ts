/**
 * Columns of vectors (embeddings): what a batch of them looks like, as a state that merges exactly. Every part is a
 * count, a least or a greatest value, or the lowest entries of a ranking: any split, order and grouping gives the same.
 */
import { z } from 'zod';
import { parseState } from './encoded-state.js';
import { bucketOf, hashText } from './sketch.js';

export const VECTOR_STATE_VERSION = 1;
/** Lengths that are told apart: a column of vectors has one; a list of anything has any. Which are kept depends on them alone. */
const DIMENSIONS_MAX = 64;
/** Numbers that the sample of one dimension holds at most: 85 vectors of 768, about 0.7 MB as text; few of a pair are lost (see `rankOf`). */
const SAMPLE_NUMBERS = 65_536;
export const SAMPLE_VECTORS_MAX = 1_000;
/** Random hyperplanes of a signature (Charikar 2002): vectors at the cosine .999 share all 16 signs in four of five cases. */
export const PLANES = 16;

/** A vector of the sample, with the rows that hold exactly it. */
export interface SampledVector {
  readonly rank: number;
  readonly text: string;
  readonly rows: number;
}

/** All vectors of one length. */
export interface DimensionState {
  readonly rows: number;
  /** Rows with a NaN, an infinity or a missing number: they count nowhere below. */
  readonly nonFinite: number;
  readonly zeros: number;
  /** Rows by logarithmic bucket of the Euclidean norm. */
  readonly norms: ReadonlyMap<number, number>;
  /** Least and greatest number at each place. */
  readonly least: readonly number[];
  readonly most: readonly number[];
  /** The lowest by rank, then text. */
  readonly sample: readonly SampledVector[];
}

export interface VectorState {
  readonly rows: number;
  /** Present cells that are no list of numbers. */
  readonly unreadable: number;
  readonly vectors: number;
  readonly dimensions: ReadonlyMap<number, DimensionState>;
}

export const EMPTY_VECTORS: VectorState = { rows: 0, unreadable: 0, vectors: 0, dimensions: new Map() };

const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const NO_NUMBER = /^(?:[+-]?(?:nan|inf|infinity)|null)$/i;

/**
 * Reads a list of numbers: an array, or text such as `[0.1, 2e-3, nan]`. What is not finite or missing reads as NaN.
 * `null` for anything else, an empty list included.
 */
export function readVector(cell: unknown): readonly number[] | null {
  if (typeof cell === 'string') {
    const text = cell.trim();
    if (!text.startsWith('[') || !text.endsWith(']')) return null;
    return readNumbers(text.slice(1, -1).split(','));
  }
  return Array.isArray(cell) ? readNumbers(cell) : null;
}

function readNumbers(parts: readonly unknown[]): readonly number[] | null {
  const numbers: number[] = [];
  for (const part of parts) {
    if (part === null || typeof part === 'number' || typeof part === 'bigint') {
      const value = part === null ? NaN : Number(part);
      numbers.push(Number.isFinite(value) ? value + 0 : NaN);
      continue;
    }
    const text = typeof part === 'string' ? part.trim() : '';
    if (NUMBER.test(text)) numbers.push(Number.isFinite(Number(text)) ? Number(text) + 0 : NaN);
    else if (NO_NUMBER.test(text)) numbers.push(NaN);
    else return null;
  }
  return numbers.length === 0 ? null : numbers;
}

/** The Euclidean norm; NaN where a number is. */
export function normOf(vector: readonly number[] | Float64Array): number {
  let sum = 0;
  for (const x of vector) sum += x * x;
  return Math.sqrt(sum);
}

/** Sixteen random signs of a place, one bit for each plane (finaliser of MurmurHash3). */
export function planeSigns(at: number): number {
  let bits = Math.imul(at + 1, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/**
 * Where a vector stands in the sample: by a hash of the signs of its projections on random hyperplanes, so that vectors of
 * nearly one direction are sampled together or not at all.
 */
export function rankOf(vector: ArrayLike<number>): number {
  const sums = new Float64Array(PLANES);
  for (let at = 0; at < vector.length; at++) {
    const bits = planeSigns(at);
    const x = vector[at];
    for (let plane = 0; plane < PLANES; plane++) sums[plane] += (bits >>> plane) & 1 ? x : -x;
  }
  return hashText(Array.from(sums, (sum) => (sum >= 0 ? '1' : '0')).join('')).high;
}

/** Measures cells; `null`, `undefined` and blank text are missing. Cost: O(numbers). */
export function measureVectors(cells: readonly unknown[]): VectorState {
  const isMissing = (cell: unknown): boolean =>
    cell === null || cell === undefined || (typeof cell === 'string' && cell.trim() === '');
  let unreadable = 0;
  const byLength = new Map<number, (readonly number[])[]>();
  for (const cell of cells) {
    if (isMissing(cell)) continue;
    const vector = readVector(cell);
    if (vector === null) {
      unreadable++;
      continue;
    }
    const alike = byLength.get(vector.length);
    if (alike === undefined) byLength.set(vector.length, [vector]);
    else alike.push(vector);
  }
  const vectors = [...byLength.values()].reduce((sum, list) => sum + list.length, 0);
  const dimensions = new Map([...byLength].map(([length, list]) => [length, measureDimension(length, list)]));
  return { rows: cells.length, unreadable, vectors, dimensions: keepDimensions(dimensions) };
}

function measureDimension(length: number, vectors: readonly (readonly number[])[]): DimensionState {
  const least = new Array<number>(length).fill(Infinity);
  const most = new Array<number>(length).fill(-Infinity);
  const norms = new Map<number, number>();
  const sample = new Map<string, SampledVector>();
  let [nonFinite, zeros] = [0, 0];
  for (const vector of vectors) {
    const norm = normOf(vector);
    if (!Number.isFinite(norm)) {
      nonFinite++;
      continue;
    }
    if (norm === 0) zeros++;
    const bucket = bucketOf(norm);
    norms.set(bucket, (norms.get(bucket) ?? 0) + 1);
    for (let at = 0; at < length; at++) {
      if (vector[at] < least[at]) least[at] = vector[at];
      if (vector[at] > most[at]) most[at] = vector[at];
    }
    // A vector without a direction is nobody's near duplicate.
    if (norm > 0) addToSample(sample, { rank: rankOf(vector), text: vector.join(','), rows: 1 });
  }
  const isEmpty = vectors.length === nonFinite;
  return {
    rows: vectors.length,
    nonFinite,
    zeros,
    norms,
    least: isEmpty ? [] : least,
    most: isEmpty ? [] : most,
    sample: keepSample(length, sample),
  };
}

function addToSample(sample: Map<string, SampledVector>, entry: SampledVector): void {
  const known = sample.get(entry.text);
  sample.set(entry.text, known === undefined ? entry : { ...known, rows: known.rows + entry.rows });
}

/** An entry among the lowest of all is among the lowest of every part, so that its rows are counted in full. */
function keepSample(length: number, sample: ReadonlyMap<string, SampledVector>): SampledVector[] {
  return [...sample.values()].sort((a, b) => a.rank - b.rank || (a.text < b.text ? -1 : 1)).slice(0, sampleMax(length));
}

/** Vectors of a length that the sample holds at most. */
export function sampleMax(length: number): number {
  return Math.min(SAMPLE_VECTORS_MAX, Math.max(2, Math.floor(SAMPLE_NUMBERS / length)));
}

function keepDimensions(dimensions: ReadonlyMap<number, DimensionState>): ReadonlyMap<number, DimensionState> {
  const rank = (length: number): number => hashText(String(length)).high;
  const kept = [...dimensions].sort(([a], [b]) => rank(a) - rank(b) || a - b).slice(0, DIMENSIONS_MAX);
  return new Map(kept.sort(([a], [b]) => a - b));
}

/** The state of all rows of both. */
export function mergeVectors(a: VectorState, b: VectorState): VectorState {
  const dimensions = new Map(a.dimensions);
  for (const [length, state] of b.dimensions) {
    const known = dimensions.get(length);
    dimensions.set(length, known === undefined ? state : mergeDimension(length, known, state));
  }
  return {
    rows: a.rows + b.rows,
    unreadable: a.unreadable + b.unreadable,
    vectors: a.vectors + b.vectors,
    dimensions: keepDimensions(dimensions),
  };
}

function mergeDimension(length: number, a: DimensionState, b: DimensionState): DimensionState {
  const norms = new Map(a.norms);
  for (const [bucket, rows] of b.norms) norms.set(bucket, (norms.get(bucket) ?? 0) + rows);
  const sample = new Map<string, SampledVector>();
  for (const entry of [...a.sample, ...b.sample]) addToSample(sample, entry);
  const extreme = (of: 'least' | 'most', pick: (x: number, y: number) => number): readonly number[] =>
    a[of].length === 0 ? b[of] : b[of].length === 0 ? a[of] : a[of].map((x, at) => pick(x, b[of][at]));
  return {
    rows: a.rows + b.rows,
    nonFinite: a.nonFinite + b.nonFinite,
    zeros: a.zeros + b.zeros,
    norms,
    least: extreme('least', Math.min),
    most: extreme('most', Math.max),
    sample: keepSample(length, sample),
  };
}

const count = z.int().nonnegative();
const encoded = z.strictObject({
  version: z.literal(VECTOR_STATE_VERSION),
  rows: count,
  unreadable: count,
  vectors: count,
  dimensions: z.array(
    z.strictObject({
      length: z.int().positive(),
      rows: count,
      nonFinite: count,
      zeros: count,
      norms: z.array(z.tuple([z.int(), count])),
      least: z.array(z.number()),
      most: z.array(z.number()),
      sample: z.array(z.tuple([count, z.string(), count])),
    }),
  ),
});

/** The state as JSON text; equal states have equal text. */
export function encodeVectors({ rows, unreadable, vectors, dimensions }: VectorState): string {
  const plain: z.infer<typeof encoded> = {
    version: VECTOR_STATE_VERSION,
    rows,
    unreadable,
    vectors,
    dimensions: [...dimensions]
      .sort(([a], [b]) => a - b)
      .map(([length, state]) => ({
        length,
        rows: state.rows,
        nonFinite: state.nonFinite,
        zeros: state.zeros,
        norms: [...state.norms].sort(([a], [b]) => a - b),
        least: [...state.least],
        most: [...state.most],
        sample: state.sample.map(({ rank, text, rows: held }) => [rank, text, held]),
      })),
  };
  return JSON.stringify(plain);
}

/**
 * Reads back what `encodeVectors` wrote.
 *
 * @throws BalanceError `CorruptState` for anything else
 */
export function decodeVectors(text: string): VectorState {
  const { rows, unreadable, vectors, dimensions } = parseState(encoded, text, {
    message: 'not a state of the meter vectors',
    expected: `text of a vector state of version ${VECTOR_STATE_VERSION}`,
  });
  return {
    rows,
    unreadable,
    vectors,
    dimensions: new Map(
      dimensions.map(({ length, norms, sample, ...rest }) => [
        length,
        {
          ...rest,
          norms: new Map(norms),
          sample: sample.map(([rank, held, of]) => ({ rank, text: held, rows: of })),
        },
      ]),
    ),
  };
}
