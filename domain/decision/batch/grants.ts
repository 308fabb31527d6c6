/** A model's share of what is scarce, handed to its own items by priority. */
import { share } from '../../scheduler/resource-allocator.js';
import { classQuotas, type ClassQuotas } from './class-quotas.js';
import { isBucket, type CostedItem } from './costs.js';
import type { Flow } from './flows.js';
import type { PriorityPoints } from './item-priority.js';
import type { SegmentCover } from './segment-cover.js';

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
  /** Rows that the draw takes first; absent: none. */
  readonly cover?: SegmentCover | undefined;
  readonly cost: Readonly<Record<string, number>>;
  readonly score: number;
  /** What the score is made of. */
  readonly terms: PriorityPoints;
  /** Whether it was granted from what the others left, beyond its model's share. */
  readonly beyondShare: boolean;
  /** What a part of what was asked lacked; null: it got all. */
  readonly binding: { readonly resource: string; readonly shortfall: number } | null;
  readonly reason: string;
  /** Of what is read together with others; absent: it is served from the cache, or by a read of its own. */
  readonly share?: ReadShare | undefined;
}

/** How a read is shared. */
export interface ReadShare {
  /** The read's ordinal in its decision. */
  readonly read: number;
  /** Others whose rows it has in common, or might have: the first of them, as `model/need` or the request's id. */
  readonly with: readonly string[];
  /** How many they are. */
  readonly sharers: number;
  /** Further requests of other rows in the same scan. */
  readonly besides: number;
  /** Of its own bytes, what it is not charged as others read them too; null where the source counts no bytes. */
  readonly savedBytes: number | null;
}

/** Of an item that waits. */
export const WAITS = -1;

/** Who is handed what, by the items' indices. */
export interface Handed {
  /** Rows, before a mix by class leaves some of them out; `WAITS` for what gets nothing in this cycle. */
  readonly rows: Float64Array;
  /** Of those, what a need had in the queue before it shared the rest with the others. */
  readonly claimed: Float64Array;
  /** Event time up to which a window is parted. */
  readonly upToMs: Map<number, number>;
}

export function nothingHanded(items: number): Handed {
  return { rows: new Float64Array(items).fill(WAITS), claimed: new Float64Array(items), upToMs: new Map() };
}

/**
 * Hands out a flow's share. In the queue, by score, are one-off requests, whole or not at all, and standing needs that
 * an earlier cycle could not give even the least that is worth handing out: that least; gangs whole, at their last
 * member's turn. So the bound on waiting of
 * `scheduler/priority.ts` holds for both. What the queue leaves goes to the needs by weighted max-min over their
 * criticality (they are due again in the next cycle, so that a part is useful).
 * What waited until the shares of the cycles that it waited add up to its cost is granted though less is left, and the
 * bucket goes into debt: one at a time, as the shares of those cycles were the others' too. Never on a quota, nor on a
 * resource of the pool, where `giveTurns` sees to it. So of a bucket at most what is available and one item of each model
 * is taken.
 * @param allotted by the flow's resources
 */
export function handOutShare(flow: Flow, allotted: Float64Array, handed: Handed): void {
  const left = Float64Array.from(allotted);
  const { index, rows, attempts, needs, gangs } = flow;
  const amounts = new Float64Array(left.length);
  let next = 0;
  for (let place = 0; place < index.length; place++) {
    const isNeed = place === needs[next];
    if (isNeed) next++;
    if (isNeed && (attempts[place] === 1 || rows[place] === 0)) continue;
    const gang = gangs?.get(place);
    if (gang !== undefined) {
      const tries = gang.reduce((least, member) => Math.min(least, attempts[member]), Infinity);
      if (gang.length === 0 || !mayHave(flow, costsOf(flow, gang), tries, left, allotted)) continue;
      for (const member of gang) {
        takeFrom(left, flow, member, rows[member]);
        handed.rows[index[member]] = rows[member];
      }
      continue;
    }
    const least = isNeed ? leastPart(flow.items[place]) : null;
    const wanted = least?.rows ?? rows[place];
    for (let r = 0; r < amounts.length; r++) amounts[r] = costOf(flow, place, r, wanted);
    if (!mayHave(flow, amounts, attempts[place], left, allotted)) continue;
    takeFrom(left, flow, place, wanted);
    handed.rows[index[place]] = wanted;
    if (least === null) continue;
    handed.claimed[index[place]] = wanted;
    setUpTo(handed, index[place], least.upToMs);
  }
  if (needs.length === 0) return;
  const parts = shareAmongNeeds(flow, needs, left, handed.claimed);
  for (const place of needs) {
    const costed = flow.items[place];
    const part = partOf(costed, parts.get(place)!);
    if (part === null || part.rows < handed.rows[costed.index]) continue;
    handed.rows[costed.index] = part.rows;
    setUpTo(handed, costed.index, part.upToMs);
  }
}

export function setUpTo({ upToMs }: Handed, index: number, ms: number | null): void {
  if (ms === null) upToMs.delete(index);
  else upToMs.set(index, ms);
}

/** Rows of an item, and where a window is parted for them; null: up to its end. */
export interface RowsUpTo {
  readonly rows: number;
  readonly upToMs: number | null;
}

