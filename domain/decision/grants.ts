/** A model's share of what is scarce, handed to its own items by priority. */
import { allocate } from '../scheduler/resource-allocator.js';
import { classQuotas } from './class-quotas.js';
import type { BatchInputs } from './batch-inputs.js';
import { isQuota, type CostedItem } from './costs.js';
import { itemPriority, type ItemPriority } from './item-priority.js';
import { owedAfter } from './need-states.js';
import type { ArrivalCut, WaitReason, WorkItem } from './work.js';

export interface Grant {
  readonly itemId: string;
  readonly rows: number;
  /** Rows asked for, before anything was scarce. */
  readonly asked: number;
  readonly aheadRows: number;
  /** Rows that scarcity kept back. */
  readonly short?: number;
  /** A part of an arrival window: its oldest rows, up to and with this event time; absent or null: all that was asked. */
  readonly upToMs?: number | null;
  /** Fewer rows than this are not worth handing out: the need's own bound, less what came ahead earlier. */
  readonly minRows: number;
  readonly bytes: number;
  readonly served: 'read' | 'cache';
  /** Rows by class; null: no mix to keep. */
  readonly quotas: Readonly<Record<string, number>> | null;
  readonly weights: Readonly<Record<string, number>> | null;
  readonly shortfall: Readonly<Record<string, number>> | null;
  readonly cost: Readonly<Record<string, number>>;
  readonly score: number;
  /** What the score is made of. */
  readonly terms: ItemPriority['terms'];
  /** Whether it was granted from what the others left, beyond its model's share. */
  readonly beyondShare: boolean;
  /** What a part of what was asked lacked; null: it got all. */
  readonly binding: { readonly resource: string; readonly shortfall: number } | null;
  readonly reason: string;
}

/** Blockers named in a reason: the most urgent ones; a list of thousands explains nothing. */
const BLOCKERS_MAX = 32;

/**
 * Hands out a flow's share: one-off requests first, by score, whole or not at all; what is left goes to the standing
 * needs by weighted max-min over their criticality (they are due again in the next cycle, so that a part is useful).
 * What waited until the shares of the cycles that it waited add up to its cost is granted though less is left, and the
 * bucket goes into debt: one at a time, as the shares of those cycles were the others' too, and never on a quota.
 */
export function grantWithinShare(
  flow: { readonly id: string; readonly items: readonly CostedItem[]; readonly debt: number },
  allotted: Readonly<Record<string, number>>,
  inputs: BatchInputs,
): { grants: Grant[]; waiting: WaitReason[] } {
  const left: Record<string, number> = { ...allotted };
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const grants: Grant[] = [];
  const waiting: WaitReason[] = [];
  const take = (
    { costed, score, terms }: Ranked,
    { part, binding: resource }: Part,
    room: Readonly<Record<string, number>>,
  ): void => {
    const { item } = costed;
    const { rows, upToMs } = handOut(costed, part, resource, room, facts.get(item.id)!.cuts ?? [], inputs);
    if (part === 0 || (rows < costed.rows && rows < leastRows(item, inputs)) || (rows === 0 && costed.rows > 0)) {
      waiting.push({ ...waitReason(costed, left, grants, allotted, inputs), terms });
      return;
    }
    const used = costed.rows === 0 ? 0 : rows / costed.rows;
    const cost = Object.fromEntries(Object.entries(costed.cost).map(([name, amount]) => [name, amount * used]));
    for (const [name, amount] of Object.entries(cost)) left[name] = Math.max(0, (left[name] ?? 0) - amount);
    const { classCounts } = facts.get(item.id)!;
    grants.push({
      ...grantOf(costed, rows, cost, resource, classCounts, leastRows(item, inputs)),
      ...{ score, terms },
      ...(upToMs === null ? {} : { upToMs }),
    });
  };
  const ranked = flow.items
    .map((costed): Ranked => ({ costed, ...itemPriority(costed, flow.debt, inputs) }))
    .sort((a, b) => b.score - a.score || (a.costed.item.id < b.costed.item.id ? -1 : 1));
  for (const one of ranked.filter(({ costed }) => costed.item.kind === 'request')) {
    const { resource, fraction } = tightest(one.costed.cost, left);
    const whole = fraction >= 1 || waitedForItsShare(one.costed, left, allotted, inputs);
    take(one, { part: whole ? 1 : 0, binding: resource }, left);
  }
  const needs = ranked.filter(({ costed }) => costed.item.kind === 'need');
  const parts = shareAmongNeeds(needs, left);
  // What the parts of the needs that come later take: no need goes into debt at their cost.
  const reserved: Record<string, number> = {};
  const reserve = ({ costed: { item, cost } }: Ranked, sign: 1 | -1): void => {
    for (const [name, amount] of Object.entries(cost))
      reserved[name] = (reserved[name] ?? 0) + sign * amount * parts.get(item.id)!.part;
  };
  for (const one of needs) reserve(one, 1);
  for (const one of needs) {
    reserve(one, -1);
    const room = Object.fromEntries(Object.entries(left).map(([name, amount]) => [name, amount - reserved[name]]));
    take(one, parts.get(one.costed.item.id)!, room);
  }
  return { grants, waiting };
}

