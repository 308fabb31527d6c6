/**
 * What the models' shares leave unused, because requests are whole and needs have a least part: it goes to what waits
 * and fits, the most urgent first, then to whoever can use any part of it. Afterwards nothing that waits could have been
 * granted besides.
 */
import { share } from '../../scheduler/resource-allocator.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import type { CohortUse } from './cohorts.js';
import { countsBytes, isQuota, type CostedItem } from './costs.js';
import type { Flow } from './flows.js';
import {
  costOf,
  CRITICAL_MIN,
  leastPart,
  mixOf,
  partOf,
  ROUNDING,
  setUpTo,
  takenBy,
  type Handed,
  type RowsUpTo,
} from './grants.js';
import type { ReadCharges } from './read-charges.js';

/** An item in its flow. */
export interface Asking {
  readonly flow: Flow;
  readonly place: number;
  readonly costed: CostedItem;
}

/** What some items lack of a resource, beside what everybody has. */
export interface Lack {
  readonly resource: string;
  /** What they would take more of it, and what of it they may take. */
  readonly need: number;
  readonly left: number;
  /** The cohort whose limit of it that is; null: the pool's. */
  readonly cohort: string | null;
}

/**
 * What is left, as it is handed out. An item costs what its read would take more with it, which is nothing where others
 * read its rows and fields anyway. `charges` are settled for what everybody has.
 */
export class Rest {
  private readonly places: ReadonlyMap<string, number>;
  private readonly left: Float64Array;
  private readonly untouched: ReadonlySet<string>;
  private readonly limits: readonly ResourceLimit[];
  /** Sources with a bucket that an item can wait for in vain. */
  private readonly idle: ReadonlySet<string | null>;

  constructor(
    flows: readonly Flow[],
    private readonly handed: Handed,
    private readonly charges: ReadCharges,
    private readonly cohorts: CohortUse | null,
    { limits }: BatchInputs,
  ) {
    const taken = takenBy(flows, handed.rows);
    this.limits = limits;
    this.places = new Map(limits.map(({ resource }, at) => [resource, at]));
    this.left = Float64Array.from(limits, ({ resource, source, available }) => {
      const used = source === null ? (taken.get(resource) ?? 0) : charges.takenOf(source, resource);
      return Math.max(0, available - used);
    });
    const untouched = limits.filter(({ resource }) => !taken.get(resource));
    this.untouched = new Set(untouched.map(({ resource }) => resource));
    this.idle = new Set(untouched.filter((limit) => isFull(limit)).map(({ source }) => source));
  }

  /** What of a resource a flow may still take, and whose limit that is. */
  private of({ cohort }: Flow, resource: string): { readonly amount: number; readonly of: string | null } {
    const left = this.left[this.places.get(resource)!];
    const room = this.cohorts?.room(cohort, resource);
    return room === undefined || left <= room.amount ? { amount: left, of: null } : room;
  }

  /** What is left of a resource, or less than nothing: what is owed to its bucket. */
  balance(resource: string): number {
    const { available, source } = this.limits[this.places.get(resource)!];
    return source === null ? this.left[this.places.get(resource)!] : available - this.charges.takenOf(source, resource);
  }

  /** The resource that keeps an item from all its rows: of which the least part of the rest is left; null: none. */
  scarcest(one: Asking): string | null {
    let [scarcest, least]: [string | null, number] = [null, 1 - ROUNDING];
    for (const resource of one.flow.resources) {
      const more = this.more(one, one.costed.rows, resource);
      const part = more <= 0 ? 1 : this.of(one.flow, resource).amount / more;
      if (part < least) [scarcest, least] = [resource, part];
    }
    return scarcest;
  }

  amounts(): Record<string, number> {
    return Object.fromEntries(this.limits.map(({ resource }, at) => [resource, this.left[at]]));
  }

  /** What an item would take more of a resource, had it so many rows. */
  private more({ flow, place, costed }: Asking, rows: number, resource: string): number {
    const limit = this.limits[this.places.get(resource)!];
    const before = Math.max(0, this.handed.rows[costed.index]);
    if (limit.source === null) {
      const r = flow.resources.indexOf(resource);
      return costOf(flow, place, r, rows) - (before === 0 ? 0 : costOf(flow, place, r, before));
    }
    const more = this.charges.added(costed.index, mixOf(costed, rows)?.rows ?? rows);
    return countsBytes(resource) ? more.bytes : more.rows;
  }

  /** Whether nothing is exceeded when an item has so many rows. */
  holds(one: Asking, rows: number): boolean {
    return one.flow.resources.every((resource) => {
      const more = this.more(one, rows, resource);
      return more <= 0 || this.of(one.flow, resource).amount >= more * (1 - ROUNDING);
    });
  }

