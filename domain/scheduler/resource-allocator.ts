/** Fair allocation of pool resources to models: what `balance allocate` and the balance cycle call. */
import type { AllocationInstance, AllocationResult } from './allocation-instance.js';
import { compileAllocation, type AllocationProblem } from './allocation-problem.js';
import { explainAllocations } from './allocation-reasons.js';
import { creditGroups, fillByCredits, type CreditGroup } from './cohort-credits.js';
import { creditShare, settleQuantum, startCredits, withDemands } from './karma.js';
import { fillTree, startFilling, STOPPED_BY_CAP, STOPPED_BY_DEMAND, type Filling } from './progressive-filling.js';
import { roundToSteps } from './whole-units.js';

export type { AllocationInstance, AllocationResult };

/**
 * Shares the resources among the models: weighted dominant-resource fairness with caps, cohorts, gangs and whole units.
 * @param instance resources and demands in any consistent unit; see docs/ALLOCATION.md for every field.
 * @returns allocations ordered by model id; independent of the order of the input.
 * @throws BalanceError `InvalidAllocation` for inconsistent input. No models: no allocations, jain 1.
 */
export function allocate(instance: AllocationInstance): AllocationResult {
  return share(instance).explained();
}

/** A result before it is put into words: for who asks again and again, and tells the last answer only. */
export interface Shares {
  /** By model, in order of id. */
  readonly units: Float64Array;
  /** Whether a limit stopped anybody. */
  readonly scarce: boolean;
  explained(): AllocationResult;
}

/** `allocate`, put into words only when asked. */
export function share(instance: AllocationInstance): Shares {
  const problem = compileAllocation(instance);
  const filling = startFilling(problem);
  fillTree(problem, filling);
  return sharesOf(problem, roundToSteps(problem, filling));
}

function sharesOf(problem: AllocationProblem, filling: Filling): Shares {
  return {
    units: filling.units,
    scarce: filling.stopResource.some((stop) => stop !== STOPPED_BY_CAP && stop !== STOPPED_BY_DEMAND),
    explained: () => toResult(problem, filling),
  };
}

/**
 * Shares the resources in each quantum of `instance.quanta`, with fairness over time by Karma credits.
 * @returns one result per quantum, in order; no quanta: none.
 */
export function allocateOverTime(instance: AllocationInstance): AllocationResult[] {
  const problem = compileAllocation(instance);
  const credits = startCredits(problem, instance.models);
  return (instance.quanta ?? []).map(({ demands }) => {
    const quantum = withDemands(problem, demands);
    return toResult(quantum, fillByCredits(quantum, creditGroups(quantum), credits));
  });
}

/** Balances by model id, in weighted dominant shares: whoever has more of them is served first beyond its guarantee. */
export type Credits = Readonly<Record<string, number>>;

/**
 * Shares one quantum by Karma credits; with equal balances it is `allocate` for flat instances. With cohorts, credits
 * count between the members of one.
 * @param credits balances before it; a model that is not named has 0
 */
export function shareWithCredits(instance: AllocationInstance, credits: Credits): Shares {
  const problem = compileAllocation(instance);
  const groups = creditGroups(problem);
  const balances = new Float64Array(problem.modelIds.length);
  for (const group of groups) {
    const own = balancesOf(group, credits);
    for (const [m, i] of group.members.entries()) balances[i] = own[m];
  }
  return sharesOf(problem, fillByCredits(problem, groups, balances));
}

/**
 * Balances after a quantum in which the models really had `units`. What one gains the others lose, of the same cohort
 * where there are cohorts: balances say who is owed by whom, and a model alone owes nobody.
 * @param units by model id; a model that is not named had none
 */
export function creditsAfter(
  instance: AllocationInstance,
  units: Readonly<Record<string, number>>,
  credits: Credits,
): Record<string, number> {
  const settled: Record<string, number> = {};
  for (const group of creditGroups(compileAllocation(instance))) {
    const { modelIds } = group.problem;
    const share = creditShare(group.problem);
    const before = balancesOf(group, credits);
    const after = before.slice();
    settleQuantum(
      group.problem,
      Float64Array.from(modelIds, (id) => units[id] ?? 0),
      after,
    );
    const changes = after.map((balance, i) => (balance - before[i]) * share);
    const mean = changes.reduce((sum, change) => sum + change, 0) / Math.max(1, changes.length);
    for (const [i, id] of modelIds.entries()) settled[id] = (credits[id] ?? 0) + changes[i] - mean;
  }
  return settled;
}

function balancesOf({ problem }: CreditGroup, credits: Credits): Float64Array {
  const share = creditShare(problem);
  return Float64Array.from(problem.modelIds, (id) => (share > 0 ? (credits[id] ?? 0) / share : 0));
}

function toResult(problem: AllocationProblem, filling: Filling): AllocationResult {
  const width = problem.resourceNames.length;
  const use = new Float64Array(width);
  for (let i = 0; i < filling.units.length; i++) {
    for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++)
      use[problem.demandResource[e]] += filling.units[i] * problem.demandAmount[e];
  }
  return {
    allocations: explainAllocations(problem, filling),
    utilization: Object.fromEntries(
      problem.resourceNames.map((name, r) => [
        name,
        problem.capacity[r] === 0 ? 0 : Math.min(1, use[r] / problem.capacity[r]),
      ]),
    ),
    jain: jainIndex(weightedShares(problem, filling)),
  };
}

/** Weighted dominant shares of the models that count for evenness: with weight, demand and a cap above 0. */
function weightedShares(problem: AllocationProblem, filling: Filling): number[] {
  const shares: number[] = [];
  for (let i = 0; i < filling.units.length; i++) {
    if (problem.weight[i] === 0 || problem.unitShare[i] === 0 || problem.cap[i] === 0) continue;
    shares.push(filling.units[i] === 0 ? 0 : (filling.units[i] * problem.unitShare[i]) / problem.weight[i]);
  }
  return shares;
}

/** (sum x)^2 / (n * sum x^2) (Jain, Chiu, Hawe 1984). 1 for none and for all zero: nobody is worse off than another. */
export function jainIndex(shares: readonly number[]): number {
  const largest = Math.max(0, ...shares);
  if (largest === 0) return 1;
  let sum = 0;
  let squares = 0;
  for (const share of shares) {
    sum += share / largest;
    squares += (share / largest) ** 2;
  }
  return (sum * sum) / (shares.length * squares);
}
