/**
 * Stage 3, batch: which requests can be one read, and who gets how much of what is scarce?
 *
 * Costs first (merged reads are charged once, split over their members), then weighted dominant-resource fairness
 * between models, then each model's share over its own items by priority. Pure: the same inputs give the same plan.
 */
import { allocate } from '../scheduler/resource-allocator.js';
import type { AllocationResult } from '../scheduler/allocation-instance.js';
import {
  costItems,
  mergeDemand,
  shareFactors,
  type CostedItem,
  type MergedDemand,
  type ShareFactors,
} from './costs.js';
import { grantWithinShare, type Grant } from './grants.js';
import { planReads, type PlannedRead } from './reads.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { planPrefetch, type Prefetch } from './prefetch.js';
import type { DatasetFacts, Refusal, WaitReason } from './work.js';

export interface BatchOutcome {
  readonly grants: readonly Grant[];
  readonly waiting: readonly WaitReason[];
  readonly refusals: readonly Refusal[];
  readonly reads: readonly PlannedRead[];
  readonly allocation: AllocationResult | null;
  /** What is taken of each resource, in its unit. */
  readonly charges: Readonly<Record<string, number>>;
  readonly ahead: { readonly factor: number; readonly reason: string };
  /** What is read for nobody yet. */
  readonly prefetch: Prefetch;
  readonly asked: { readonly rows: number; readonly bytes: number };
  readonly planned: { readonly rows: number; readonly bytes: number };
}

/** At most this share of a need is delivered ahead, so that the next cycle always has something to deliver. */
const AHEAD_FRACTION_MAX = 0.5;

/** A model's demand on one source: what fairness is computed over. Sources are where models contend. */
interface Flow {
  readonly id: string;
  readonly model: string;
  readonly items: readonly CostedItem[];
  readonly demand: Readonly<Record<string, number>>;
}

/** Rounds of sharing, and the change of a charge below which another round changes nothing that matters. */
const ROUNDS_MAX = 16;
const SETTLED = 0.002;

export function planBatch(given: BatchInputs): BatchOutcome {
  // Sums are rounded in the order of their parts: one order, so that the items' order changes no digit.
  const inputs = { ...given, items: [...given.items].sort((a, b) => (a.id < b.id ? -1 : 1)) };
  const ahead = workAhead(inputs);
  const demand = mergeDemand(inputs, ahead.factor);
  const { costed, allocation, grants, waiting } = shareInRounds(inputs, demand);
  const charges: Record<string, number> = {};
  for (const { cost } of grants)
    for (const [resource, amount] of Object.entries(cost)) charges[resource] = (charges[resource] ?? 0) + amount;
  return {
    grants,
    waiting,
    refusals: demand.refusals,
    reads: planReads(demand.reads, grants, inputs),
    allocation,
    charges,
    ahead,
    prefetch: planPrefetch(inputs, charges, reservedBytes(inputs)),
    asked: { rows: sum(costed, ({ rows }) => rows), bytes: sum(costed, ({ ownBytes }) => ownBytes) },
    planned: { rows: sum(grants, ({ rows }) => rows), bytes: sum(grants, ({ bytes }) => bytes) },
  };
}

/**
 * How much a merged read costs its members depends on how much each is granted, and the other way round: the charges
 * start from what is wanted and are settled by fixed-point rounds (each cheap; a handful suffices).
 */
function shareInRounds(inputs: BatchInputs, demand: MergedDemand): Round {
  let factors = shareFactors(demand.reads, demand, (id) => demand.wanted.get(id)!.rows, inputs);
  let best: Round | null = null;
  for (let round = 1; ; round++) {
    const result = shareOnce(inputs, demand, factors);
    const { allocation, grants } = result;
    const scarce =
      allocation !== null && allocation.allocations.some(({ binding }) => binding !== 'cap' && binding !== 'demand');
    if (!scarce) return result;
    const granted = new Map(grants.map(({ itemId, rows }) => [itemId, rows]));
    const next = shareFactors(demand.reads, demand, (id) => granted.get(id) ?? 0, inputs);
    // Whole requests make the rounds jump: of those that really fit, the one that hands out most is kept.
    if (fits(result, next, inputs) && (best === null || bytesOf(grants) > bytesOf(best.grants))) best = result;
    const change = Math.max(
      0,
      ...[...next].map(([id, factor]) => Math.abs(factor.bytes - factors.get(id)!.bytes) / factors.get(id)!.bytes),
    );
    if (change < SETTLED || round === ROUNDS_MAX) return best ?? result;
    factors = next;
  }
}

interface Round {
  readonly costed: readonly CostedItem[];
  readonly allocation: AllocationResult | null;
  readonly grants: readonly Grant[];
  readonly waiting: readonly WaitReason[];
}

/** One round of sharing, with the charges as they are assumed to be. */
function shareOnce(inputs: BatchInputs, demand: MergedDemand, factors: ShareFactors): Round {
  const costed = costItems(inputs, demand, factors);
  const flows = flowsOf(costed, inputs);
  const allocation = share(flows, inputs);
  const units = new Map(allocation?.allocations.map((one) => [one.id, one.units]));
  const results = flows.map((flow) => {
    const allotted = mapValues(flow.demand, (amount) => amount * (units.get(flow.id) ?? 1));
    return grantWithinShare(flow, allotted, inputs);
  });
  return {
    costed,
    allocation,
    grants: results.flatMap(({ grants }) => grants).sort(byItem),
    waiting: results.flatMap(({ waiting }) => waiting).sort(byItem),
  };
}