/** The least that is worth handing out: all of a request; of a need its own bound, of a window up to an event time that no row is cut off from. */
export function leastPart({ item, rows, cuts, least: bound }: CostedItem): RowsUpTo {
  if (item.kind === 'request') return { rows, upToMs: null };
  const least = Math.max(1, bound);
  if (item.window == null) return { rows: Math.min(least, rows), upToMs: null };
  const smallest = cuts.find((cut) => cut.rows >= least);
  return smallest === undefined || smallest.rows >= rows ? { rows, upToMs: null } : smallest;
}

/**
 * What a part of its wish is in rows: whole ones, no fewer than are worth handing out. New rows are handed out oldest
 * first, up to an event time that no row is cut off from: what comes after is the next cycle's.
 */
export function partOf(costed: CostedItem, part: number): RowsUpTo | null {
  const { item, rows, cuts } = costed;
  const fits = Math.floor(rows * part + 1e-6);
  if (fits >= rows) return { rows, upToMs: null };
  const within = item.window == null ? { rows: fits, upToMs: null } : cuts.filter((cut) => cut.rows <= fits).at(-1);
  return within === undefined || within.rows < Math.max(1, costed.least) ? null : within;
}

/** Rows that are left of so many by the mix of classes that the item is to keep; null: there is none to keep. */
export function mixOf({ item, shares, classCounts }: CostedItem, rows: number): ClassQuotas | null {
  return shares === null || classCounts === null ? null : classQuotas(classCounts, shares, rows, item.maxClassGap);
}

/** Rows that a draw of so many has: those that its mix leaves. */
export function drawnRows(costed: CostedItem, rows: number): number {
  return mixOf(costed, rows)?.rows ?? rows;
}

/** What so many rows of an item cost of the flow's r-th resource. */
export function costOf(flow: Flow, place: number, r: number, rows: number): number {
  const all = flow.rows[place];
  const amount = flow.cost[place * flow.resources.length + r];
  return rows >= all ? amount : (amount * rows) / all;
}

/** What so many rows of each item cost in all, by resource. */
export function takenBy(flows: readonly Flow[], rowsOf: Float64Array): Map<string, number> {
  const taken = new Map<string, number>();
  for (const flow of flows)
    for (const [r, resource] of flow.resources.entries()) {
      let sum = taken.get(resource) ?? 0;
      for (let place = 0; place < flow.index.length; place++) {
        const rows = rowsOf[flow.index[place]];
        if (rows > 0) sum += costOf(flow, place, r, rows);
      }
      taken.set(resource, sum);
    }
  return taken;
}

export function takeFrom(left: Float64Array, flow: Flow, place: number, rows: number): void {
  for (let r = 0; r < left.length; r++) left[r] = Math.max(0, left[r] - costOf(flow, place, r, rows));
}

/** Rounding in the allocator must not cost a row. */
export const ROUNDING = 1e-9;

/** What all of them cost, by the flow's resources. */
export function costsOf(flow: Flow, places: readonly number[]): Float64Array {
  return Float64Array.from(flow.resources, (_, r) =>
    places.reduce((sum, place) => sum + costOf(flow, place, r, flow.rows[place]), 0),
  );
}

/** Whether what costs so much fits into what is left, or waited for its share. */
function mayHave(
  flow: Flow,
  amounts: Float64Array,
  attempts: number,
  left: Float64Array,
  allotted: Float64Array,
): boolean {
  if (fits(amounts, left)) return true;
  if (attempts === 1) return false;
  for (let r = 0; r < left.length; r++) {
    const amount = amounts[r];
    const room = amount <= left[r] || (left[r] > 0 && isBucket(flow.resources[r], flow.source));
    if (!room || allotted[r] * attempts < amount) return false;
  }
  return true;
}

function fits(amounts: Float64Array, left: Float64Array): boolean {
  for (let r = 0; r < left.length; r++) if (amounts[r] > 0 && !(left[r] >= amounts[r] * (1 - ROUNDING))) return false;
  return true;
}

/** A need that nobody calls critical still counts a little. */
export const CRITICAL_MIN = 0.05;

/** Digits of a place as an id, so that ids are in order of places. */
const PLACE_DIGITS = 8;

/** Part of each need that is served, by place, with what it has already claimed. */
function shareAmongNeeds(
  flow: Flow,
  needs: readonly number[],
  left: Float64Array,
  claimed: Float64Array,
): ReadonlyMap<number, number> {
  const width = flow.resources.length;
  const part = (place: number): number => (flow.rows[place] === 0 ? 0 : claimed[flow.index[place]] / flow.rows[place]);
  const parts = new Map<number, number>();
  const rest = new Float64Array(width);
  const sharing = needs.filter((place) => {
    let costs = false;
    for (let r = 0; r < width; r++) {
      const amount = flow.cost[place * width + r];
      rest[r] += amount * (1 - part(place));
      costs ||= amount > 0;
    }
    parts.set(place, 1);
    return costs;
  });
  if (rest.every((amount, r) => amount <= left[r])) return parts;
  const { units } = share({
    resources: Object.fromEntries(flow.resources.map((resource, r) => [resource, left[r]])),
    models: sharing.map((place) => ({
      id: String(place).padStart(PLACE_DIGITS, '0'),
      weight: Math.max(CRITICAL_MIN, flow.items[place].item.critical),
      demand: Object.fromEntries(flow.resources.map((resource, r) => [resource, flow.cost[place * width + r]])),
      cap: 1 - part(place),
    })),
    divisible: true,
  });
  for (const [i, place] of sharing.entries()) parts.set(place, Math.min(1, part(place) + units[i]));
  return parts;
}
