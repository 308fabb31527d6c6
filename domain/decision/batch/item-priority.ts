/** Who goes first among the items of a model, and among reads: the terms of `scheduler/priority.ts`, from what a cycle knows. */
import {
  overtakeMsMax,
  scoreOf,
  termPoints,
  type PriorityRequest,
  type PriorityWeights,
} from '../../scheduler/priority.js';
import type { SizeModelState } from '../../batch/size-model.js';
import type { BatchInputs } from './batch-inputs.js';
import type { CostedItem } from './costs.js';
import { predictRead } from './read-cost.js';

/** Seconds of waiting that count as much as one level of the declared priority. */
export const SECONDS_PER_LEVEL = 60;
/** Levels of the declared priority (5 to 1, as 0 to 4), and what analyze finds critical (0 to 1), together. */
const LEVELS = 5;

/** A level of declared priority weighs one; so do a deadline without slack, and a full bucket that others had of its share. */
export const ITEM_WEIGHTS: PriorityWeights = {
  criticality: LEVELS,
  urgency: 1,
  fairnessDebt: 1,
  agingMs: SECONDS_PER_LEVEL * 1_000,
};
/** An item goes before every one of its model that came this much later, whatever else is true of the two. */
export const OVERTAKE_MS_MAX = overtakeMsMax(ITEM_WEIGHTS);

/** Points that each term adds to a score. */
export type PriorityPoints = Readonly<Record<string, number>>;

/** What the score of an item is made of; terms that add nothing are left out. */
export function priorityPoints(costed: CostedItem, debt: number, inputs: BatchInputs): PriorityPoints {
  return termPoints(requestOf(costed, debt, inputs), inputs.nowMs, ITEM_WEIGHTS);
}

/** @param debt what its model is owed on its source, 0 to 1 */
export function itemScore(costed: CostedItem, debt: number, inputs: BatchInputs): number {
  return scoreOf(requestOf(costed, debt, inputs), inputs.nowMs, ITEM_WEIGHTS);
}

function requestOf(
  { item, rows, criticality, attempts }: CostedItem,
  debt: number,
  inputs: BatchInputs,
): PriorityRequest {
  // A need is asked anew in each cycle: it has waited since the first one that could not give even its least.
  const waitedMs = item.kind === 'need' ? (attempts - 1) * inputs.windowMs : 0;
  const model = inputs.readCosts[item.dataset] as SizeModelState | undefined;
  return {
    id: item.id,
    criticality: (LEVELS - item.priority + criticality) / LEVELS,
    // A clock that was set back must not make anybody wait less than nothing.
    arrivalMs: Math.min(item.createdMs, inputs.nowMs) - waitedMs,
    deadlineMs: item.deadlineMs,
    serviceMs: model === undefined ? 0 : (predictRead(model, [{ rows, fields: item.fields }])?.msTail ?? 0),
    fairnessDebt: debt,
  };
}
