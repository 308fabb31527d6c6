/** What a read will take, from what the reads of its dataset took before. */
import { chooseBatchSize, knowsSlope, predictBatch, type SizeModelState } from '../../batch/size-model.js';

/**
 * Cells (row x field) whose copying is taken to last as long as making one more file. An estimate, not a measurement: it
 * only has to be of the right size, as the line through (work, time) is learned for each dataset.
 */
const CELLS_PER_SLICE = 20_000;

/** What is cut out of a read for one requester. */
export interface SliceSize {
  readonly rows: number;
  readonly fields: readonly string[];
}

/** Work of a read in slices: each counts one, and as many more as its cells are worth. At least 1. */
export function readWork(slices: readonly SliceSize[]): number {
  let work = 0;
  for (const { rows, fields } of slices) work = work + 1 + (rows * fields.length) / CELLS_PER_SLICE;
  return Math.max(1, work);
}

/** Work of a read of one slice. */
export function sliceWork(rows: number, fields: number): number {
  return 1 + (rows * fields) / CELLS_PER_SLICE;
}

export interface ReadPrediction {
  readonly ms: number;
  /** What it will hardly exceed. */
  readonly msTail: number;
  readonly memoryBytes: number | null;
  /** Time that its slices would take as reads of their own, one after the other. */
  readonly aloneMs: number;
}

/** Null before the first measured read of the dataset. */
export function predictRead(model: SizeModelState | undefined, slices: readonly SliceSize[]): ReadPrediction | null {
  const predicted = model === undefined ? null : predictBatch(model, readWork(slices));
  if (predicted === null) return null;
  return {
    ms: predicted.ms,
    msTail: predicted.msTail,
    memoryBytes: predicted.bytes,
    aloneMs: slices.reduce((sum, slice) => sum + (predictBatch(model!, readWork([slice]))?.ms ?? 0), 0),
  };
}

export interface ReadLimits {
  /** A read that will hardly take longer, or hold more memory, is whole. */
  readonly msMax: number;
  readonly bytesMax: number;
}

/**
 * Most work of one read within the limits, tail included; and which limit it is. Without measurements of two sizes there
 * is none: the first read of a dataset takes what a cold start takes, whatever its size.
 */
export function workMax(
  model: SizeModelState | undefined,
  { msMax, bytesMax }: ReadLimits,
): { readonly work: number; readonly binding: 'time' | 'memory' | null } {
  if (model === undefined || !knowsSlope(model)) return { work: Infinity, binding: null };
  // What a cycle needs is read now: a size that was never tried is trusted to the line, not grown into.
  const choice = chooseBatchSize({ ...model, itemsSeen: Infinity }, { itemsMax: WORK_MAX, msMax, bytesMax });
  const binding = choice.binding === 'time' || choice.binding === 'memory' ? choice.binding : null;
  return { work: binding === null ? Infinity : choice.items, binding };
}

/** Work beyond which a limit is none: 20 million million cells. */
const WORK_MAX = 1e9;
