/** Column meter of vectors (embeddings): dimension, norms, dead places and near duplicates, mergeable. */
import {
  decodeVectors,
  EMPTY_VECTORS,
  encodeVectors,
  measureVectors,
  mergeVectors,
  VECTOR_STATE_VERSION,
  type VectorState,
} from '../quality/vector-state.js';
import { summarizeVectorState } from '../quality/vectors.js';
import type { ColumnMeter } from './analyzer.js';

/** The metric is the share of present cells that are usable vectors: of the column's dimension, finite, not zero. */
export const vectorMeter: ColumnMeter<VectorState> = {
  id: 'vectors',
  version: VECTOR_STATE_VERSION,
  appliesTo: (column) => column.kind === 'other',
  empty: () => EMPTY_VECTORS,
  update: (state, values) => mergeVectors(state, measureVectors(values)),
  merge: mergeVectors,
  encode: encodeVectors,
  decode: decodeVectors,
  metric(state) {
    const n = state.vectors + state.unreadable;
    if (n === 0) return { ok: false, type: 'NoRows', message: 'vectors of no rows' };
    const summary = summarizeVectorState(state);
    if (summary === null) return { ok: false, type: 'NoVectors', message: 'no dimension that nearly all cells have' };
    const own = state.dimensions.get(summary.dimension)!;
    const share = (own.rows - own.nonFinite - own.zeros) / n;
    return { ok: true, value: share, n, standardError: Math.sqrt((share * (1 - share)) / n) };
  },
};
