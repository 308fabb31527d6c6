/** Proof that an allocation is what it claims to be, without solving anything: O(demands). */
import type { AllocationInstance, AllocationResult } from './allocation-instance.js';
import { compileAllocation, type AllocationProblem } from './allocation-problem.js';
import { useOf, type Filling } from './progressive-filling.js';

/** Relative tolerance of every comparison: far above rounding (1e-16 per operation), far below any amount that matters. */
const TOLERANCE = 1e-9;

/**
 * Checks a result against its instance.
 *
 * Always: no limit is exceeded, no cap either, steps are whole, and each model is at its cap or stopped by a limit on its
 * way to the pool that leaves no room for more (with gangs or whole units: for one more step).
 * Flat and divisible: also the certificate of weighted max-min fairness: a model below its cap uses a used-up resource on
 * which its weighted dominant share is the largest (Bertsekas, Gallager, Data Networks, 1992, section 6.5.2).
 * @returns one sentence for each violation; empty: the allocation is proven.
 */
export function checkCertificate(instance: AllocationInstance, result: AllocationResult): string[] {
  const problem = compileAllocation(instance);
  const byId = new Map(result.allocations.map((allocation) => [allocation.id, allocation.units]));
  const units = Float64Array.from(problem.modelIds, (id) => byId.get(id) ?? NaN);
  const used = useOf(problem, units);
  const flat = problem.parent.length === 1 && problem.step.every((step) => step === 0);
  const violations = problem.modelIds
    .filter(
      (_, i) => !(units[i] >= 0 && units[i] <= problem.cap[i] * (1 + TOLERANCE)) || !isWhole(units[i], problem.step[i]),
    )
    .map((id) => `${id} has ${byId.get(id) ?? 'no'} units: outside 0 to its cap, or not whole`);
  for (let at = 0; at < used.length; at++) {
    if (used[at] > problem.ceiling[at] * (1 + TOLERANCE))
      violations.push(`${limitName(problem, at)} is exceeded: ${used[at]} of ${problem.ceiling[at]}`);
  }
  const largest = flat ? largestLevels(problem, units) : undefined;
  for (const [i, id] of problem.modelIds.entries()) {
    if (!isJustified(problem, { units, used }, i, largest))
      violations.push(`${id} has ${units[i]} units and nothing that justifies that it has no more`);
  }
  return violations;
}

function isWhole(units: number, step: number): boolean {
  return step === 0 || Math.abs(units / step - Math.round(units / step)) <= TOLERANCE;
}

function limitName(problem: AllocationProblem, at: number): string {
  const width = problem.resourceNames.length;
  const v = Math.floor(at / width);
  return `${problem.resourceNames[at % width]}${v === 0 ? '' : ` of cohort ${problem.nodeIds[v]}`}`;
}

/** By resource, the largest weighted dominant share among its users; models without weight are above all others. */
function largestLevels(problem: AllocationProblem, units: Float64Array): Float64Array {
  const largest = new Float64Array(problem.resourceNames.length);
  for (let i = 0; i < units.length; i++) {
    if (units[i] === 0) continue;
    for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
      largest[problem.demandResource[e]] = Math.max(largest[problem.demandResource[e]], level(problem, units, i));
    }
  }
  return largest;
}

function level(problem: AllocationProblem, units: Float64Array, i: number): number {
  const share = units[i] === 0 ? 0 : units[i] * problem.unitShare[i];
  // Weighted shares of a model with weight w are at most 1 / w; one without weight stands above the largest of them.
  return problem.weight[i] > 0 ? share / problem.weight[i] : WEIGHTLESS * (1 + share);
}
const WEIGHTLESS = 1e300;

function isJustified(
  problem: AllocationProblem,
  { units, used }: Pick<Filling, 'units' | 'used'>,
  i: number,
  largest?: Float64Array,
): boolean {
  const step = problem.step[i];
  const hasItsCap = step > 0 ? units[i] + step > problem.cap[i] : units[i] >= problem.cap[i] * (1 - TOLERANCE);
  if (hasItsCap || problem.unitShare[i] === 0) return true;
  const width = problem.resourceNames.length;
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    const resource = problem.demandResource[e];
    let growth = step * problem.demandAmount[e];
    for (let v = problem.node[i]; v >= 0; v = problem.parent[v]) {
      const at = v * width + resource;
      const full = used[at] + growth >= problem.ceiling[at] * (1 - TOLERANCE);
      const fair = largest === undefined || level(problem, units, i) >= largest[resource] * (1 - TOLERANCE);
      if (full && fair) return true;
      // Growth inside a reserve costs the parent nothing.
      const free = Math.max(0, problem.reserve[at] - used[at]);
      if (step === 0 ? free > TOLERANCE * problem.reserve[at] : growth <= free) break;
      growth = Math.max(0, growth - free);
    }
  }
  return false;
}
