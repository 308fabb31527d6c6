/**
 * Credits beside cohorts. What a cohort has is decided anew in every quantum by its guarantee, its limits and its weight;
 * credits say only how the members of one cohort divide that among themselves. So no balance can take a guarantee from
 * another cohort, and who went short is still served first by its own. (Kueue draws the same line: fair sharing between
 * queues, usage over time between the users of one queue.) Models of no cohort are members of the pool itself.
 */
import type { AllocationProblem } from './allocation-problem.js';
import { fillQuantum, settleQuantum } from './karma.js';
import { fillNode, fillTree, startFilling, type Filling } from './progressive-filling.js';
import { roundToSteps } from './whole-units.js';

/** Models that owe each other, and the problem of sharing what they have together. */
export interface CreditGroup {
  /** Indices in the whole problem, ascending. */
  readonly members: readonly number[];
  readonly problem: AllocationProblem;
}

/** One group for each node that has models of its own; without cohorts the whole problem. */
export function creditGroups(problem: AllocationProblem): CreditGroup[] {
  const { modelIds, node, parent } = problem;
  if (parent.length === 1) return [{ members: [...modelIds.keys()], problem }];
  const fair = startFilling(problem);
  fillTree(problem, fair);
  const members = Array.from(parent, (): number[] => []);
  for (let i = 0; i < modelIds.length; i++) members[node[i]].push(i);
  return members
    .filter((some) => some.length > 0)
    .map((some) => ({ members: some, problem: alone(problem, some, fair.units) }));
}

/** The members as a pool of their own, whose capacity is what they use together. Prices stay those of the whole pool. */
function alone(problem: AllocationProblem, members: readonly number[], units: Float64Array): AllocationProblem {
  const held = new Float64Array(problem.capacity.length);
  const demandStart = new Int32Array(members.length + 1);
  const entries: number[] = [];
  for (const [m, i] of members.entries()) {
    for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
      held[problem.demandResource[e]] += units[i] * problem.demandAmount[e];
      entries.push(e);
    }
    demandStart[m + 1] = entries.length;
  }
  const of = (values: Float64Array): Float64Array => Float64Array.from(members, (i) => values[i]);
  return {
    ...problem,
    ...{ modelIds: members.map((i) => problem.modelIds[i]), weight: of(problem.weight), cap: of(problem.cap) },
    // Steps are for the whole problem to take: here everything is divisible.
    ...{ step: new Float64Array(members.length), running: of(problem.running), unitShare: of(problem.unitShare) },
    ...{ node: new Int32Array(members.length), demandStart },
    demandResource: Int32Array.from(entries, (e) => problem.demandResource[e]),
    demandAmount: Float64Array.from(entries, (e) => problem.demandAmount[e]),
    ...{ nodeIds: [''], parent: Int32Array.of(-1), nodeWeight: Float64Array.of(1) },
    ...{ guarantee: held, reserve: new Float64Array(held.length), ceiling: held },
  };
}

/**
 * Allocates one quantum, the members of each group by their credits, and settles these.
 * @param groups of this very problem
 * @param credits balance of each model, in units of the dearest model of its group; changed in place
 */
export function fillByCredits(
  problem: AllocationProblem,
  groups: readonly CreditGroup[],
  credits: Float64Array,
): Filling {
  if (problem.parent.length === 1) return fillQuantum(problem, credits);
  const units = new Float64Array(problem.modelIds.length);
  for (const { members, problem: own } of groups) {
    const filled = fillQuantum(
      own,
      Float64Array.from(members, (i) => credits[i]),
    );
    for (const [m, i] of members.entries()) units[i] = filled.units[m];
  }
  // What a group divided otherwise than the fair filling may leave some resource over: everybody grows into that, inside
  // every limit up to the pool (what is lent already is not asked back in the same quantum).
  const filling = startFilling(problem, units);
  fillNode(problem, filling, 0);
  const rounded = roundToSteps(problem, filling);
  for (const { members, problem: own } of groups) {
    const after = Float64Array.from(members, (i) => credits[i]);
    settleQuantum(
      own,
      Float64Array.from(members, (i) => rounded.units[i]),
      after,
    );
    for (const [m, i] of members.entries()) credits[i] = after[m];
  }
  return rounded;
}