  /** Gives an item these rows. */
  give(one: Asking, { rows, upToMs }: RowsUpTo): void {
    const { flow, place, costed } = one;
    const before = Math.max(0, this.handed.rows[costed.index]);
    const all = flow.rows[place];
    for (const [r, resource] of flow.resources.entries()) {
      const had = before === 0 ? 0 : costOf(flow, place, r, before);
      const more = this.more(one, rows, resource);
      const at = this.places.get(resource)!;
      this.left[at] = Math.max(0, this.left[at] - more);
      this.cohorts?.take(flow.cohort, resource, more);
      // It is charged what it takes more: the others keep what they are charged.
      if (rows > 0)
        flow.cost[place * flow.resources.length + r] = rows >= all ? had + more : ((had + more) * all) / rows;
    }
    this.charges.add(costed.index, mixOf(costed, rows)?.rows ?? rows);
    this.handed.rows[costed.index] = rows;
    setUpTo(this.handed, costed.index, upToMs);
  }

  /** What these items, all of one model, would take more of each resource if they had all that each asks for at least, the scarcest first. */
  needOf(gang: readonly Asking[]): Lack[] {
    const [{ flow: first }] = gang;
    const needs = [...new Set(gang.flatMap(({ flow }) => flow.resources))].map((resource): Lack => {
      const { amount: left, of: cohort } = this.of(first, resource);
      return { resource, need: this.takes(gang, resource, false), left, cohort };
    });
    const part = ({ need, left }: Lack): number => (need <= 0 ? Infinity : left / need);
    return needs.sort((a, b) => part(a) - part(b) || (a.resource < b.resource ? -1 : 1));
  }

  /** What these items take of a resource if each has all that it asks for at least: beside what is granted, or alone. */
  takes(gang: readonly Asking[], resource: string, alone: boolean): number {
    const { source } = this.limits[this.places.get(resource)!];
    if (source === null)
      return gang.reduce(
        (sum, { flow, place, costed }) =>
          sum + costOf(flow, place, flow.resources.indexOf(resource), leastPart(costed).rows),
        0,
      );
    const given = gang
      .filter(({ flow }) => flow.source === source)
      .map(({ costed }) => {
        const { rows } = leastPart(costed);
        return { index: costed.index, rows: mixOf(costed, rows)?.rows ?? rows };
      });
    const taken = this.charges.addedTogether(given, alone);
    return countsBytes(resource) ? taken.bytes : taken.rows;
  }

  /** Gives all of a gang that wait what they ask for, when that exceeds nothing; else nothing. */
  giveAll(gang: readonly Asking[]): boolean {
    if (this.needOf(gang).some(lacks)) return false;
    for (const one of gang) this.give(one, { rows: one.costed.rows, upToMs: null });
    return true;
  }

  /**
   * Whether it is larger than a bucket of its source that is full and that nobody took anything of, and would exceed
   * nothing else: to wait longer would gain nothing.
   */
  waitsInVain(one: Asking): boolean {
    const { flow, costed } = one;
    if (!this.idle.has(flow.source)) return false;
    const { rows } = leastPart(costed);
    let larger = false;
    for (const resource of flow.resources) {
      const amount = this.more(one, rows, resource);
      const at = this.places.get(resource)!;
      if (amount <= this.left[at]) continue;
      const limit = this.limits[at];
      if (limit.source === null || isQuota(resource)) return false;
      if (!this.untouched.has(resource) || !isFull(limit) || amount <= limit.burst) return false;
      // A bound of its cohort is not there to be broken: it waits until its shares add up.
      if (this.of(flow, resource).amount < limit.burst * (1 - ROUNDING)) return false;
      larger = true;
    }
    return larger;
  }

  /** The most rows that an item can have, from what it has up to all. Its read takes more the more rows it has. */
  mostRows(one: Asking): number {
    const { rows, index } = one.costed;
    let [holds, beyond] = [Math.max(0, this.handed.rows[index]), Math.floor(rows) + 1];
    while (beyond - holds > 1) {
      const middle = Math.floor((holds + beyond) / 2);
      if (this.holds(one, middle)) holds = middle;
      else beyond = middle;
    }
    return holds;
  }
}

/** Whether there is less than is needed, beyond rounding. */
export function lacks({ need, left }: Lack): boolean {
  return need > 0 && left < need * (1 - ROUNDING);
}

/** A bucket refills to its brim but for rounding. */
function isFull({ available, burst, perSecond }: ResourceLimit): boolean {
  return burst > 0 && perSecond > 0 && available >= burst * (1 - 1e-9);
}

/** The gangs of which some wait, each with all that do, in their order. */
export function gangsWaiting(waiting: readonly Asking[]): Asking[][] {
  const members = new Map<string, Asking[]>();
  for (const one of waiting) {
    if (one.flow.gangs === null) continue;
    const { gang, model } = one.costed.item;
    if (gang === undefined) continue;
    const key = `${model}\0${gang.name}`;
    const known = members.get(key);
    if (known === undefined) members.set(key, [one]);
    else known.push(one);
  }
  return [...members.values()];
}

