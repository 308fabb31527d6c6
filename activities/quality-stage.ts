/** The quality check's inputs as they are stored: with the whole slices, which the deliveries need later. */
import type { KnownAsk } from '../domain/decision/coordinate/ask.js';
import type {
  QualityInputs,
  Reroute,
  Result,
  Treated,
  TreatedSteps,
} from '../domain/decision/quality/quality-inputs.js';
import type { WaitReason } from '../domain/decision/work.js';
import type { SliceResult } from './ports.js';

/** Inputs as stored: the verdict's inputs, with the whole slices that the delivery needs later. */
export interface QualityStageInputs extends Omit<QualityInputs, 'items' | 'results' | 'treated' | 'rerouted'> {
  readonly results: readonly StoredResult[];
  /** What was granted and whose read goes on without this cycle, or has not begun; absent: nothing. */
  readonly underWay?: readonly WaitReason[];
  readonly treated?: Readonly<Record<string, TreatedSteps<StoredTreated>>>;
  readonly rerouted?: Readonly<Record<string, readonly StoredReroute[]>>;
  /** The last ask for data of each need. */
  readonly asked?: Readonly<Record<string, KnownAsk>>;
}
export interface StoredResult extends Omit<Result, 'slice'> {
  readonly slice: SliceResult | null;
  readonly contentId: string;
  /** This item's part of what its read took, in bytes. */
  readonly chargedBytes: number;
}
/** A further try with its file, and what it took. */
export interface StoredReroute extends Omit<Reroute, 'slice'> {
  readonly slice: SliceResult | null;
  readonly source: string;
  readonly contentId: string;
  readonly rows: number;
  readonly chargedBytes: number;
}
/** A treated copy with its file. */
export interface StoredTreated extends Treated {
  readonly file: SliceResult;
  /** The read of further rows in the place of dropped ones; absent: none was made. */
  readonly read?: { readonly source: string; readonly rows: number; readonly chargedBytes: number };
}
