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
  drawnRows,
  partOf,
  ROUNDING,
  setUpTo,
  takenBy,
  type Handed,
  type RowsUpTo,
} from './grants.js';
import type { ReadCharges, Taken } from './read-charges.js';

/** An item in its flow. */
export interface Asking {
  readonly flow: Flow;
  readonly place: number;
  readonly costed: CostedItem;
}

/** What some items lack of a resource, beside what everybody has. */
export interface Lack {
  readonly resource: string;
  /** Its place among the limits. */
  readonly limit: number;
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
  private readonly limits: readonly ResourceLimit[];
  /** By limit: what it counts, what is left of it, and whether nothing was taken of it. */
  private readonly counts: readonly ('pool' | 'bytes' | 'rows')[];
  private readonly left: Float64Array;
  private readonly untouched: readonly boolean[];
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
    this.counts = limits.map(({ source, resource }) =>
      source === null ? 'pool' : countsBytes(resource) ? 'bytes' : 'rows',
    );
    this.left = Float64Array.from(limits, ({ resource, source, available }) => {
      const used = source === null ? (taken.get(resource) ?? 0) : charges.takenOf(source, resource);
      return Math.max(0, available - used);
    });
    this.untouched = limits.map(({ resource }) => !taken.get(resource));
    this.idle = new Set(limits.filter((limit, at) => this.untouched[at] && isFull(limit)).map(({ source }) => source));
  }

  /** What of a limit a flow may still take, and whose that is. */
  private of({ cohort }: Flow, limit: number): { readonly amount: number; readonly of: string | null } {
    const left = this.left[limit];
    const room = this.cohorts?.room(cohort, this.limits[limit].resource);
    return room === undefined || left <= room.amount ? { amount: left, of: null } : room;
  }

  private amountOf(flow: Flow, limit: number): number {
    return this.cohorts === null ? this.left[limit] : this.of(flow, limit).amount;
  }

  /** What is left of a limit, or less than nothing: what is owed to its bucket. */
  balance(limit: number): number {
    const { available, source, resource } = this.limits[limit];
    return source === null ? this.left[limit] : available - this.charges.takenOf(source, resource);
  }

  /** The resource that keeps an item from all its rows: of which the least part of the rest is left; null: none. */
  scarcest(one: Asking): string | null {
    const { resources, limits } = one.flow;
    const { rows } = one.costed;
    const added = this.added(one.costed, rows);
    let [scarcest, least]: [string | null, number] = [null, 1 - ROUNDING];
    for (let r = 0; r < resources.length; r++) {
      const more = this.more(one, rows, r, added);
      const part = more <= 0 ? 1 : this.amountOf(one.flow, limits[r]) / more;
      if (part < least) [scarcest, least] = [resources[r], part];
    }
    return scarcest;
  }

  amounts(): Record<string, number> {
    return Object.fromEntries(this.limits.map(({ resource }, at) => [resource, this.left[at]]));
  }

  /** What the read of an item would take more, had the item so many rows. */
  private added(costed: CostedItem, rows: number): Taken {
    return this.charges.added(costed.index, drawnRows(costed, rows));
  }

  /** What an item would take more of the r-th resource of its flow, had it so many rows and its read took that more. */
  private more({ flow, place, costed }: Asking, rows: number, r: number, added: Taken): number {
    const counts = this.counts[flow.limits[r]];
    if (counts !== 'pool') return counts === 'bytes' ? added.bytes : added.rows;
    const before = Math.max(0, this.handed.rows[costed.index]);
    return costOf(flow, place, r, rows) - (before === 0 ? 0 : costOf(flow, place, r, before));
  }

  /** Whether nothing is exceeded when an item has so many rows. */
  holds(one: Asking, rows: number): boolean {
    const { limits } = one.flow;
    const added = this.added(one.costed, rows);
    for (let r = 0; r < limits.length; r++) {
      const more = this.more(one, rows, r, added);
      if (more > 0 && !(this.amountOf(one.flow, limits[r]) >= more * (1 - ROUNDING))) return false;
    }
    return true;
  }

  /** Gives an item these rows. */
  give(one: Asking, { rows, upToMs }: RowsUpTo): void {
    const { flow, place, costed } = one;
    const before = Math.max(0, this.handed.rows[costed.index]);
    const all = flow.rows[place];
    const added = this.added(costed, rows);
    for (const [r, resource] of flow.resources.entries()) {
      const had = before === 0 ? 0 : costOf(flow, place, r, before);
      const more = this.more(one, rows, r, added);
      const at = flow.limits[r];
      this.left[at] = Math.max(0, this.left[at] - more);
      this.cohorts?.take(flow.cohort, resource, more);
      // It is charged what it takes more: the others keep what they are charged.
      if (rows > 0)
        flow.cost[place * flow.resources.length + r] = rows >= all ? had + more : ((had + more) * all) / rows;
    }
    this.charges.add(costed.index, drawnRows(costed, rows));
    this.handed.rows[costed.index] = rows;
    setUpTo(this.handed, costed.index, upToMs);
  }

  /** What these items, all of one model, would take more of each resource if they had all that each asks for at least, the scarcest first. */
  needOf(gang: readonly Asking[]): readonly Lack[] {
    const needs = gang.length === 1 ? this.needOfOne(gang[0]) : this.needOfAll(gang);
    return needs.length === 1 ? needs : needs.sort(scarcestFirst);
  }

  private needOfOne(one: Asking): Lack[] {
    const { flow, costed } = one;
    const { rows } = leastPart(costed);
    const added = this.added(costed, rows);
    const needs: Lack[] = [];
    for (let r = 0; r < flow.limits.length; r++)
      needs.push(this.lack(flow, flow.limits[r], this.more(one, rows, r, added)));
    return needs;
  }

  private needOfAll(gang: readonly Asking[]): Lack[] {
    const [{ flow: first }] = gang;
    return [...new Set(gang.flatMap(({ flow }) => flow.limits))].map((limit) =>
      this.lack(first, limit, this.takes(gang, limit, false)),
    );
  }

  private lack(flow: Flow, limit: number, need: number): Lack {
    const { amount: left, of: cohort } = this.of(flow, limit);
    return { resource: this.limits[limit].resource, limit, need, left, cohort };
  }

  /** What these items take of a limit if each has all that it asks for at least: beside what is granted, or alone. */
  takes(gang: readonly Asking[], limit: number, alone: boolean): number {
    const { source } = this.limits[limit];
    if (source === null)
      return gang.reduce(
        (sum, { flow, place, costed }) => sum + costOf(flow, place, flow.limits.indexOf(limit), leastPart(costed).rows),
        0,
      );
    const given = gang
      .filter(({ flow }) => flow.source === source)
      .map(({ costed }) => {
        const { rows } = leastPart(costed);
        return { index: costed.index, rows: drawnRows(costed, rows) };
      });
    const taken = this.charges.addedTogether(given, alone);
    return this.counts[limit] === 'bytes' ? taken.bytes : taken.rows;
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
    const added = this.added(costed, rows);
    let larger = false;
    for (const [r, resource] of flow.resources.entries()) {
      const amount = this.more(one, rows, r, added);
      const at = flow.limits[r];
      if (amount <= this.left[at]) continue;
      const limit = this.limits[at];
      if (limit.source === null || isQuota(resource)) return false;
      if (!this.untouched[at] || !isFull(limit) || amount <= limit.burst) return false;
      // A bound of its cohort is not there to be broken: it waits until its shares add up.
      if (this.amountOf(flow, at) < limit.burst * (1 - ROUNDING)) return false;
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

function scarcestFirst(a: Lack, b: Lack): number {
  return partLeft(a) - partLeft(b) || (a.resource < b.resource ? -1 : 1);
}
function partLeft({ need, left }: Lack): number {
  return need <= 0 ? Infinity : left / need;
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
  const turns: Turns = { waiting, gangs, tried: new Int32Array(handed.rows.length).fill(-1) };
  giveWhole(turns, charges, rest, handed);
  // Nothing else can use a bucket that is still full: the first of its source that is larger goes into debt.
  const inDebt = new Set<string>();
  for (const one of waiting) {
    if (handed.rows[one.costed.index] >= 0 || inDebt.has(one.flow.source) || gangs.has(one)) continue;
    if (!rest.waitsInVain(one)) continue;
    rest.give(one, leastPart(one.costed));
    inDebt.add(one.flow.source);
  }
  divide(flows, rest, handed, cohorts, inputs);
  giveWhole(turns, charges, rest, handed);
  return rest;
}

/** Who waits, in order, and the gangs of those in gangs, at their turns. */
interface Turns {
  readonly waiting: readonly Asking[];
  readonly gangs: ReadonlyMap<Asking, readonly Asking[]>;
  /** By item, how much had been added to its read when it did not fit last; -1: it was not tried. */
  readonly tried: Int32Array;
}

/** To all that wait and fit, until none does: what is read for one may be what another asks for, too. */
function giveWhole({ waiting, gangs, tried }: Turns, charges: ReadCharges, rest: Rest, handed: Handed): void {
  // Each round but the last gives something.
  for (let gave = true; gave;) {
    gave = false;
    for (const one of waiting) {
      if (handed.rows[one.costed.index] >= 0) continue;
      const gang = gangs.get(one);
      if (gang !== undefined) gave = (gang.length > 0 && rest.giveAll(gang)) || gave;
      else {
        // Ever less is left: it can fit only if it would take less than it did, as others are read with it.
        const additions = charges.additionsOf(one.costed.index);
        if (tried[one.costed.index] === additions) continue;
        tried[one.costed.index] = additions;
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
