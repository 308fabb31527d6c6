/**
 * The stages of the loop, in order. A stage has the same name in workflow, activity and record.
 * This module is the only part of the decision that workflow code imports: it changes rarely.
 */
export const STAGES = ['analyze', 'predict', 'batch', 'quality-check', 'coordinate'] as const;
export type Stage = (typeof STAGES)[number];

/** What a decision's record holds, in order: why its cycle began when it did, where waiting requests began it, and the stages. */
const RECORDED = ['release', ...STAGES] as const;
export type Recorded = (typeof RECORDED)[number];

export function ordinalOf(part: Recorded): number {
  return RECORDED.indexOf(part);
}

/** How a decision ends. `partial`: something was delivered, something was not. */
export type Outcome = 'delivered' | 'partial' | 'empty' | 'rejected' | 'failed' | 'cancelled';
export type Trigger = 'manual' | 'schedule' | 'work' | 'backfill';

/** Reads of one cycle that run at the same time: lanes of the workflow, and what the schedule of reads counts on. */
export const READS_IN_FLIGHT_MAX = 4;
