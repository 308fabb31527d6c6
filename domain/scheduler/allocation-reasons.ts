/** One sentence for each allocation: what stopped it, who holds it, what is short, what would help. */
import type { Allocation } from './allocation-instance.js';
import type { AllocationProblem } from './allocation-problem.js';
import { STOPPED_BY_CAP, STOPPED_BY_DEMAND, type Filling } from './progressive-filling.js';

/** Holders named in a reason; more would hide the sentence. */
const HOLDERS_MAX = 3;

/** Allocations ordered by model id, each with its reason. O(models x demands + nodes x resources). */
export function explainAllocations(problem: AllocationProblem, filling: Filling): Allocation[] {
  const holders = holdersByLimit(problem, filling);
  return problem.modelIds.map((id, i) => {
    const units = filling.units[i];
    const stop = filling.stopResource[i];
    const binding =
      stop === STOPPED_BY_CAP ? 'cap' : stop === STOPPED_BY_DEMAND ? 'demand' : problem.resourceNames[stop];
    const dominantShare = units === 0 ? 0 : units * problem.unitShare[i];
    return { id, units, dominantShare, binding, reason: reasonOf(problem, filling, holders, i) };
  });
}

function reasonOf(
  problem: AllocationProblem,
  filling: Filling,
  holders: ReadonlyMap<number, number[]>,
  i: number,
): string {
  const stop = filling.stopResource[i];
  const units = filling.units[i];
  if (stop === STOPPED_BY_CAP) return `Has all ${show(problem.cap[i])} units that it asked for.`;
  if (stop === STOPPED_BY_DEMAND) return 'Demands no resource and has no cap, so it needs 0 units to run.';
  const name = problem.resourceNames[stop];
  const at = filling.stopNode[i] * problem.resourceNames.length + stop;
  const limit = filling.stopNode[i] === 0 ? problem.capacity[stop] : problem.ceiling[at];
  const where = filling.stopNode[i] === 0 ? name : `${name} of cohort ${problem.nodeIds[filling.stopNode[i]]}`;
  if (limit === 0) return `There is no ${where}: its limit is 0, so no unit can run.`;
  const others = (holders.get(at) ?? []).filter((j) => j !== i).slice(0, HOLDERS_MAX);
  const held = others.map((j) => `${problem.modelIds[j]} ${show(useOf(problem, filling, j, stop))}`).join(', ');
  const wanted = problem.cap[i] === Infinity ? '' : ` of ${show(problem.cap[i])}`;
  const shortfall =
    problem.cap[i] === Infinity ? '' : `, ${show((problem.cap[i] - units) * demandOf(problem, i, stop))} short`;
  const by = held === '' ? 'it holds all of it' : `held by ${held}`;
  return `Gets ${show(units)}${wanted} units: ${where} is used up (${show(limit)}; ${by}${shortfall}); more ${name}, a larger weight or less use by others would help.`;
}

/** By limit that stopped someone: the models that hold the resource under that node, largest use first. */
function holdersByLimit(problem: AllocationProblem, filling: Filling): Map<number, number[]> {
  const width = problem.resourceNames.length;
  const holders = new Map<number, number[]>();
  for (let i = 0; i < filling.units.length; i++) {
    if (filling.stopResource[i] >= 0) holders.set(filling.stopNode[i] * width + filling.stopResource[i], []);
  }
  for (let i = 0; i < filling.units.length; i++) {
    if (filling.units[i] === 0) continue;
    for (let v = problem.node[i]; v >= 0; v = problem.parent[v]!) {
      for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++)
        holders.get(v * width + problem.demandResource[e])?.push(i);
    }
  }
  for (const [at, list] of holders) {
    const use = Float64Array.from(list, (i) => useOf(problem, filling, i, at % width));
    const order = Array.from(list.keys()).sort((a, b) => use[b] - use[a] || a - b);
    // One more than is named: a model is not named among the others that hold its own limit.
    holders.set(
      at,
      order.slice(0, HOLDERS_MAX + 1).map((position) => list[position]),
    );
  }
  return holders;
}

function demandOf(problem: AllocationProblem, i: number, resource: number): number {
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++)
    if (problem.demandResource[e] === resource) return problem.demandAmount[e];
  return 0;
}

function useOf(problem: AllocationProblem, filling: Filling, i: number, resource: number): number {
  return filling.units[i] * demandOf(problem, i, resource);
}

/** Six significant digits: enough to recognise a number, short enough to read. */
function show(value: number): string {
  return String(Number(value.toPrecision(6)));
}
