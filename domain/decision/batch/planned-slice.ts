/** What reads are made for, as plans say it and later plans see it. */
import type { Predicate } from '../../types/predicate.js';
import type { SegmentCover } from './segment-cover.js';

/** What one requester is to get out of a merged read. */
export interface PlannedSlice {
  readonly id: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  /** At most so many rows, picked by the hash of row identity and `seed`; null: all. */
  readonly rows: number | null;
  readonly seed: number;
  /** With `quotas`: at most so many rows of each class (text form of the value); classes without a quota give none. */
  readonly classColumn: string | null;
  readonly quotas: Readonly<Record<string, number>> | null;
  /** Rows that come first in the pick (with `quotas`: in that of each class); absent: none, it goes by the hash alone. */
  readonly cover?: SegmentCover | undefined;
}
/** A read that goes on though its cycle has ended. */
export interface ReadUnderWay {
  readonly id: string;
  readonly decisionId: string;
  readonly source: string;
  readonly dataset: string;
  readonly asOfMs: number;
  /** When its cycle went on without it, and when it will probably end. */
  readonly sinceMs: number;
  readonly endMs: number;
  readonly slices: readonly PlannedSlice[];
  /** Whether what it reads can be cut for others when it ends. */
  readonly joinable: boolean;
}
