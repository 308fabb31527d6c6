/**
 * Sharing between models: each model's demand on one source is a flow; flows share what is scarce by weight and by what
 * they are owed, and each flow hands its share to its own items.
 */
import { allocateWithCredits, creditsAfter } from '../scheduler/resource-allocator.js';
import type { AllocationInstance, AllocationResult } from '../scheduler/allocation-instance.js';
import type { BatchInputs } from './batch-inputs.js';
import type { CostedItem } from './costs.js';
import { grantWithinShare, type Grant } from './grants.js';
import type { WaitReason } from './work.js';

/** A model's demand on one source: what fairness is computed over. Sources are where models contend. */
interface Flow {
  readonly id: string;
  readonly model: string;
  readonly source: string;
  readonly items: readonly CostedItem[];
  readonly demand: Readonly<Record<string, number>>;
  /** What it is owed, 0 to 1. */
  readonly debt: number;
}

/** One round of sharing, with the charges as they are assumed to be. */
export interface SharedRound {
  readonly costed: readonly CostedItem[];
  readonly allocation: AllocationResult | null;
  readonly grants: readonly Grant[];
  readonly waiting: readonly WaitReason[];
}

/** Full buckets that a model can be owed, or owe: a grudge of a whole day would starve the others for as long. */
const CREDITS_MAX = 2;
/** Other models named as blockers of an item. */
const MODELS_NAMED_MAX = 8;
/** Waiting requests that are tried with what is left, and grants looked at for it in all: bounds the time. */
const FILLED_MAX = 64;
const FILL_WORK_MAX = 200_000;

export function shareAmongFlows(costed: readonly CostedItem[], inputs: BatchInputs): SharedRound {
  const flows = flowsOf(costed, inputs);
  const instance = instanceOf(flows, inputs);
  const allocation = instance === null ? null : allocateWithCredits(instance, scaledCredits(flows, inputs));
  const units = new Map(allocation?.allocations.map((one) => [one.id, one.units]));
  const results = flows.map((flow) => {
    const allotted = mapValues(flow.demand, (amount) => amount * (units.get(flow.id) ?? 1));
    return { flow, ...grantWithinShare(flow, allotted, inputs) };
  });
  const holders = results.map(({ flow, grants }) => ({ id: flow.id, taken: takenOf(grants) }));
  return {
    costed,
    allocation,
    grants: results.flatMap(({ grants }) => grants).sort(byItem),
    waiting: results
      .flatMap(({ flow, waiting }) => waiting.map((wait) => withHolders(wait, flow.id, holders)))
      .sort(byItem),
  };
}

/** Names the other models that hold what an item lacks, the largest holders first. */
function withHolders(
  wait: WaitReason,
  own: string,
  holders: readonly { readonly id: string; readonly taken: Readonly<Record<string, number>> }[],
): WaitReason {
  const names = Object.keys(wait.short ?? {});
  const held = ({ taken }: { readonly taken: Readonly<Record<string, number>> }): number =>
    Math.max(0, ...names.map((name) => (taken[name] ?? 0) / wait.short![name]));
  const others = holders
    .filter((holder) => holder.id !== own && held(holder) > 0)
    .sort((a, b) => held(b) - held(a) || (a.id < b.id ? -1 : 1));
  return { ...wait, blockers: [...wait.blockers, ...others.slice(0, MODELS_NAMED_MAX).map(({ id }) => id)] };
}

/**
 * Whole requests leave shares unused that others could use: what is left goes to those that wait, the most urgent first,
 * as far as each fits whole. Afterwards no request that was tried could have been granted besides.
 * @param fits whether these grants, charged for what they really share, exceed no limit that the round keeps
 */
export function fillWhatIsLeft(
  round: SharedRound,
  inputs: BatchInputs,
  fits: (grants: readonly Grant[]) => boolean,
): SharedRound {
  const costedOf = new Map(round.costed.map((one) => [one.item.id, one]));
  const score = ({ terms }: WaitReason): number => Object.values(terms ?? {}).reduce((sum, points) => sum + points, 0);
  const tries = Math.min(FILLED_MAX, Math.ceil(FILL_WORK_MAX / Math.max(1, round.grants.length)));
  const candidates = round.waiting
    .filter(({ itemId }) => costedOf.get(itemId)!.item.kind === 'request')
    .sort((a, b) => score(b) - score(a) || byItem(a, b))
    .slice(0, tries);
  let { grants, waiting } = round;
  const taken = takenOf(grants);
  const flows = new Map(flowsOf(round.costed, inputs).flatMap((flow) => flow.items.map(({ item }) => [item.id, flow])));
  for (const { itemId } of candidates) {
    const costed = costedOf.get(itemId)!;
    const left = Object.fromEntries(
      inputs.limits.map(({ resource, available }) => [resource, Math.max(0, available - (taken[resource] ?? 0))]),
    );
    const flow = { ...flows.get(itemId)!, items: [costed] };
    if (Object.entries(costed.cost).some(([name, amount]) => amount > 0 && (left[name] ?? 0) < amount)) continue;
    const [grant] = grantWithinShare(flow, left, inputs).grants;
    if (grant === undefined || !fits([...grants, grant])) continue;
    grants = [...grants, { ...grant, beyondShare: true, reason: `${grant.reason}; from what others left` }];
    waiting = waiting.filter((wait) => wait.itemId !== itemId);
    for (const [name, amount] of Object.entries(grant.cost)) taken[name] = (taken[name] ?? 0) + amount;
  }
  return { ...round, grants: [...grants].sort(byItem), waiting };
}

