/** What was handed out and what was not, told: each grant with its reason, and of each item that waits what it lacks, who holds it, and when to look again. */
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { CohortUse, isWithin } from './cohorts.js';
import { isQuota, type CostedItem } from './costs.js';
import type { Flow } from './flows.js';
import { costOf, leastPart, mixOf, type Grant, type Handed } from './grants.js';
import { priorityPoints } from './item-priority.js';
import { segmentCover } from './segment-cover.js';
import { owedAfter } from '../coordinate/need-states.js';
import type { WaitReason } from '../work.js';
import { gangsWaiting, lacks, type Asking, type Lack, type Rest } from './what-is-left.js';

/** Blockers named in a reason: the most urgent ones; a list of thousands explains nothing. */
const BLOCKERS_MAX = 32;
/** Other models named as blockers of an item. */
const MODELS_NAMED_MAX = 8;

/** Nobody looks again sooner. */
const AGAIN_MS_MIN = 250;

/** What the sharing came to, as far as it is told. */
export interface ToldRound {
  readonly flows: readonly Flow[];
  /** By flow, by its resources. */
  readonly allotted: readonly Float64Array[];
  /** What the shares gave, and what everybody has in the end. */
  readonly shared: Handed;
  readonly handed: Handed;
  /** Null: nothing was scarce, and nothing waits. */
  readonly rest: Rest | null;
}

/** Everything granted, and everything that waits: by the items' indices, one of the two is there. */
interface Told {
  readonly grants: (Grant | undefined)[];
  readonly waiting: (WaitReason | undefined)[];
}

export function tellRound(round: ToldRound, items: number, inputs: BatchInputs): Told {
  const told: Told = { grants: new Array<Grant | undefined>(items), waiting: new Array<WaitReason | undefined>(items) };
  const { flows, handed, shared, rest } = round;
  const waiting: Asking[] = [];
  for (const flow of flows)
    for (let place = 0; place < flow.index.length; place++) {
      const index = flow.index[place];
      if (handed.rows[index] < 0) waiting.push({ flow, place, costed: flow.items[place] });
      else told.grants[index] = grantOf(flow, place, handed, shared.rows[index], rest, inputs);
    }
  if (rest === null || waiting.length === 0) return told;
  const why = new Waits(round, rest, inputs);
  const gangs = gangsWaiting(waiting);
  const inGang = new Set(gangs.flat());
  for (const gang of gangs) for (const { costed, wait } of why.ofGang(gang)) told.waiting[costed.index] = wait;
  for (const one of waiting) if (!inGang.has(one)) told.waiting[one.costed.index] = why.of(one);
  return told;
}

