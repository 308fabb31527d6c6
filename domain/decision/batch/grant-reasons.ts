/** What was handed out and what was not, told: each grant with its reason, and of each item that waits what it lacks, who holds it, and when to look again. */
import type { AllocationResult } from '../../scheduler/allocation-instance.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { isWithin } from './cohorts.js';
import type { CostedItem } from './costs.js';
import type { Flow } from './flows.js';
import { costOf, costsOf, leastPart, mixOf, takeFrom, type Grant, type Handed } from './grants.js';
import { priorityPoints } from './item-priority.js';
import { segmentCover } from './segment-cover.js';
import { owedAfter } from '../coordinate/need-states.js';
import type { WaitReason } from '../work.js';

/** Blockers named in a reason: the most urgent ones; a list of thousands explains nothing. */
const BLOCKERS_MAX = 32;
/** Other models named as blockers of an item. */
const MODELS_NAMED_MAX = 8;

/** What the sharing came to, as far as it is told. */
export interface ToldRound {
  readonly flows: readonly Flow[];
  /** By flow, by its resources. */
  readonly allotted: readonly Float64Array[];
  /** What the shares gave, and what everybody has in the end. */
  readonly shared: Handed;
  readonly handed: Handed;
  /** What the shares come from: absent where nothing is limited. */
  readonly allocation?: AllocationResult | null;
}

/** Everything granted, and everything that waits. */
export function tellRound(round: ToldRound, items: number, inputs: BatchInputs): Told {
  const told: Told = { grants: new Array<Grant | undefined>(items), waiting: new Array<WaitReason | undefined>(items) };
  const models = holdersOf(round, inputs);
  for (const [f, flow] of round.flows.entries()) tellFlow(flow, round.allotted[f], round, models, inputs, told);
  return told;
}

/** By the items' indices: one of the two is there. */
interface Told {
  readonly grants: (Grant | undefined)[];
  readonly waiting: (WaitReason | undefined)[];
}

/** A flow as it is told: what is left of its share, and who has it. */
interface Telling {
  readonly flow: Flow;
  readonly allotted: Float64Array;
  readonly left: Float64Array;
  readonly blockers: Blockers;
  /** Whose limit keeps its share small; null: no cohort's. */
  readonly cohort: string | null;
  /** What an item costs: a place to count in. */
  readonly costs: Float64Array;
  readonly round: ToldRound;
  readonly inputs: BatchInputs;
}

/** Follows the flow's share from hand to hand: first the queue, then what the needs shared. */
function tellFlow(
  flow: Flow,
  allotted: Float64Array,
  round: ToldRound,
  models: Largest,
  inputs: BatchInputs,
  told: Told,
): void {
  const { shared } = round;
  // Where a limit of its cohort keeps its share small, those outside hold nothing that it could have.
  const cohort = round.allocation?.allocations.find(({ id }) => id === flow.id)?.cohort ?? null;
  const blockers = new Blockers(flow, models, (other) => cohort === null || isWithin(cohort, other, inputs));
  const costs = new Float64Array(flow.resources.length);
  const telling = { flow, allotted, left: Float64Array.from(allotted), blockers, cohort, costs, round, inputs };
  const { index, needs } = flow;
  let next = 0;
  for (let place = 0; place < index.length; place++) {
    const isNeed = place === needs[next];
    if (isNeed) next++;
    else tell(telling, place, null, told);
    take(telling, place, (isNeed ? shared.claimed : shared.rows)[index[place]], false);
  }
  for (const place of needs) {
    const claimed = shared.claimed[index[place]];
    take(telling, place, shared.rows[index[place]] - claimed, claimed > 0);
  }
  for (const place of needs) {
    costOfAll(telling, place, flow.rows[place]);
    tell(telling, place, tightest(flow, costs, telling.left).resource, told);
  }
}

function tell(telling: Telling, place: number, scarcest: string | null, told: Told): void {
  const { flow, round } = telling;
  const index = flow.index[place];
  if (round.handed.rows[index] >= 0) {
    told.grants[index] = grantOf(flow, place, round.handed, round.shared.rows[index], scarcest, telling.inputs);
    return;
  }
  const gang = flow.gangs?.get(place);
  if (gang === undefined) {
    told.waiting[index] = waitReason(telling, place);
    return;
  }
  // A gang waits for all that it costs, at its last member's turn.
  const wait = waitReason(telling, place);
  for (const member of gang) told.waiting[flow.index[member]] = { ...wait, itemId: flow.items[member].item.id };
}

/** @param again whether it took something before */
function take({ flow, left, blockers }: Telling, place: number, rows: number, again: boolean): void {
  if (rows <= 0) return;
  takeFrom(left, flow, place, rows);
  blockers.add(place, rows, again);
}

function costOfAll({ flow, costs }: Telling, place: number, rows: number): void {
  for (let r = 0; r < costs.length; r++) costs[r] = costOf(flow, place, r, rows);
}

