/**
 * Who gets how much of what is scarce: models share by weight and by what they are owed, each hands its share to its
 * own items, and what that leaves goes to whoever can use it.
 */
import { shareWithCredits, type Shares } from '../../scheduler/resource-allocator.js';
import type { AllocationResult } from '../../scheduler/allocation-instance.js';
import { scaledCredits } from './balances.js';
import type { BatchInputs } from './batch-inputs.js';
import { CohortUse, type CohortAccount } from './cohorts.js';
import { countsBytes, type CostedItem, type MergedDemand } from './costs.js';
import { chargeFlows, flowsOf, instanceOf, type Flow } from './flows.js';
import type { ToldRound } from './grant-reasons.js';
import { drawnRows, handOutShare, nothingHanded, setUpTo, takenBy, type Handed } from './grants.js';
import { ReadCharges } from './read-charges.js';
import { giveTurns } from './turns.js';
import { handOutWhatIsLeft } from './what-is-left.js';

export interface Shared extends ToldRound {
  /** What the shares come from; null: nothing is limited. */
  readonly allocation: AllocationResult | null;
  /** What cohorts lend and borrow; empty where none are declared. */
  readonly cohorts: readonly CohortAccount[];
}

/** Rounds of sharing, and the change of a charge below which another round changes nothing that matters. */
const ROUNDS_MAX = 16;
const SETTLED = 0.002;
/** Rounds in a row that found nothing better and came no nearer: whole requests only jump to and fro. */
const STALLED_MAX = 4;

/** One round of sharing, with the charges as they are assumed to be. */
interface Round {
  /** Null: nothing is limited. */
  readonly shares: Shares | null;
  readonly allotted: readonly Float64Array[];
  readonly handed: Handed;
  /** Rows of each item, its mix of classes kept. */
  readonly given: Float64Array;
  /** Rows that the charges were settled for. */
  readonly chargedFor: Float64Array;
  /** What may be taken of each resource: what is available, or more, where what waited long enough goes into debt. */
  readonly most: ReadonlyMap<string, number>;
}

/**
 * How much a merged read costs its members depends on how much each is granted, and the other way round: the charges
 * start from what is wanted and are settled by fixed-point rounds (each cheap; a handful suffices). Whole requests make
 * the rounds jump: of those that really fit, the one that hands out most is kept.
 * @param aside items of gangs that have no part in the shares: they have what is left, whole or not at all
 */
export function shareInRounds(demand: MergedDemand, aside: ReadonlySet<string>, inputs: BatchInputs): Shared {
  const flows = flowsOf(demand.items, aside, inputs);
  const charges = new ReadCharges(demand, inputs);
  const mixed = demand.items.filter(({ shares }) => shares !== null);
  let chargedFor: Float64Array = new Float64Array(demand.items.length);
  for (const { index, rows, item } of demand.items) chargedFor[index] = aside.has(item.id) ? 0 : rows;
  charges.settle(chargedFor);
  let best: Round | null = null;
  let [bestBytes, leastChange, stalled] = [-1, Infinity, 0];
  for (let round = 1; ; round++) {
    chargeFlows(flows, charges, inputs);
    const result = shareOnce(flows, mixed, chargedFor, inputs);
    const { shares, given } = result;
    if (shares?.scarce !== true && aside.size === 0 && round === 1) return plentiful(flows, result, inputs);
    const change = charges.settle(given);
    // What a read takes was assumed for the last round's rows: that it is plenty for these has to be seen.
    if (shares?.scarce !== true && aside.size === 0 && keepsLimits(charges, result, inputs, 1e-9)) {
      chargeFlows(flows, charges, inputs);
      return plentiful(flows, result, inputs);
    }
    const bytes = keepsLimits(charges, result, inputs, TOLERANCE) ? charges.ownBytes(given) : -1;
    stalled = bytes > bestBytes || change < leastChange / 2 ? 0 : stalled + 1;
    leastChange = Math.min(leastChange, change);
    if (bytes > bestBytes) [best, bestBytes] = [result, bytes];
    if (change < SETTLED || stalled === STALLED_MAX || round === ROUNDS_MAX)
      return settled(flows, charges, best, result, inputs);
    chargedFor = given;
  }
}

/** Everybody has all that it asks for. */
function plentiful(flows: readonly Flow[], { shares, allotted, handed }: Round, inputs: BatchInputs): Shared {
  const cohorts = cohortUse(flows, handed, inputs)?.accounts() ?? [];
  return { flows, allocation: shares?.explained() ?? null, allotted, shared: handed, handed, rest: null, cohorts };
}

