/** What a cycle settles with the budgets at its end: what its plan was charged, less what its reads took. */
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import { modelAndSource } from '../domain/decision/batch/flow-id.js';
import { treatedSteps } from '../domain/decision/quality/correct.js';
import type { QualityStageInputs } from './quality-stage.js';
import type { CycleContext } from './store-ports.js';

/** What was charged at planning and then not taken: given back to the sources' budgets. Negative where more was taken. */
export function unused(
  { definition }: CycleContext,
  plan: BatchOutcome,
  { results, underWay = [], rerouted = {}, treated = {} }: QualityStageInputs,
): Record<string, number> {
  const taken: Record<string, number> = {};
  const take = (source: string, bytes: number, rows: number): void => {
    taken[`bytes:${source}`] = (taken[`bytes:${source}`] ?? 0) + bytes;
    taken[`rows:${source}`] = (taken[`rows:${source}`] ?? 0) + rows;
  };
  const sourceOf = new Map(plan.reads.flatMap((read) => read.slices.map(({ id }) => [id, read.source] as const)));
  for (const { itemId, chargedBytes, slice } of results) {
    const source = sourceOf.get(itemId);
    if (source === undefined || definition.sources[source] === undefined) continue;
    take(source, chargedBytes, slice === null || slice.bytes === 0 ? 0 : (slice.rows * chargedBytes) / slice.bytes);
  }
  // What goes on without its cycle settles by itself: all that it was charged is its own.
  const going = new Set(underWay.flatMap(({ itemId, resource }) => (resource?.startsWith('read:') ? [itemId] : [])));
  for (const { itemId, cost, bytes, rows } of plan.grants) {
    const source = going.has(itemId) ? sourceOf.get(itemId) : undefined;
    if (source !== undefined) take(source, cost[`bytes:${source}`] ?? bytes, cost[`rows:${source}`] ?? rows);
  }
  // What was read in the place of something else was charged to nobody yet.
  const further = Object.keys(treated).flatMap((itemId) => readsOf(treated, itemId));
  for (const { source, chargedBytes, rows } of [...Object.values(rerouted).flat(), ...further])
    take(source, chargedBytes, rows);
  const resources = [...new Set([...Object.keys(plan.charges), ...Object.keys(taken)])].sort();
  return Object.fromEntries(
    resources.map((resource) => [resource, (plan.charges[resource] ?? 0) - (taken[resource] ?? 0)]),
  );
}

/**
 * The balances that a cycle changes. Whose read never began got nothing, and nobody owes for it: on its source all balances
 * stay as they were, and so does their sum.
 */
export function movedCredits({ credits, reads }: BatchOutcome, { underWay = [] }: QualityStageInputs) {
  const notBegun = new Set(underWay.flatMap(({ itemId, resource }) => (resource === 'reads' ? [itemId] : [])));
  const still = reads.filter(({ slices }) => slices.some(({ id }) => notBegun.has(id))).map(({ source }) => source);
  return Object.fromEntries(Object.entries(credits).filter(([flow]) => !still.includes(modelAndSource(flow).source)));
}

/** What was read in the place of dropped rows, kept or not. */
export function readsOf(treated: NonNullable<QualityStageInputs['treated']>, itemId: string) {
  return treatedSteps(treated, itemId).flatMap((copy) => (copy?.read === undefined ? [] : [copy.read]));
}
