/**
 * Fairness over time by credits: Karma (Vuppalapati et al., OSDI 2023, algorithm 1), with weights, several resources
 * and divisible amounts. In every quantum each model is guaranteed half of its fair share; what it does not ask for it
 * donates, and earns credits as far as others use it; what it takes beyond it pays in credits, the richest first.
 * The paper's equal free credits per quantum are left out: they move everybody alike and change no order.
 */
import type { AllocationInstance } from './allocation-instance.js';
import type { AllocationProblem } from './allocation-problem.js';
import { fillTree, startFilling, type Filling } from './progressive-filling.js';
import { roundToSteps } from './whole-units.js';

/** Guaranteed part of the fair share: alpha of the Karma paper, section 5 (its default). */
const GUARANTEED_FRACTION = 0.5;

/**
 * Allocates one quantum of a problem without cohorts and settles its credits.
 * @param problem the instance with `cap` = what each model asks for in this quantum
 * @param credits balance of each model, in units of the model of the largest price; changed in place
 * O(models x distinct balances x demands).
 */
export function fillQuantum(problem: AllocationProblem, credits: Float64Array): Filling {
  const price = prices(problem);
  const guaranteed = guaranteedUnits(problem);
  const asked = problem.cap;
  const filling = startFilling(
    problem,
    Float64Array.from(asked, (units, i) => Math.min(units, guaranteed[i])),
  );
  lendByCredits(problem, filling, credits, price);
  // Models without weight have neither a guarantee nor a price: they get what is left.
  fillTree(problem, filling);
  // Steps are picked by the balance that is left after the price of the units held.
  const dearest = largestOf(price.map((_, i) => weightedUnitShare(problem, i)));
  const offset = credits.map((balance, i) => -(balance + guaranteed[i] * price[i]) * dearest);
  const rounded = roundToSteps(problem, filling, offset);
  settle(rounded.units, asked, guaranteed, credits, price);
  return rounded;
}

/** Settles a quantum in which the models really had `units`, whatever they were allotted; credits as in `fillQuantum`. */
export function settleQuantum(problem: AllocationProblem, units: Float64Array, credits: Float64Array): void {
  settle(units, problem.cap, guaranteedUnits(problem), credits, prices(problem));
}

/** The weighted dominant share that one credit of `fillQuantum` stands for; 0 when nobody can use anything. */
export function creditShare(problem: AllocationProblem): number {
  return largestOf(problem.unitShare.map((_, i) => weightedUnitShare(problem, i)));
}

/** The same instance with the demands of one quantum as caps; a model that is not named asks for nothing. */
export function withDemands(problem: AllocationProblem, demands: Readonly<Record<string, number>>): AllocationProblem {
  return {
    ...problem,
    cap: Float64Array.from(problem.cap, (cap, i) => Math.min(cap, demands[problem.modelIds[i]] ?? 0)),
  };
}

export function startCredits(problem: AllocationProblem, models: AllocationInstance['models']): Float64Array {
  const given = new Map(models.map((model) => [model.id, model.credits ?? 0]));
  return Float64Array.from(problem.modelIds, (id) => given.get(id) ?? 0);
}

function weightedUnitShare(problem: AllocationProblem, i: number): number {
  return problem.weight[i] > 0 && problem.unitShare[i] < Infinity ? problem.unitShare[i] / problem.weight[i] : 0;
}

/** Credits for one unit: its weighted dominant share, scaled so that the dearest costs 1 (equal models: 1 each). */
function prices(problem: AllocationProblem): Float64Array {
  const shares = problem.unitShare.map((_, i) => weightedUnitShare(problem, i));
  const largest = largestOf(shares);
  return shares.map((share) => (largest > 0 ? share / largest : 0));
}

function largestOf(values: Float64Array): number {
  return values.reduce((largest, value) => Math.max(largest, value), 0);
}

/** Half of what each model would have of what is there, alone with its weight; 0 for what cannot run. */
function guaranteedUnits({
  weight,
  demandStart,
  demandResource,
  demandAmount,
  ceiling,
}: AllocationProblem): Float64Array {
  const total = weight.reduce((sum, one) => sum + one, 0);
  return weight.map((own, i) => {
    let share = 0;
    for (let e = demandStart[i]; e < demandStart[i + 1]; e++)
      share = Math.max(share, demandAmount[e] / ceiling[demandResource[e]]);
    return share > 0 ? (GUARANTEED_FRACTION * own) / total / share || 0 : 0;
  });
}

/** Lends what is free to whoever asks for more than its guarantee: the richest pay first, down to the next balance. */
function lendByCredits(problem: AllocationProblem, filling: Filling, credits: Float64Array, price: Float64Array): void {
  const borrowers = Array.from(credits.keys())
    .filter((i) => price[i] > 0 && problem.cap[i] > filling.units[i])
    .sort((a, b) => credits[b] - credits[a] || a - b);
  let group: number[] = [];
  for (let next = 0; next < borrowers.length;) {
    const balance = credits[borrowers[next]];
    while (next < borrowers.length && credits[borrowers[next]] === balance) group.push(borrowers[next++]);
    const spend = next < borrowers.length ? balance - credits[borrowers[next]] : Infinity;
    const cap = Float64Array.from(problem.cap);
    const fixed = new Uint8Array(cap.length).fill(1);
    for (const i of group) {
      cap[i] = Math.min(cap[i], filling.units[i] + spend / price[i]);
      fixed[i] = 0;
    }
    fillTree({ ...problem, cap }, filling, fixed);
    // Whoever got less than it could pay for met a limit; whoever got its cap has all that it asked for.
    group = group.filter((i) => filling.units[i] === cap[i] && cap[i] < problem.cap[i]);
  }
}

/** Charges what was taken above the guarantee and pays the donors as far as it came from them, the poorest first. */
function settle(
  held: Float64Array,
  asked: Float64Array,
  guaranteed: Float64Array,
  credits: Float64Array,
  price: Float64Array,
): void {
  const spent = held.map((units, i) => Math.max(0, units - guaranteed[i]) * price[i]);
  const donated = guaranteed.map((units, i) => Math.max(0, units - asked[i]) * price[i]);
  const earned = raiseLowest(
    credits,
    donated,
    spent.reduce((sum, value) => sum + value, 0),
  );
  for (let i = 0; i < credits.length; i++) credits[i] += earned[i] - spent[i];
}

/** Gives `total` to the lowest levels first, each at most its limit: gain = clamp(line - level, 0, limit) for one line. */
function raiseLowest(levels: Float64Array, limits: Float64Array, total: number): Float64Array {
  if (limits.reduce((sum, limit) => sum + limit, 0) <= total) return limits;
  const members = Array.from(levels.keys()).filter((i) => limits[i] > 0);
  const bends = members
    .flatMap((i) => [
      { at: levels[i], slope: 1 },
      { at: levels[i] + limits[i], slope: -1 },
    ])
    .sort((a, b) => a.at - b.at || a.slope - b.slope);
  let given = 0;
  let slope = 0;
  let line = bends[0]?.at ?? 0;
  for (const bend of bends) {
    const reached = given + slope * (bend.at - line);
    if (reached >= total) break;
    given = reached;
    line = bend.at;
    slope += bend.slope;
  }
  if (slope > 0) line += (total - given) / slope;
  return limits.map((limit, i) => Math.min(limit, Math.max(0, line - levels[i])));
}