/** Hands out what is left of the round that is kept; of none, as much of the last one as really fits. */
function settled(
  flows: readonly Flow[],
  charges: ReadCharges,
  best: Round | null,
  last: Round,
  inputs: BatchInputs,
): Shared {
  let kept = best ?? last;
  charges.settle(kept.given);
  // A round that exceeds a limit by a hair gives the hair back.
  if (!keepsLimits(charges, kept, inputs, 1e-9)) kept = trimmed(flows, charges, kept, inputs);
  const { shares, allotted, given, handed: shared } = kept;
  charges.settle(given);
  chargeFlows(flows, charges, inputs);
  const handed = { ...shared, rows: shared.rows.slice(), upToMs: new Map(shared.upToMs) };
  const cohorts = cohortUse(flows, shared, inputs);
  const rest = handOutWhatIsLeft(flows, handed, charges, cohorts, inputs);
  const allocation = shares?.explained() ?? null;
  return { flows, allocation, allotted, shared, handed, rest, cohorts: cohorts?.accounts() ?? [] };
}

/** What is handed out, counted by cohorts; null where none are declared. */
function cohortUse(flows: readonly Flow[], handed: Handed, inputs: BatchInputs): CohortUse | null {
  const use = CohortUse.of(inputs);
  if (use === null) return null;
  for (const flow of flows)
    for (const [resource, amount] of takenBy([flow], handed.rows)) use.take(flow.cohort, resource, amount);
  return use;
}

/** What was handed out on charges that do not hold: the most urgent of it, as far as their reads keep every limit, charged for what they share. */
function trimmed(flows: readonly Flow[], charges: ReadCharges, round: Round, inputs: BatchInputs): Round {
  const given = new Float64Array(round.given.length);
  const handed = nothingHanded(given.length);
  charges.settle(given);
  const granted = flows.flatMap((flow) =>
    Array.from(flow.index.keys())
      .filter((place) => round.handed.rows[flow.index[place]] >= 0)
      .map((place) => ({ source: flow.source, index: flow.index[place], score: flow.scores[place] })),
  );
  granted.sort((a, b) => b.score - a.score || a.index - b.index);
  for (const { source, index } of granted) {
    const more = charges.added(index, round.given[index]);
    const exceeds = inputs.limits.some(
      (limit) =>
        limit.source === source &&
        charges.takenOf(source, limit.resource) + (countsBytes(limit.resource) ? more.bytes : more.rows) >
          round.most.get(limit.resource)! * (1 + 1e-9),
    );
    if (exceeds && (more.bytes > 0 || more.rows > 0)) continue;
    charges.add(index, round.given[index]);
    given[index] = round.given[index];
    handed.rows[index] = round.handed.rows[index];
    handed.claimed[index] = round.handed.claimed[index];
    setUpTo(handed, index, round.handed.upToMs.get(index) ?? null);
  }
  return { ...round, handed, given, chargedFor: given };
}

function shareOnce(
  flows: readonly Flow[],
  mixed: readonly CostedItem[],
  chargedFor: Float64Array,
  inputs: BatchInputs,
): Round {
  const instance = instanceOf(flows, inputs);
  const shares = instance === null ? null : shareWithCredits(instance, scaledCredits(flows, inputs));
  const handed = nothingHanded(chargedFor.length);
  const allotted = flows.map((flow, f) => flow.demand.map((amount) => amount * (shares?.units[f] ?? 1)));
  giveTurns(flows, allotted, inputs);
  for (const [f, flow] of flows.entries()) handOutShare(flow, allotted[f], handed);
  const given = new Float64Array(handed.rows.length);
  for (let index = 0; index < given.length; index++) given[index] = Math.max(0, handed.rows[index]);
  for (const costed of mixed) given[costed.index] = drawnRows(costed, given[costed.index]);
  const taken = takenBy(flows, handed.rows);
  const most = new Map(
    inputs.limits.map(({ resource, available }) => [resource, Math.max(0, available, taken.get(resource) ?? 0)]),
  );
  return { shares, allotted, handed, given, chargedFor, most };
}

/** A round may exceed limits by so much and be kept, less what is too much. */
const TOLERANCE = 1e-3;

/** Whether no limit is exceeded by more than such a part, charged for what is really shared. */
function keepsLimits(charges: ReadCharges, { most }: Round, { limits }: BatchInputs, tolerance: number): boolean {
  return limits.every(
    ({ source, resource }) =>
      source === null || charges.takenOf(source, resource) <= most.get(resource)! * (1 + tolerance),
  );
}