function grantOf(
  flow: Flow,
  place: number,
  { rows: handed, upToMs }: Handed,
  shared: number,
  scarcest: string | null,
  inputs: BatchInputs,
): Grant {
  const costed = flow.items[place];
  const { item, index, rows: wanted } = costed;
  const rows = handed[index];
  const mix = mixOf(costed, rows);
  const granted = mix?.rows ?? rows;
  const chosen = segmentCover(item, costed.facts, granted, mix !== null);
  const cost: Record<string, number> = {};
  for (let r = 0; r < flow.resources.length; r++) cost[flow.resources[r]] = costOf(flow, place, r, rows);
  const beyondShare = rows > shared;
  const binding = rows < wanted ? scarcest : null;
  const gang = item.gang === undefined ? '' : `, with all ${item.gang.size} of gang ${item.gang.name}`;
  const from = gang + (costed.cached ? ', from the shared cache' : '') + (beyondShare ? '; from what others left' : '');
  const cut = upToMs.size === 0 ? undefined : upToMs.get(index);
  // One literal with all that it may have: every grant is of one shape, which the engine knows from this line.
  return {
    itemId: item.id,
    rows: granted,
    asked: item.rows ?? wanted,
    // What was asked for this cycle is served first; only the rest came ahead.
    aheadRows: Math.max(0, granted - (wanted - costed.aheadRows)),
    short: wanted - rows,
    minRows: costed.least,
    bytes: granted * costed.bytesPerRow,
    served: costed.cached ? 'cache' : 'read',
    quotas: mix?.quotas ?? null,
    weights: mix?.weights ?? null,
    shortfall: mix?.shortfall ?? null,
    cover: chosen?.cover,
    cost,
    beyondShare,
    binding: binding === null ? null : { resource: binding, shortfall: restOf(flow, place, binding, rows) },
    reason: grantReason(costed, rows, granted, binding) + from + (chosen === null ? '' : `; ${chosen.reason}`),
    score: flow.scores[place],
    terms: priorityPoints(costed, flow.debt, inputs),
    upToMs: cut,
    share: undefined,
  };
}