/** What part of an item is served, 0 to 1, and what stops it. */
interface Part {
  readonly part: number;
  readonly binding: string | null;
}

interface Ranked extends ItemPriority {
  readonly costed: CostedItem;
}

/** A need that nobody calls critical still counts a little. */
const CRITICAL_MIN = 0.05;

/** Part of each need that is served. */
function shareAmongNeeds(needs: readonly Ranked[], left: Readonly<Record<string, number>>): ReadonlyMap<string, Part> {
  const { allocations } = allocate({
    resources: left,
    models: needs.map(({ costed: { item, cost } }) => ({
      id: item.id,
      weight: Math.max(CRITICAL_MIN, item.critical),
      demand: Object.fromEntries(Object.entries(cost).filter(([, amount]) => amount > 0)),
      cap: 1,
    })),
    divisible: true,
  });
  const free = needs
    .filter(({ costed }) => Object.values(costed.cost).every((amount) => amount <= 0))
    .map(({ costed }) => [costed.item.id, { part: 1, binding: null }] as const);
  return new Map([
    ...allocations.map(
      ({ id, units, binding }) => [id, { part: Math.min(1, units), binding: units < 1 ? binding : null }] as const,
    ),
    ...free,
  ]);
}

/**
 * What a part of its wish is in rows. New rows are handed out oldest first, up to an event time that no row is cut
 * off from: what comes after is the next cycle's. Where the part is less than the least that is worth handing out,
 * a need is granted that least once the parts of the cycles that it waited add up to it (the bucket goes into debt).
 */
function handOut(
  { item, rows, cost }: CostedItem,
  part: number,
  resource: string | null,
  room: Readonly<Record<string, number>>,
  cuts: readonly ArrivalCut[],
  inputs: BatchInputs,
): { readonly rows: number; readonly upToMs: number | null } {
  const fits = Math.floor(rows * part + 1e-6);
  if (fits >= rows || item.kind === 'request') return { rows: fits, upToMs: null };
  const least = Math.max(1, leastRows(item, inputs));
  const refills = (inputs.limits.find((limit) => limit.resource === resource)?.perSecond ?? 0) > 0;
  const waitedFor = (wanted: number): boolean =>
    refills &&
    part * item.attempts * rows >= wanted &&
    Object.entries(cost).every(([name, amount]) => mayTake(name, (amount * wanted) / rows, room[name] ?? 0));
  if (item.window == null)
    return { rows: fits < least && least <= rows && waitedFor(least) ? least : fits, upToMs: null };
  const within = cuts.filter((cut) => cut.rows <= fits).at(-1);
  const smallest = cuts.find((cut) => cut.rows >= least);
  if (within !== undefined && within.rows >= least) return within;
  if (smallest === undefined || !waitedFor(smallest.rows)) return { rows: 0, upToMs: null };
  return smallest.rows >= rows ? { rows, upToMs: null } : smallest;
}

/** The need's own bound, less what came ahead in an earlier cycle. */
function leastRows(item: WorkItem, inputs: BatchInputs): number {
  return Math.max(0, item.minRows - (inputs.aheadRows[item.id] ?? 0));
}

function grantOf(
  costed: CostedItem,
  rows: number,
  cost: Readonly<Record<string, number>>,
  resource: string | null,
  counts: Readonly<Record<string, number>> | null,
  minRows: number,
): Omit<Grant, 'score' | 'terms'> {
  const mix =
    costed.shares === null || counts === null
      ? null
      : classQuotas(counts, costed.shares, rows, costed.item.maxClassGap);
  const granted = mix?.rows ?? rows;
  const short = costed.rows - rows;
  return {
    itemId: costed.item.id,
    rows: granted,
    asked: costed.item.rows ?? costed.rows,
    // What was asked for this cycle is served first; only the rest came ahead.
    aheadRows: Math.max(0, granted - (costed.rows - costed.aheadRows)),
    short,
    minRows,
    bytes: granted * costed.bytesPerRow,
    served: costed.cached ? 'cache' : 'read',
    quotas: mix?.quotas ?? null,
    weights: mix?.weights ?? null,
    shortfall: mix?.shortfall ?? null,
    cost,
    beyondShare: false,
    binding:
      rows < costed.rows && resource !== null
        ? { resource, shortfall: (costed.cost[resource] ?? 0) - (cost[resource] ?? 0) }
        : null,
    reason: grantReason(costed, rows, granted, resource) + (costed.cached ? ', from the shared cache' : ''),
  };
}

