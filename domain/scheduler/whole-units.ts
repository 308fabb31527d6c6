/**
 * Whole units and gangs. Models with a step keep the whole part of their divisible share, so that nobody falls below
 * what fairness owes in whole steps; what that frees is picked step by step, lowest weighted dominant share first
 * (Ghodsi et al., NSDI 2011, algorithm 1), children before parents as in `fillTree`.
 */
import { Heap } from 'heap-js';
import type { AllocationProblem } from './allocation-problem.js';
import { fillNode, fillTree, startFilling, STOPPED_BY_CAP, useOf, type Filling } from './progressive-filling.js';

/** Sums of decimal fractions round: three tenths must fit three times into 0.9. Relative to the limit. */
const FIT_TOLERANCE = 1e-12;
/** The same for a whole filling, whose many sums round more. */
const FIT_TOLERANCE_SUMS = 1e-10;

/**
 * Rounds a divisible filling to steps. Without stepped models it is returned as it is.
 * @param offset added to each model's level (weighted share) when the next pick is chosen; absent: 0.
 */
export function roundToSteps(problem: AllocationProblem, divisible: Filling, offset?: Float64Array): Filling {
  const stepped = Uint8Array.from(problem.step, (step) => (step > 0 ? 1 : 0));
  if (!stepped.includes(1)) return divisible;
  const units = Float64Array.from(divisible.units, (value, i) =>
    stepped[i] === 1 ? Math.floor(value / problem.step[i]) * problem.step[i] : value,
  );
  const filling: Filling = { ...divisible, units, used: useOf(problem, units) };
  pickTree(problem, filling, offset);
  if (!stepped.includes(0)) return filling;
  // The divisible models share what the steps left, from the start, so that they stay fair among themselves ...
  const rest = startFilling(
    problem,
    Float64Array.from(units, (value, i) => (stepped[i] === 1 ? value : 0)),
  );
  fillTree(problem, rest, stepped);
  // ... and a step that fits now, beside their new shares, is not left lying.
  pickTree(problem, rest, offset);
  if (fitsEverywhere(problem, rest)) return rest;
  // Steps stand on what a cohort lent out and now wants back. The first sharing fits: everybody keeps it and the
  // divisible models grow on from there, inside every limit up to the pool, so that nothing is left lying either.
  fillNode(problem, filling, 0, stepped);
  pickTree(problem, filling, offset);
  return filling;
}

function fitsEverywhere(problem: AllocationProblem, filling: Filling): boolean {
  return filling.used.every((amount, at) => amount <= problem.ceiling[at] * (1 + FIT_TOLERANCE_SUMS));
}

/** Picks in every node that has a guarantee, children before parents; the pool last. */
function pickTree(problem: AllocationProblem, filling: Filling, offset?: Float64Array): void {
  const width = problem.resourceNames.length;
  for (let v = problem.parent.length - 1; v >= 0; v--) {
    const guarantee = problem.guarantee.subarray(v * width, (v + 1) * width);
    if (v === 0 || guarantee.some((amount) => amount > 0)) pickSteps(problem, filling, v, offset);
  }
}

/**
 * Gives steps below node `top`, one at a time, until none fits. Changes `filling`.
 * @returns the models in the order of their picks.
 */
export function pickSteps(problem: AllocationProblem, filling: Filling, top: number, offset?: Float64Array): number[] {
  const picks: number[] = [];
  const queues = startQueues(problem, filling, top, offset);
  for (let i = nextModel(problem, filling, queues, top); i >= 0; i = nextModel(problem, filling, queues, top)) {
    const queue = queues[problem.node[i]]!;
    queue.pop();
    grant(problem, filling, i);
    picks.push(i);
    if (filling.units[i] + problem.step[i] <= problem.cap[i]) queue.push(i);
    else filling.stopResource[i] = STOPPED_BY_CAP;
  }
  return picks;
}

/** The front of a queue, after taking out for good whoever's step does not fit: use only grows, so it never will. */
function nextFitting(
  problem: AllocationProblem,
  filling: Filling,
  queue: Heap<number>,
  top: number,
): number | undefined {
  for (let i = queue.peek(); i !== undefined; i = queue.peek()) {
    const obstacle = obstacleTo(problem, filling, i, top);
    if (obstacle === undefined) return i;
    queue.pop();
    filling.stopNode[i] = obstacle.node;
    filling.stopResource[i] = obstacle.resource;
  }
  return undefined;
}

