/** A one-off request as it is stored: what the client writes and the store keeps. */
import type { Predicate } from './predicate.js';

export interface NewRequest {
  readonly id: string;
  readonly model: string;
  readonly dataset: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  /** At most so many rows; null: all that match. */
  readonly rows: number | null;
  readonly seed: number;
  /** A cached result this old will do; null: only one of the same cycle. */
  readonly maxAgeMs: number | null;
  readonly deadlineMs: number | null;
  /** 1 (urgent) to 5; null: the model's. */
  readonly priority: number | null;
  /** Pinned dataset version; null: the newest. */
  readonly datasetVersion: string | null;
  /** The same key is the same request. */
  readonly idempotencyKey: string;
  /** Absent: it stands alone. */
  readonly gang?: GangRef;
}

/** Requests of one model that are served together or not at all: all of the same name, and how many they are. */
export interface GangRef {
  readonly name: string;
  readonly size: number;
}