/**
 * What each model is owed after the round: who went short while others had more than half of their fair share gains what
 * they spend. Nothing changes for models on a source where everybody got all that it asked for.
 */
export function creditsAfterRound({ costed, grants }: SharedRound, inputs: BatchInputs): Record<string, number> {
  const flows = flowsOf(costed, inputs);
  const itemsOf = new Map(flows.map((flow) => [flow.id, new Set(flow.items.map(({ item }) => item.id))]));
  const units = Object.fromEntries(
    flows.map(({ id, demand }) => {
      const taken = takenOf(grants.filter(({ itemId }) => itemsOf.get(id)!.has(itemId)));
      const parts = Object.entries(demand).flatMap(([name, amount]) =>
        amount > 0 ? [(taken[name] ?? 0) / amount] : [],
      );
      return [id, parts.length === 0 ? 1 : Math.min(1, Math.max(...parts))];
    }),
  );
  const after: Record<string, number> = {};
  for (const source of [...new Set(flows.map((flow) => flow.source))].sort()) {
    const contending = flows.filter((flow) => flow.source === source);
    const instance = instanceOf(contending, inputs);
    if (instance === null || contending.every(({ id }) => units[id] > 1 - 1e-6)) continue;
    const before = scaledCredits(contending, inputs);
    const scale = bucketPart(source, inputs);
    if (scale <= 0) continue;
    for (const [id, credits] of Object.entries(creditsAfter(instance, units, before))) {
      const balance = (inputs.credits[id] ?? 0) + (credits - (before[id] ?? 0)) * scale;
      after[id] = Math.max(-CREDITS_MAX, Math.min(CREDITS_MAX, Math.round(balance * 1e6) / 1e6));
    }
  }
  return after;
}

function flowsOf(costed: readonly CostedItem[], inputs: BatchInputs): Flow[] {
  const groups = new Map<string, CostedItem[]>();
  const sourceOf = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset.source]));
  for (const item of costed) {
    const id = `${item.item.model}@${sourceOf.get(item.item.dataset)!}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [item]);
    else group.push(item);
  }
  return [...groups.keys()].sort().map((id): Flow => {
    const items = groups.get(id)!;
    const demand: Record<string, number> = {};
    for (const { cost } of items)
      for (const [resource, amount] of Object.entries(cost)) demand[resource] = (demand[resource] ?? 0) + amount;
    const { model, dataset } = items[0].item;
    const debt = Math.min(1, Math.max(0, inputs.credits[id] ?? 0));
    return { id, model, source: sourceOf.get(dataset)!, items, demand, debt };
  });
}

/** One unit of a flow is all that it asks for: the allocation is the share of it that it gets. Null: nothing is limited. */
function instanceOf(flows: readonly Flow[], inputs: BatchInputs): AllocationInstance | null {
  const limited = new Map(inputs.limits.map((limit) => [limit.resource, Math.max(0, limit.available)]));
  if (limited.size === 0 || flows.length === 0) return null;
  return {
    resources: Object.fromEntries(limited),
    models: flows.map(({ id, model, items, demand }) => ({
      id,
      weight: weightOf(model, items, inputs),
      demand: Object.fromEntries(
        Object.entries(demand).filter(([resource, amount]) => limited.has(resource) && amount > 0),
      ),
      cap: 1,
    })),
    divisible: true,
  };
}

/** Weight of a model that asks for no more than was to be expected: what is beyond counts with this one, if that is less. */
const BASE_WEIGHT = 1;

/** The weight of a flow: the model's for the bytes that were to be expected, the base weight for a surge beyond them. */
function weightOf(model: string, items: readonly CostedItem[], inputs: BatchInputs): number {
  const weight = inputs.models[model]?.weight ?? 1;
  const surges = new Map(inputs.surges.map(({ series, asked, upper }) => [series, 1 - upper / asked]));
  if (surges.size === 0 || weight <= BASE_WEIGHT) return weight;
  let bytes = 0;
  let beyond = 0;
  for (const { item, ownBytes } of items) {
    bytes += ownBytes;
    beyond += ownBytes * (surges.get(`${model}/${item.dataset}`) ?? 0);
  }
  return bytes > 0 ? weight + (BASE_WEIGHT - weight) * (beyond / bytes) : weight;
}

/** Credits are kept in full buckets; a quantum's shares are of what is in the bucket now. */
function scaledCredits(flows: readonly Flow[], inputs: BatchInputs): Record<string, number> {
  return Object.fromEntries(
    flows.map(({ id, source }) => {
      const part = bucketPart(source, inputs);
      return [id, part > 0 ? (inputs.credits[id] ?? 0) / part : 0];
    }),
  );
}

/** How full the emptiest bucket of a source is, 0 to 1. */
function bucketPart(source: string, { limits }: BatchInputs): number {
  return limits.reduce(
    (least, limit) =>
      limit.source !== source || limit.burst <= 0 ? least : Math.min(least, Math.max(0, limit.available) / limit.burst),
    1,
  );
}

function takenOf(grants: readonly Grant[]): Record<string, number> {
  const taken: Record<string, number> = {};
  for (const { cost } of grants)
    for (const [name, amount] of Object.entries(cost)) taken[name] = (taken[name] ?? 0) + amount;
  return taken;
}
function mapValues(record: Readonly<Record<string, number>>, map: (value: number) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
function byItem(a: { readonly itemId: string }, b: { readonly itemId: string }): number {
  return a.itemId < b.itemId ? -1 : 1;
}