/** A queue of models for each node of the subtree, the next to pick in front; undefined outside. */
function startQueues(
  problem: AllocationProblem,
  filling: Filling,
  top: number,
  offset?: Float64Array,
): (Heap<number> | undefined)[] {
  const { weight, unitShare, step, units, running } = { ...problem, units: filling.units };
  const level = (i: number) => (units[i] * unitShare[i]) / (weight[i] || 1) + (offset?.[i] ?? 0);
  const compare = (a: number, b: number): number =>
    Number(weight[a] === 0) - Number(weight[b] === 0) ||
    level(a) - level(b) ||
    // Whoever runs the step already keeps it: nothing is preempted for a tie.
    Number(units[a] >= running[a]) - Number(units[b] >= running[b]) ||
    // The larger step first, while there is room for it.
    step[b] * unitShare[b] - step[a] * unitShare[a] ||
    a - b;
  const queues: (Heap<number> | undefined)[] = problem.nodeIds.map(() => undefined);
  const members: number[][] = problem.nodeIds.map(() => []);
  for (let i = 0; i < units.length; i++) {
    if (step[i] === 0 || unitShare[i] === 0) continue;
    if (units[i] + step[i] <= problem.cap[i]) members[problem.node[i]].push(i);
    else filling.stopResource[i] = STOPPED_BY_CAP;
  }
  for (let v = top; v < queues.length; v++) {
    if (v !== top && queues[problem.parent[v]] === undefined) continue;
    queues[v] = new Heap<number>(compare);
    queues[v]!.init(members[v]);
  }
  return queues;
}

/** A model that may be picked, with the share that speaks for it among its siblings. */
interface Candidate {
  readonly model: number;
  readonly share: number;
}

/** Descends from `top` to the child with the lowest weighted share (of nodes: borrowed). -1 when no step fits. */
function nextModel(
  problem: AllocationProblem,
  filling: Filling,
  queues: readonly (Heap<number> | undefined)[],
  top: number,
): number {
  if (queues.length === 1) return nextFitting(problem, filling, queues[0]!, top) ?? -1;
  const best: (Candidate | undefined)[] = [];
  const offer = (v: number, candidate: Candidate) => {
    const other = best[v];
    const order =
      other === undefined
        ? -1
        : candidate.share - other.share || Number(isSettled(candidate)) - Number(isSettled(other));
    if (order <= 0) best[v] = candidate;
  };
  const isSettled = ({ model }: Candidate) => filling.units[model] >= problem.running[model];
  // Children come after their parents, so going down from the last settles each node before its parent asks it.
  for (let v = queues.length - 1; v >= top; v--) {
    const queue = queues[v];
    const model = queue === undefined ? undefined : nextFitting(problem, filling, queue, top);
    if (model !== undefined) {
      const share = (filling.units[model] * problem.unitShare[model]) / problem.weight[model];
      offer(v, { model, share: problem.weight[model] > 0 ? share : Number.MAX_VALUE });
    }
    const winner = best[v];
    if (v === top || winner === undefined) continue;
    offer(problem.parent[v], {
      model: winner.model,
      share: problem.nodeWeight[v] > 0 ? borrowedShare(problem, filling, v) : Number.MAX_VALUE,
    });
  }
  return best[top]?.model ?? -1;
}

/** Share value of a node: its largest use above its guarantee, as a fraction of capacity, over its weight. */
function borrowedShare(problem: AllocationProblem, filling: Filling, v: number): number {
  const width = problem.resourceNames.length;
  const at = v * width;
  return shareValue(
    filling.used.subarray(at, at + width),
    problem.guarantee.subarray(at, at + width),
    problem.capacity,
    problem.nodeWeight[v],
  );
}

/**
 * Kueue's share value without its factor of 1000: max over resources of (used - nominal) / lendable, over the weight.
 * 0 within the nominal quota; Infinity for a borrower of weight 0. (kueue `pkg/cache/fair_sharing.go`.)
 */
export function shareValue(
  used: ArrayLike<number>,
  nominal: ArrayLike<number>,
  lendable: ArrayLike<number>,
  weight: number,
): number {
  let largest = 0;
  for (let r = 0; r < used.length; r++)
    if (used[r] > nominal[r]) largest = Math.max(largest, (used[r] - nominal[r]) / lendable[r]);
  return largest === 0 ? 0 : largest / weight;
}

/**
 * The first limit on the way from a model to the pool that one more step would exceed: the guarantee of `top`, the
 * ceiling of every other node. Those above `top` count too: others may hold what it lent out.
 */
function obstacleTo(
  problem: AllocationProblem,
  filling: Filling,
  i: number,
  top: number,
): { node: number; resource: number } | undefined {
  const width = problem.resourceNames.length;
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    const resource = problem.demandResource[e];
    let growth = problem.step[i] * problem.demandAmount[e];
    for (let v = problem.node[i]; v >= 0 && growth > 0; v = problem.parent[v]) {
      const at = v * width + resource;
      const limit = v === top ? problem.guarantee[at] : problem.ceiling[at];
      const used = filling.used[at];
      if (used + growth > limit * (1 + FIT_TOLERANCE)) return { node: v, resource };
      growth = Math.max(0, used + growth - Math.max(used, problem.reserve[at]));
    }
  }
  return undefined;
}

function grant(problem: AllocationProblem, filling: Filling, i: number): void {
  const width = problem.resourceNames.length;
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    let growth = problem.step[i] * problem.demandAmount[e];
    for (let v = problem.node[i]; v >= 0 && growth > 0; v = problem.parent[v]) {
      const at = v * width + problem.demandResource[e];
      const used = filling.used[at];
      filling.used[at] = used + growth;
      growth = Math.max(0, used + growth - Math.max(used, problem.reserve[at]));
    }
  }
  filling.units[i] += problem.step[i];
}
