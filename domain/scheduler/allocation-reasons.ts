/** One sentence for each allocation: what stopped it, who holds it, what is short, what would help. */
import type { Allocation } from './allocation-instance.js';
import type { AllocationProblem } from './allocation-problem.js';
import { STOPPED_BY_CAP, STOPPED_BY_DEMAND, type Filling } from './progressive-filling.js';

/** Holders named in a reason; more would hide the sentence. */
const HOLDERS_MAX = 3;

/** Facts of one limit (node and resource) that stopped somebody, put into words once. */
interface LimitFacts {
  /** "cpu (9)" or "cpu of cohort x (6)". */
  readonly name: string;
  readonly limit: number;
  readonly free: number;
  /** The largest holders, one more than is named: a model is not named among the others that hold its own limit. */
  readonly holders: readonly { readonly model: number; readonly text: string }[];
  /** Said after the holders: what lending limits keep back. */
  readonly keptBack: string;
}

/** Allocations ordered by model id, each with its reason. O(demands x depth of the tree). */
export function explainAllocations(problem: AllocationProblem, filling: Filling): Allocation[] {
  const limits = stoppingLimits(problem, filling);
  const width = problem.resourceNames.length;
  return problem.modelIds.map((id, i) => {
    const units = filling.units[i];
    const stop = filling.stopResource[i];
    const dominantShare = units === 0 ? 0 : Math.min(1, units * problem.unitShare[i]);
    if (stop === STOPPED_BY_CAP)
      return {
        id,
        units,
        dominantShare,
        binding: 'cap',
        reason: capReason(problem, units, i) + returned(problem, units, i),
      };
    if (stop === STOPPED_BY_DEMAND) {
      return {
        id,
        units,
        dominantShare,
        binding: 'demand',
        reason: 'Demands no resource and has no cap, so it needs 0 units.',
      };
    }
    const facts = limits.get(filling.stopNode[i] * width + stop)!;
    const reason = resourceReason(problem, facts, i, units, stop) + returned(problem, units, i);
    const allocation = { id, units, dominantShare, binding: problem.resourceNames[stop], reason };
    const cohort = problem.nodeIds[filling.stopNode[i]];
    return cohort === '' ? allocation : { ...allocation, cohort };
  });
}

function capReason(problem: AllocationProblem, units: number, i: number): string {
  const cap = problem.cap[i];
  if (units === cap) return `Has all ${show(cap)} units that it asked for.`;
  const step = problem.step[i];
  const grain = step === 1 ? 'units are whole' : `units come in gangs of ${show(step)}`;
  return `Has ${show(units)} of its cap of ${show(cap)}: ${grain}, and the next would exceed the cap; a cap of ${show(units + step)} would help.`;
}

function resourceReason(
  problem: AllocationProblem,
  facts: LimitFacts,
  i: number,
  units: number,
  resource: number,
): string {
  const name = problem.resourceNames[resource];
  if (facts.limit === 0) return `Gets 0 units: there is no ${facts.name}, and it cannot run without.`;
  const cap = problem.cap[i];
  const step = problem.step[i];
  const demand = demandOf(problem, i, resource);
  const wanted = cap === Infinity ? '' : ` of ${show(cap)}`;
  const others = facts.holders.filter((holder) => holder.model !== i).slice(0, HOLDERS_MAX);
  const held =
    others.length === 0 ? ', none of it held by others' : `, held by ${others.map((holder) => holder.text).join(', ')}`;
  const need =
    step > 0
      ? `has ${show(facts.free)} free and one more ${step === 1 ? 'unit' : `gang of ${show(step)}`} needs ${show(step * demand)} (short by ${show(step * demand - facts.free)})`
      : `is used up${cap === Infinity ? '' : ` (short by ${show((cap - units) * demand)})`}`;
  return `Gets ${show(units)}${wanted} units: ${facts.name} ${need}${held}${facts.keptBack}; more ${name}, a larger weight or less use by others would help.`;
}

/** What a running model gives back, when it gets less than it holds now. */
function returned(problem: AllocationProblem, units: number, i: number): string {
  const running = problem.running[i];
  return running > units
    ? ` Gives back ${show(running - units)} of ${show(running)} running units, which are owed to others.`
    : '';
}

/** A model and how much of one resource it uses. */
interface Holder {
  readonly model: number;
  readonly use: number;
}
/** What one limit's users add up to, and the largest of them in order. */
interface Use {
  sum: number;
  readonly largest: Holder[];
}

function stoppingLimits(problem: AllocationProblem, filling: Filling): Map<number, LimitFacts> {
  const { parent, node, demandStart, demandResource, demandAmount } = problem;
  const width = problem.resourceNames.length;
  const uses: (Use | undefined)[] = [];
  for (let i = 0; i < filling.units.length; i++) {
    if (filling.stopResource[i] >= 0) {
      uses[filling.stopNode[i] * width + filling.stopResource[i]] ??= { sum: 0, largest: [] };
    }
  }
  for (let i = 0; i < filling.units.length; i++) {
    if (filling.units[i] === 0) continue;
    for (let v = node[i]; v >= 0; v = parent[v]) {
      for (let e = demandStart[i]; e < demandStart[i + 1]; e++) {
        const use = uses[v * width + demandResource[e]];
        if (use !== undefined) addHolder(use, i, filling.units[i] * demandAmount[e]);
      }
    }
  }
  return new Map(uses.flatMap((use, at) => (use === undefined ? [] : [[at, limitFacts(problem, filling, at, use)]])));
}

/** Keeps one more holder than is named; models come in order of id, so an equal use stays behind. */
function addHolder(use: Use, model: number, amount: number): void {
  use.sum += amount;
  const { largest } = use;
  if (largest.length > HOLDERS_MAX && amount <= largest[HOLDERS_MAX].use) return;
  const at = largest.findIndex((holder) => holder.use < amount);
  largest.splice(at < 0 ? largest.length : at, 0, { model, use: amount });
  if (largest.length > HOLDERS_MAX + 1) largest.pop();
}

function limitFacts(problem: AllocationProblem, filling: Filling, at: number, { sum, largest }: Use): LimitFacts {
  const width = problem.resourceNames.length;
  const v = Math.floor(at / width);
  const limit = problem.ceiling[at];
  const kept = filling.used[at] - sum;
  return {
    name: `${problem.resourceNames[at % width]}${v === 0 ? '' : ` of cohort ${problem.nodeIds[v]}`} (${show(limit)})`,
    limit,
    free: Math.max(0, limit - filling.used[at]),
    holders: largest.map(({ model, use }) => ({ model, text: `${problem.modelIds[model]} ${show(use)}` })),
    keptBack: kept > 1e-9 * limit ? `, ${show(kept)} kept back by lending limits` : '',
  };
}

function demandOf(problem: AllocationProblem, i: number, resource: number): number {
  for (let e = problem.demandStart[i]; e < problem.demandStart[i + 1]; e++) {
    if (problem.demandResource[e] === resource) return problem.demandAmount[e];
  }
  return 0;
}

/** Powers of ten that are exact as doubles. */
const TENS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/**
 * Six significant digits: enough to recognise a number, short enough to read. A whole number over an exact power of ten
 * is the double nearest to that decimal, so it prints as short; this is several times faster than `toPrecision`.
 */
function show(value: number): string {
  if (Number.isInteger(value)) return String(value);
  const places = 5 - Math.floor(Math.log10(Math.abs(value)));
  if (places < 0 || places >= TENS.length) return String(Number(value.toPrecision(6)));
  return String(Math.round(value * TENS[places]) / TENS[places]);
}
