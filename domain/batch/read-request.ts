/** The request as the merge sees it. */
import type { Predicate } from '../types/predicate.js';

/** What one model asks of one dataset. Plain JSON. */
export interface ReadRequest {
  readonly id: string;
  readonly model: string;
  readonly dataset: string;
  /** Requests on different versions never share a read. */
  readonly datasetVersion: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  /** Expected rows, where known; only ratios matter. */
  readonly estimatedRows?: number;
  /** Fields that the requester may see, also by filtering on them; absent: every field. */
  readonly allowedFields?: readonly string[];
  /** Sample size, or null for every row; drawn with `seed` from the requester's own rows, after the read. */
  readonly rows: number | null;
  readonly seed: number;
  readonly maxAgeMs: number | null;
  readonly deadlineMs: number | null;
  readonly priority: number;
}