/** The most urgent first. */
function inOrder(asking: Asking[]): Asking[] {
  return asking.sort((a, b) => b.flow.scores[b.place] - a.flow.scores[a.place] || a.costed.index - b.costed.index);
}

/**
 * Hands out what is left.
 * @param handed changed in place, as `charges`, `cohorts` and the costs of the flows are
 * @returns what is left then
 */
export function handOutWhatIsLeft(
  flows: readonly Flow[],
  handed: Handed,
  charges: ReadCharges,
  cohorts: CohortUse | null,
  inputs: BatchInputs,
): Rest {
  const rest = new Rest(flows, handed, charges, cohorts, inputs);
  const asking: Asking[] = [];
  for (const flow of flows)
    for (let place = 0; place < flow.index.length; place++)
      if (handed.rows[flow.index[place]] < 0) asking.push({ flow, place, costed: flow.items[place] });
  const waiting = inOrder(asking);
  // At the turn of its least urgent member, and at none of the others'.
  const gangs = new Map(
    gangsWaiting(waiting).flatMap((all) => all.map((one) => [one, one === all.at(-1) ? all : []] as const)),
  );
  giveWhole(waiting, gangs, rest, handed);
  // Nothing else can use a bucket that is still full: the first of its source that is larger goes into debt.
  const inDebt = new Set<string>();
  for (const one of waiting) {
    if (handed.rows[one.costed.index] >= 0 || inDebt.has(one.flow.source) || gangs.has(one)) continue;
    if (!rest.waitsInVain(one)) continue;
    rest.give(one, leastPart(one.costed));
    inDebt.add(one.flow.source);
  }
  divide(flows, rest, handed, cohorts, inputs);
  giveWhole(waiting, gangs, rest, handed);
  return rest;
}

/** To all that wait and fit, until none does: what is read for one may be what another asks for, too. */
function giveWhole(
  waiting: readonly Asking[],
  gangs: ReadonlyMap<Asking, readonly Asking[]>,
  rest: Rest,
  handed: Handed,
): void {
  // Each round but the last gives something.
  for (let gave = true; gave;) {
    gave = false;
    for (const one of waiting) {
      if (handed.rows[one.costed.index] >= 0) continue;
      const gang = gangs.get(one);
      if (gang !== undefined) gave = (gang.length > 0 && rest.giveAll(gang)) || gave;
      else {
        const least = leastPart(one.costed);
        if (!rest.holds(one, least.rows)) continue;
        rest.give(one, least);
        gave = true;
      }
    }
  }
}

/** Shares the rest among the needs that could use any part of it, by weighted max-min. */
function divide(
  flows: readonly Flow[],
  rest: Rest,
  handed: Handed,
  cohorts: CohortUse | null,
  inputs: BatchInputs,
): void {
  const short = ({ index, rows }: Flow, place: number): boolean =>
    rows[place] > 0 && handed.rows[index[place]] < rows[place];
  const asking = inOrder(
    flows.flatMap((flow) =>
      flow.needs.filter((place) => short(flow, place)).map((place) => ({ flow, place, costed: flow.items[place] })),
    ),
  );
  const part = ({ costed: { index, rows } }: Asking): number => Math.max(0, handed.rows[index]) / rows;
  if (asking.length === 0) return;
  const resources = rest.amounts();
  const byId = [...asking].sort((a, b) => a.costed.index - b.costed.index);
  const { units } = share({
    resources,
    cohorts: cohorts?.rest(resources) ?? [],
    models: byId.map((one) => ({
      ...{ id: one.costed.item.id, cohort: one.flow.cohort },
      weight: (inputs.models[one.flow.model]?.weight ?? 1) * Math.max(CRITICAL_MIN, one.costed.item.critical),
      demand: Object.fromEntries(
        one.flow.resources.map((resource, r) => [resource, costOf(one.flow, one.place, r, one.costed.rows)]),
      ),
      cap: 1 - part(one),
    })),
    divisible: true,
  });
  const unitsOf = new Map(byId.map((one, i) => [one, units[i]]));
  for (const one of asking) {
    const more = partOf(one.costed, part(one) + unitsOf.get(one)!);
    if (more !== null && more.rows > handed.rows[one.costed.index] && rest.holds(one, more.rows)) rest.give(one, more);
  }
  // Shares of less than a row each may add up to some: the most urgent have them.
  for (const one of asking) {
    const more = partOf(one.costed, rest.mostRows(one) / one.costed.rows);
    if (more !== null && more.rows > handed.rows[one.costed.index]) rest.give(one, more);
  }
}
