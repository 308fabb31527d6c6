/** What the release of a cycle needs from Postgres. */
import type { ReleaseInputs, ReleaseOutcome } from '../domain/decision/release.js';
import type { PoolRef } from '../domain/types/pool.js';

/** Why a cycle for waiting requests began when it did. */
export interface Released {
  readonly inputs: ReleaseInputs;
  readonly outcome: ReleaseOutcome;
}
export interface RequestGate {
  /** What waits for a cycle now, with what its release is decided from; null when nothing does. */
  waiting(pool: PoolRef, nowMs: number): Promise<ReleaseInputs | null>;
  /** Keeps why the next cycle is due, until the next one is: only its digest passes through the workflow. */
  keep(pool: PoolRef, digest: string, released: Released, nowMs: number): Promise<void>;
  /** What was kept under this digest; null when it was another. */
  kept(pool: PoolRef, digest: string): Promise<Released | null>;
}
