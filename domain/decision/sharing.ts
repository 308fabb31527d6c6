/**
 * Who gets how much of what is scarce: models share by weight and by what they are owed, each hands its share to its
 * own items, and what that leaves goes to whoever can use it.
 */
import { allocateWithCredits } from '../scheduler/resource-allocator.js';
import type { AllocationResult } from '../scheduler/allocation-instance.js';
import { scaledCredits } from './balances.js';
import type { BatchInputs } from './batch-inputs.js';
import type { CostedItem, MergedDemand } from './costs.js';
import { chargeFlows, flowsOf, instanceOf, type Flow } from './flows.js';
import type { ToldRound } from './grant-reasons.js';
import { handOutShare, mixOf, nothingHanded, type Handed } from './grants.js';
import { ReadCharges } from './read-charges.js';
import { handOutWhatIsLeft } from './what-is-left.js';

export interface Shared extends ToldRound {
  readonly allocation: AllocationResult | null;
}

/** Rounds of sharing, and the change of a charge below which another round changes nothing that matters. */
const ROUNDS_MAX = 16;
const SETTLED = 0.002;

/** One round of sharing, with the charges as they are assumed to be. */
interface Round {
  readonly allocation: AllocationResult | null;
  readonly allotted: readonly Float64Array[];
  readonly handed: Handed;
  /** Rows of each item, its mix of classes kept. */
  readonly given: Float64Array;
  /** Rows that the charges were settled for. */
  readonly chargedFor: Float64Array;
}

/**
 * How much a merged read costs its members depends on how much each is granted, and the other way round: the charges
 * start from what is wanted and are settled by fixed-point rounds (each cheap; a handful suffices).
 */
export function shareInRounds(demand: MergedDemand, inputs: BatchInputs): Shared {
  const flows = flowsOf(demand.items, inputs);
  const charges = new ReadCharges(demand, inputs);
  let chargedFor: Float64Array = Float64Array.from(demand.items, ({ rows }) => rows);
  charges.settle(chargedFor);
  const mixed = demand.items.filter(({ shares }) => shares !== null);
  let best: Round | null = null;
  let bestBytes = -1;
  for (let round = 1; ; round++) {
    chargeFlows(flows, charges, inputs);
    const result = shareOnce(flows, mixed, chargedFor, inputs);
    const { allocation, given } = result;
    const scarce =
      allocation !== null && allocation.allocations.some(({ binding }) => binding !== 'cap' && binding !== 'demand');
    if (!scarce) return { flows, ...result, shared: result.handed };
    const change = charges.settle(given);
    // Whole requests make the rounds jump: of those that really fit, the one that hands out most is kept.
    const bytes = keepsLimits(charges, inputs) ? charges.ownBytes(given) : -1;
    if (bytes > bestBytes) [best, bestBytes] = [result, bytes];
    if (change < SETTLED || round === ROUNDS_MAX) {
      const kept = best ?? result;
      charges.settle(kept.chargedFor);
      chargeFlows(flows, charges, inputs);
      charges.settle(kept.given);
      const handed = copyOf(kept.handed);
      handOutWhatIsLeft(flows, handed, charges, inputs);
      return { flows, allocation: kept.allocation, allotted: kept.allotted, shared: kept.handed, handed };
    }
    chargedFor = given;
  }
}

function shareOnce(
  flows: readonly Flow[],
  mixed: readonly CostedItem[],
  chargedFor: Float64Array,
  inputs: BatchInputs,
): Round {
  const instance = instanceOf(flows, inputs);
  const allocation = instance === null ? null : allocateWithCredits(instance, scaledCredits(flows, inputs));
  const units = new Map(allocation?.allocations.map((one) => [one.id, one.units]));
  const handed = nothingHanded(chargedFor.length);
  const allotted = flows.map((flow) => flow.demand.map((amount) => amount * (units.get(flow.id) ?? 1)));
  for (const [f, flow] of flows.entries()) handOutShare(flow, allotted[f], inputs, handed);
  const given = handed.rows.map((rows) => Math.max(0, rows));
  for (const costed of mixed) given[costed.index] = mixOf(costed, given[costed.index])?.rows ?? given[costed.index];
  return { allocation, allotted, handed, given, chargedFor };
}

/** Whether no limit is exceeded by more than a part in a thousand, charged for what is really shared. */
function keepsLimits(charges: ReadCharges, { limits }: BatchInputs): boolean {
  return limits.every(
    ({ source, resource, available }) =>
      source === null || charges.takenOf(source, resource) <= Math.max(0, available) * 1.001,
  );
}

function copyOf({ rows, claimed, upToMs }: Handed): Handed {
  return { rows: rows.slice(), claimed, upToMs: new Map(upToMs) };
}