/** Why it gets so many rows, and what becomes of the rest. */
function grantReason(
  { item, rows: wanted }: CostedItem,
  rows: number,
  granted: number,
  resource: string | null,
): string {
  const owed = item.owedRows ?? 0;
  const claim = owed === 0 ? '' : ` (${owed} of them owed by earlier cycles)`;
  if (rows >= wanted) return `all ${granted} rows${claim}`;
  const part = `${rows} of ${wanted} rows${claim}: ${resource ?? 'its share'} is used up`;
  if (item.kind === 'request') return part;
  if (item.window != null) return `${part}; the oldest come first, the rest with later cycles`;
  return `${part}; ${owedAfter(item, wanted - rows)} are owed to it`;
}

/** The resource of which the least share of the cost is left, and that share (at most 1). */
function tightest(
  cost: Readonly<Record<string, number>>,
  left: Readonly<Record<string, number>>,
): { resource: string | null; fraction: number } {
  let resource: string | null = null;
  let fraction = 1;
  for (const name of Object.keys(cost).sort()) {
    if (cost[name] <= 0) continue;
    const part = (left[name] ?? 0) / cost[name];
    // Rounding in the allocator must not cost a row.
    if (part < fraction - 1e-9) {
      fraction = Math.max(0, part);
      resource = name;
    }
  }
  return { resource, fraction };
}

function waitedForItsShare(
  { item, cost }: CostedItem,
  left: Readonly<Record<string, number>>,
  allotted: Readonly<Record<string, number>>,
  inputs: BatchInputs,
): boolean {
  const attempts = inputs.attempts[item.id] ?? 1;
  return (
    attempts > 1 &&
    Object.entries(cost).every(
      ([name, amount]) => mayTake(name, amount, left[name] ?? 0) && (allotted[name] ?? 0) * attempts >= amount,
    )
  );
}

/** Whether so much may be taken where there is room for less: a bucket that is not in debt yet, never a quota. */
function mayTake(resource: string, amount: number, room: number): boolean {
  return amount <= room || (room > 0 && !isQuota(resource));
}

/**
 * Why an item waits: of each resource, what its model's share lacks for it beside what went before it. Granted exactly
 * that, it runs; without one that is not named, it does not.
 */
function waitReason(
  { item, cost, rows }: CostedItem,
  left: Readonly<Record<string, number>>,
  before: readonly Grant[],
  allotted: Readonly<Record<string, number>>,
  inputs: BatchInputs,
): WaitReason {
  const { resource, fraction } = tightest(cost, left);
  const name = resource ?? Object.keys(cost)[0] ?? 'rows';
  const need = cost[name] ?? 0;
  const short = Object.fromEntries(
    Object.entries(cost).flatMap(([other, amount]) => {
      const missing = amount - (left[other] ?? 0);
      return missing > amount * 1e-9 ? [[other, missing] as const] : [];
    }),
  );
  const shortfall = short[name] ?? 0;
  const limit = inputs.limits.find((one) => one.resource === name);
  const attempts = inputs.attempts[item.id] ?? 1;
  const cycles = Math.max(1, Math.ceil(need / Math.max(allotted[name] ?? 0, 1e-9)) - attempts);
  const refillMs =
    limit === undefined || limit.perSecond === 0
      ? inputs.windowMs
      : Math.min((shortfall / limit.perSecond) * 1000, inputs.windowMs * Math.min(cycles, 1_000));
  return {
    itemId: item.id,
    tier: limit !== undefined && need > limit.burst * 1_000 ? 'misconfigured' : 'over-quota',
    resource: name,
    blockers: blockersOf(short, before),
    shortfall,
    short,
    earliestMs: Math.ceil(inputs.nowMs + Math.max(250, refillMs)),
    reason: `${rows} rows need ${Math.round(need)} of ${name}, ${Math.round(need * fraction)} of ${item.model}'s share are left; ${Math.round(shortfall)} short`,
  };
}

/** Who had what is short: first those without any one of whom it would not be, then the largest. */
function blockersOf(short: Readonly<Record<string, number>>, before: readonly Grant[]): string[] {
  const names = Object.keys(short);
  const weight = ({ cost }: Grant): number =>
    Math.max(...names.map((name) => Math.min(1, (cost[name] ?? 0) / short[name])));
  const holders = before.map((grant) => ({ id: grant.itemId, weight: weight(grant) })).filter((one) => one.weight > 0);
  holders.sort((a, b) => b.weight - a.weight || (a.id < b.id ? -1 : 1));
  return holders.slice(0, BLOCKERS_MAX).map(({ id }) => id);
}
