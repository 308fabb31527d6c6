/**
 * The stages of the loop, in order. A stage has the same name in workflow, activity and record.
 * This module is the only part of the decision that workflow code imports: it changes rarely.
 */
export const STAGES = ['analyze', 'predict', 'batch', 'quality-check', 'coordinate'] as const;
export type Stage = (typeof STAGES)[number];

export function ordinalOf(stage: Stage): number {
  return STAGES.indexOf(stage);
}

/** How a decision ends. `partial`: something was delivered, something was not. */
export type Outcome = 'delivered' | 'partial' | 'empty' | 'rejected' | 'failed' | 'cancelled';
export type Trigger = 'manual' | 'schedule' | 'work' | 'backfill';

/** Reads of one cycle that run at the same time: lanes of the workflow, and what the schedule of reads counts on. */
export const READS_IN_FLIGHT_MAX = 4;