function grantOf(
  flow: Flow,
  place: number,
  { rows: handed, upToMs }: Handed,
  shared: number,
  rest: Rest | null,
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
  const binding = rows < wanted ? (rest?.scarcest({ flow, place, costed }) ?? null) : null;
  const gang = item.gang === undefined ? '' : `, with all ${item.gang.size} of gang ${item.gang.name}`;
  const stored = item.readId === undefined ? ', from the shared cache' : ', read since an earlier cycle';
  const from = gang + (costed.cached ? stored : '') + (beyondShare ? '; from what others left' : '');
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

/** Why items wait: of each resource what they would take more, beside all that is granted, and what is left of it. */
class Waits {
  /** What each model holds, and by flow its items. */
  private readonly models: Largest;
  private readonly items = new Map<Flow, Largest>();
  /** By flow, its shares. */
  private readonly allotted: ReadonlyMap<Flow, Float64Array>;
  /** Of what a member may take of each resource alone, were there one unit of it. */
  private readonly alone: CohortUse | null;
  /** By flow and resource, who holds it: the same for all of a flow that wait for it. */
  private readonly known = new Map<string, Map<string, readonly string[]>>();

  constructor(
    private readonly round: ToldRound,
    private readonly rest: Rest,
    private readonly inputs: BatchInputs,
  ) {
    this.models = holdersOf(round, inputs);
    this.allotted = new Map(round.flows.map((flow, f) => [flow, round.allotted[f]]));
    this.alone = CohortUse.of({ ...inputs, limits: inputs.limits.map((limit) => ({ ...limit, available: 1 })) });
  }

  of(one: Asking): WaitReason {
    const { rows } = leastPart(one.costed);
    return this.reasonOf([one], `${rows} rows need`, one.flow.attempts[one.place]);
  }

  /** A gang waits for all that it takes; those that take nothing of what is scarce wait for one that does. */
  ofGang(gang: readonly Asking[]): { readonly costed: CostedItem; readonly wait: WaitReason }[] {
    const [{ resource }] = this.rest.needOf(gang);
    const users = gang.filter(({ flow }) => flow.resources.includes(resource));
    const rows = users.reduce((sum, { costed }) => sum + costed.rows, 0);
    const attempts = Math.min(...gang.map(({ flow, place }) => flow.attempts[place]));
    const wait = this.reasonOf(gang, `${rows} rows need`, attempts);
    const first = users.reduce(
      (least, { costed: { item } }) => (item.id < least ? item.id : least),
      users[0].costed.item.id,
    );
    return gang.map((one) => {
      const { item } = one.costed;
      const { name, size } = item.gang!;
      const because = users.includes(one) ? '' : ` (for ${first})`;
      const reason = `gang ${name} of ${size} waits together${because}: ${wait.reason}`;
      return { costed: one.costed, wait: { ...wait, itemId: item.id, reason, terms: this.termsOf(one) } };
    });
  }

  /**
   * Granted exactly what is short, they run beside all that is granted; with less, or without one that is not named, they
   * do not. (Others that hold it are named up to a bound, the largest first.)
   */
  private reasonOf(asking: readonly Asking[], text: string, attempts: number): WaitReason {
    const needs = this.rest.needOf(asking);
    const short = needs.filter(lacks);
    const [first] = short.length > 0 ? short : needs;
    const { resource, need, left, cohort } = first;
    const [{ costed }] = asking;
    // Of what is not short, too: alone they take what they would share now, and a cohort's part is of what is left then.
    const times = needs.map((lack) => this.timeOf(lack, asking, attempts));
    // What is short is served by no waiting; what is shared now may be shared again.
    const never = times.find((time, at) => time.never !== null && lacks(needs[at]))?.never ?? null;
    const whose = cohort === null ? '' : `: its cohort ${cohort} may take no more`;
    return {
      itemId: costed.item.id,
      tier: never === null ? 'over-quota' : 'misconfigured',
      resource,
      blockers: this.blockersOf(short, asking),
      shortfall: need - left,
      short: Object.fromEntries(short.map((lack) => [lack.resource, lack.need - lack.left])),
      earliestMs: Math.ceil(Math.max(this.inputs.nowMs + AGAIN_MS_MIN, ...times.map(({ atMs }) => atMs))),
      reason: `${text} ${Math.round(need)} of ${resource}, ${Math.round(left)} are left; ${Math.round(need - left)} short${whose}`,
      ...(never === null ? {} : { hint: never }),
      ...(cohort === null ? {} : { cohort }),
      terms: this.termsOf(asking[0]),
    };
  }

  private termsOf({ costed, flow }: Asking): ReturnType<typeof priorityPoints> {
    return priorityPoints(costed, flow.debt, this.inputs);
  }

  /**
   * When they can have what they lack at the earliest: alone, once the bucket has refilled; or beside others, once their
   * model's shares of the cycles that they waited add up to it. `never`: what to change, where neither comes.
   */
  private timeOf(
    lack: Lack,
    asking: readonly Asking[],
    attempts: number,
  ): { readonly atMs: number; readonly never: string | null } {
    const { windowMs, nowMs, limits } = this.inputs;
    const { resource, limit: at } = lack;
    const limit = limits[at];
    const { perSecond, burst } = limit;
    const users = asking.length === 1 ? asking : asking.filter(({ flow }) => flow.limits.includes(at));
    const [{ flow }] = users;
    const need = this.rest.takes(users, at, true);
    if (need <= 0 || (perSecond === 0 && !lacks(lack))) return { atMs: nowMs, never: null };
    // What its cohort may take of one unit, were nobody else there.
    const part = this.alone?.room(flow.cohort, resource) ?? { amount: 1, of: null };
    const never = neverHint(limit, need, part);
    const share = this.allotted.get(flow)![flow.limits.indexOf(at)];
    const cycles = Math.max(1, Math.ceil(need / Math.max(share, 1e-9)) - attempts);
    const sharesMs = windowMs * Math.min(cycles, 1_000);
    if (perSecond === 0) return { atMs: nowMs + (never === null ? windowMs : sharesMs), never };
    // What is larger than a full bucket goes into debt once it is full, but not beyond its cohort's part.
    const full = part.amount >= 1 ? Math.min(need, burst) : need / part.amount;
    const refillMs = full <= burst ? ((full - this.rest.balance(at)) / perSecond) * 1000 : Infinity;
    return { atMs: nowMs + Math.min(refillMs, sharesMs), never };
  }

  /** Who holds what is short, the scarcest first: the items of its model, then the other models. */
  private blockersOf(short: readonly Lack[], asking: readonly Asking[]): readonly string[] {
    const flows = asking.length === 1 ? [asking[0].flow] : [...new Set(asking.map(({ flow }) => flow))];
    const ofFlows = keyOf(flows, ({ id }) => id);
    const ofShort = keyOf(short, nameOf);
    let answers = this.known.get(ofFlows);
    if (answers === undefined) this.known.set(ofFlows, (answers = new Map<string, readonly string[]>()));
    const known = answers.get(ofShort);
    if (known !== undefined) return known;
    const own = new Set(flows.map(({ id }) => id));
    const items = short.flatMap(({ resource }) => flows.flatMap((flow) => this.itemsOf(flow).of(resource)));
    const models = short.flatMap(({ resource, cohort }) =>
      // Where a limit of its cohort keeps it from it, those outside hold nothing that it could have.
      this.models.of(resource).filter((id) => !own.has(id) && (cohort === null || isWithin(cohort, id, this.inputs))),
    );
    const named = [...new Set(items)].slice(0, BLOCKERS_MAX);
    const found = [...named, ...[...new Set(models)].slice(0, MODELS_NAMED_MAX)];
    answers.set(ofShort, found);
    return found;
  }

  private itemsOf(flow: Flow): Largest {
    const known = this.items.get(flow);
    if (known !== undefined) return known;
    const items = new Largest(flow.resources, BLOCKERS_MAX);
    const taken = new Float64Array(flow.resources.length);
    for (const [place, { item, index }] of flow.items.entries()) {
      const rows = this.round.handed.rows[index];
      if (rows <= 0) continue;
      for (let r = 0; r < taken.length; r++) taken[r] = costOf(flow, place, r, rows);
      items.add(item.id, taken);
    }
    this.items.set(flow, items);
    return items;
  }
}

/** Names joined; of one, the name itself. */
function keyOf<T>(some: readonly T[], name: (one: T) => string): string {
  return some.length === 1 ? name(some[0]) : some.map(name).join('\0\0');
}
function nameOf({ resource, cohort }: Lack): string {
  return cohort === null ? resource : `${resource}\0${cohort}`;
}

/** A bucket goes into debt for so many full ones at most. */
const DEBT_MAX = 1_000;

/** What to change where waiting can never add up to so much; null: it can. */
function neverHint(
  { resource, source, burst }: ResourceLimit,
  need: number,
  part: { readonly amount: number; readonly of: string | null },
): string | null {
  if (part.amount <= 0)
    return part.of === null
      ? `Never: all of ${resource} is kept back by cohorts that do not lend it; lower a nominal or raise a lendingLimit.`
      : `Never: cohort ${part.of} may take nothing of ${resource}; raise its nominal or borrowingLimit.`;
  // A resource of the pool, or a quota, is never exceeded; in turns a resource of the pool is had whole.
  const most = source === null ? burst : isQuota(resource) ? burst * part.amount : burst * DEBT_MAX;
  if (need <= most * (1 + 1e-9)) return null;
  const change = source === null ? `resources.${resource} of the pool` : `the limits of ${source}`;
  return `Never: at most ${Math.round(most)} can be had of ${resource}; ask for less of it, or raise ${change}.`;
}

/** What each model holds in the end. */
function holdersOf({ flows, handed }: Pick<ToldRound, 'flows' | 'handed'>, inputs: BatchInputs): Largest {
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
    models.add(flow.id, taken);
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

  /** Adds a holder. */
  add(id: string, taken: ArrayLike<number>): void {
    let holder: Holder | null = null;
    for (let r = 0; r < this.lists.length; r++) {
      const list = this.lists[r];
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

  /** Who holds most of a resource: nobody, where it is none of these. */
  of(resource: string): string[] {
    const at = this.resources.indexOf(resource);
    return at < 0 ? [] : this.lists[at].map(({ id }) => id);
  }
}

function holdsMore(a: Holder, b: Holder, r: number): boolean {
  return a.taken[r] > b.taken[r] || (a.taken[r] === b.taken[r] && a.id < b.id);
}
