/**
 * Who joins a read that runs: a request that came too late for its plan, and of which a slice of that read has every row
 * and every field. Its result is cut from the same rows, and costs its source nothing.
 */
import { boxContains, normalise } from '../../batch/predicate-algebra.js';
import { predicateColumns, type Predicate } from '../../types/predicate.js';
import type { PlannedSlice } from './planned-slice.js';

/** What a waiting request asks of the read's dataset. */
export interface LateRequest {
  readonly id: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  readonly rows: number | null;
  readonly seed: number;
}

/**
 * The slices that may be cut from the read besides those planned. They are told apart from them by nobody else: what a
 * requester may see, and how old it may be, is judged when a cycle serves it.
 */
export function joiningSlices(planned: readonly PlannedSlice[], late: readonly LateRequest[]): PlannedSlice[] {
  // Only of a slice that takes all that match is every row there.
  const whole = planned
    .filter(({ rows, quotas }) => rows === null && quotas === null)
    .map(({ fields, where }) => ({
      fields: new Set(fields),
      columns: new Set([...fields, ...predicateColumns(where)]),
      box: normalise(where),
    }));
  return late
    .filter(({ fields, where }) => {
      const own = normalise(where);
      return whole.some(
        (slice) =>
          fields.every((field) => slice.fields.has(field)) &&
          predicateColumns(where).every((column) => slice.columns.has(column)) &&
          boxContains(slice.box, own),
      );
    })
    .map(({ id, fields, where, rows, seed }) => {
      return { id, fields, where, rows, seed, classColumn: null, quotas: null };
    });
}