/** Whether what is granted, charged for what it really shares, stays within every limit (to a part in a thousand). */
function fits({ costed, grants }: Round, factors: ShareFactors, inputs: BatchInputs): boolean {
  const itemOf = new Map(costed.map((one) => [one.item.id, one.item]));
  const source = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset.source]));
  return inputs.limits.every(({ resource, source: limited, available }) => {
    if (limited === null) return true;
    const taken = sum(grants, ({ itemId, rows, bytes, served }) => {
      if (served === 'cache' || source.get(itemOf.get(itemId)!.dataset) !== limited) return 0;
      const factor = factors.get(itemId)!;
      return resource.startsWith('bytes:') ? bytes * factor.bytes : rows * factor.rows;
    });
    return taken <= available * 1.001;
  });
}

function bytesOf(grants: readonly Grant[]): number {
  return sum(grants, ({ bytes }) => bytes);
}

/**
 * Work ahead of a predicted peak: when the forecast's upper end for the next step exceeds what a limited source can
 * give in one cycle, and this cycle has capacity to spare, fixed-size needs take up to half of their next rows now.
 */
function workAhead(inputs: BatchInputs): BatchOutcome['ahead'] {
  for (const limit of inputs.limits) {
    if (!limit.resource.startsWith('bytes:')) continue;
    const bytesNext = bytesNextStep(inputs, limit, true);
    const capacity = limit.burst * inputs.windowsPerStep;
    if (bytesNext > capacity && limit.available > 0) {
      const factor = Math.min(AHEAD_FRACTION_MAX, (bytesNext - capacity) / bytesNext);
      return {
        factor,
        reason: `demand on ${limit.source} may reach ${Math.round(bytesNext)} bytes next step, ${Math.round(capacity)} can be read: needs take up to ${Math.round(factor * 100)} % of their next rows now`,
      };
    }
  }
  return { factor: 0, reason: 'no reliable forecast exceeds what a source can give next step' };
}

/** Bytes that demand on a limit's source reaches in the next step: upper ends of the forecasts, of all or of the reliable ones. */
function bytesNextStep(inputs: BatchInputs, { source }: ResourceLimit, reliableOnly: boolean): number {
  const byId = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  return sum(inputs.predictions, ({ series, reliable, steps }) => {
    const dataset = byId.get(series.slice(series.indexOf('/') + 1));
    if ((reliableOnly && !reliable) || dataset?.source !== source || steps.length === 0) return 0;
    return steps[0].upper * meanRowBytes(inputs, series, dataset);
  });
}

/** What demand may take of each source's bytes until its budget has refilled: one window's part of the next step. */
function reservedBytes(inputs: BatchInputs): Record<string, number> {
  return Object.fromEntries(
    inputs.limits
      .filter(({ source, resource }) => source !== null && resource.startsWith('bytes:'))
      .map((limit) => [limit.resource, bytesNextStep(inputs, limit, false) / inputs.windowsPerStep]),
  );
}

/** Bytes a row that the items of this series ask for, or of the whole dataset when none asks now. */
function meanRowBytes(inputs: BatchInputs, series: string, dataset: DatasetFacts): number {
  const items = inputs.items.filter((item) => `${item.model}/${item.dataset}` === series);
  const widths = items.map((item) => sum(item.fields, (field) => dataset.bytesPerValue[field] ?? 8));
  if (widths.length === 0) return sum(Object.values(dataset.bytesPerValue), (bytes) => bytes);
  return sum(widths, (width) => width) / widths.length;
}

function flowsOf(costed: readonly CostedItem[], inputs: BatchInputs): Flow[] {
  const groups = new Map<string, CostedItem[]>();
  const source = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset.source]));
  for (const item of costed) {
    const id = `${item.item.model}@${source.get(item.item.dataset)!}`;
    const group = groups.get(id);
    if (group === undefined) groups.set(id, [item]);
    else group.push(item);
  }
  return [...groups.keys()].sort().map((id): Flow => {
    const items = groups.get(id)!;
    const demand: Record<string, number> = {};
    for (const { cost } of items)
      for (const [resource, amount] of Object.entries(cost)) demand[resource] = (demand[resource] ?? 0) + amount;
    return { id, model: items[0].item.model, items, demand };
  });
}

/** One unit of a flow is all that it asks for: the allocation is the share of it that it gets. */
function share(flows: readonly Flow[], inputs: BatchInputs): AllocationResult | null {
  const limited = new Map(inputs.limits.map((limit) => [limit.resource, Math.max(0, limit.available)]));
  if (limited.size === 0 || flows.length === 0) return null;
  return allocate({
    resources: Object.fromEntries(limited),
    models: flows.map(({ id, model, demand }) => ({
      id,
      weight: inputs.models[model]?.weight ?? 1,
      demand: Object.fromEntries(
        Object.entries(demand).filter(([resource, amount]) => limited.has(resource) && amount > 0),
      ),
      cap: 1,
    })),
    divisible: true,
  });
}

function mapValues(record: Readonly<Record<string, number>>, map: (value: number) => number): Record<string, number> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
function sum<T>(values: readonly T[], value: (item: T) => number): number {
  return values.reduce((total, item) => total + value(item), 0);
}
function byItem(a: { readonly itemId: string }, b: { readonly itemId: string }): number {
  return a.itemId < b.itemId ? -1 : 1;
}