/** What the rest of an item would cost of a resource. */
function restOf(flow: Flow, place: number, resource: string, rows: number): number {
  const r = flow.resources.indexOf(resource);
  return costOf(flow, place, r, flow.items[place].rows) - costOf(flow, place, r, rows);
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

/** The resource of which the least part of these costs is left, and that part (at most 1). */
function tightest(
  flow: Flow,
  costs: Float64Array,
  left: Float64Array,
): { readonly resource: string | null; readonly part: number } {
  let resource: string | null = null;
  let part = 1;
  for (let r = 0; r < left.length; r++) {
    const amount = costs[r];
    if (amount <= 0 || left[r] / amount >= part - 1e-9) continue;
    part = Math.max(0, left[r] / amount);
    resource = flow.resources[r];
  }
  return { resource, part };
}

/**
 * Why an item waits: of each resource, what its model's share lacks for it (of a need: for the least that is worth
 * handing out) beside what went before it. Granted exactly that, it runs; without one that is not named, it does not.
 */
function waitReason(telling: Telling, place: number): WaitReason {
  const { flow, left, allotted, blockers, cohort, inputs } = telling;
  const costed = flow.items[place];
  const { item } = costed;
  const gang = flow.gangs?.get(place) ?? null;
  const rows = gang === null ? leastPart(costed).rows : gang.reduce((sum, one) => sum + flow.rows[one], 0);
  if (gang === null) costOfAll(telling, place, rows);
  const costs = gang === null ? telling.costs : costsOf(flow, gang);
  const { resource, part } = tightest(flow, costs, left);
  const name = resource ?? flow.resources[0] ?? 'rows';
  const at = flow.resources.indexOf(name);
  const need = at < 0 ? 0 : costs[at];
  const short: Record<string, number> = {};
  for (let r = 0; r < costs.length; r++) {
    const amount = costs[r];
    if (amount - left[r] > amount * 1e-9) short[flow.resources[r]] = amount - left[r];
  }
  // Its share would do, were reads not dearer than the shares assumed: it lacks all that it costs.
  if (resource === null) short[name] = need;
  const shortfall = short[name];
  const limit = limitOf(name, inputs);
  const cycles = Math.max(1, Math.ceil(need / Math.max(allotted[at] ?? 0, 1e-9)) - flow.attempts[place]);
  const sharesMs = inputs.windowMs * Math.min(cycles, 1_000);
  const refillMs =
    limit === undefined || limit.perSecond === 0
      ? inputs.windowMs
      : Math.min(cohort === null ? (shortfall / limit.perSecond) * 1000 : Infinity, sharesMs);
  return {
    itemId: item.id,
    tier: limit !== undefined && need > mostOf(limit) ? 'misconfigured' : 'over-quota',
    resource: name,
    blockers: blockers.of(short),
    shortfall,
    short,
    earliestMs: Math.ceil(inputs.nowMs + Math.max(250, refillMs)),
    reason: `${rows} rows need ${Math.round(need)} of ${name}, ${Math.round(need * part)} of ${item.model}'s share are left; ${Math.round(shortfall)} short${cohort === null ? '' : `: its cohort ${cohort} may take no more`}`,
    cohort: cohort ?? undefined,
    terms: priorityPoints(costed, flow.debt, inputs),
  };
}

function limitOf(resource: string, { limits }: BatchInputs): ResourceLimit | undefined {
  for (const limit of limits) if (limit.resource === resource) return limit;
}

/** What waiting can add up to: a resource of the pool is never exceeded, a bucket goes into debt for some cycles at most. */
function mostOf({ source, burst }: ResourceLimit): number {
  return source === null ? burst * (1 + 1e-9) : burst * 1_000;
}

/** Who had what is short: the items of its model that went before it, then the other models, each the largest holder first. */
class Blockers {
  private readonly items: Largest;
  /** Of the one that is added: a place to count in. */
  private readonly taken: Float64Array;
  /** The answer for what is short alone: the same for all that wait until somebody else is granted. */
  private readonly known = new Map<string, readonly string[]>();

  constructor(
    private readonly flow: Flow,
    private readonly models: Largest,
    private readonly counts: (flow: string) => boolean,
  ) {
    this.items = new Largest(flow.resources, BLOCKERS_MAX);
    this.taken = new Float64Array(flow.resources.length);
  }

  add(place: number, rows: number, again: boolean): void {
    if (this.known.size > 0) this.known.clear();
    for (let r = 0; r < this.taken.length; r++) this.taken[r] = costOf(this.flow, place, r, rows);
    this.items.add(this.flow.items[place].item.id, this.taken, again);
  }

  of(short: Readonly<Record<string, number>>): readonly string[] {
    const names = Object.keys(short);
    const known = names.length === 1 ? this.known.get(names[0]) : undefined;
    if (known !== undefined) return known;
    const models = this.models.of(short).filter((id) => id !== this.flow.id && this.counts(id));
    const found = [...this.items.of(short), ...models.slice(0, MODELS_NAMED_MAX)];
    if (names.length === 1) this.known.set(names[0], found);
    return found;
  }
}

/** What each model holds in the end. */
function holdersOf({ flows, handed }: ToldRound, inputs: BatchInputs): Largest {
  const resources = inputs.limits.map(({ resource }) => resource);
  // One more than is named: a model is not named among the others.
  const models = new Largest(resources, MODELS_NAMED_MAX + 1);
  for (const flow of flows) {
    const taken = resources.map(() => 0);
    const at = flow.resources.map((resource) => resources.indexOf(resource));
    for (let place = 0; place < flow.index.length; place++) {
      const rows = handed.rows[flow.index[place]];
      if (rows > 0) for (let r = 0; r < at.length; r++) taken[at[r]] += costOf(flow, place, r, rows);
    }
    models.add(flow.id, taken, false);
  }
  return models;
}

interface Holder {
  readonly id: string;
  readonly taken: readonly number[];
}

/** The largest holders of each of some resources, as they come. */
class Largest {
  private readonly lists: readonly Holder[][];

  constructor(
    private readonly resources: readonly string[],
    private readonly most: number,
  ) {
    this.lists = resources.map(() => []);
  }

  /** Adds a holder; of one that was added before, what it holds instead. */
  add(id: string, taken: ArrayLike<number>, again: boolean): void {
    let holder: Holder | null = null;
    for (let r = 0; r < this.lists.length; r++) {
      const list = this.lists[r];
      if (again) {
        const known = list.findIndex((other) => other.id === id);
        if (known >= 0) list.splice(known, 1);
      }
      if (taken[r] <= 0) continue;
      // Most hold less than the least of a full list.
      if (list.length === this.most && list[this.most - 1].taken[r] > taken[r]) continue;
      const one = (holder ??= { id, taken: Array.from(taken) });
      let at = list.length;
      while (at > 0 && !holdsMore(list[at - 1], one, r)) at--;
      if (at < this.most) list.splice(at, 0, one);
      if (list.length > this.most) list.pop();
    }
  }

  /** First those without any one of whom it would not be short, then who holds the largest part. */
  of(short: Readonly<Record<string, number>>): string[] {
    const parts = new Map<string, number>();
    for (const [r, list] of this.lists.entries()) {
      const missing = short[this.resources[r]] ?? 0;
      if (missing <= 0) continue;
      for (const { id, taken } of list) parts.set(id, Math.max(parts.get(id) ?? 0, taken[r] / missing));
    }
    const holders = [...parts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
    return holders.slice(0, this.most).map(([id]) => id);
  }
}

function holdsMore(a: Holder, b: Holder, r: number): boolean {
  return a.taken[r] > b.taken[r] || (a.taken[r] === b.taken[r] && a.id < b.id);
}
