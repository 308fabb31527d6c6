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
interface Asking {
  readonly flow: Flow;
  readonly place: number;
  readonly costed: CostedItem;
}

/** What is left, as it is handed out. `charges` are settled for what everybody has. */
class Rest {
  private readonly names: readonly string[];
  private readonly left: Float64Array;
  /** Where each flow's resources stand among all. */
  private readonly places = new Map<Flow, Uint8Array>();
  private readonly untouched: ReadonlySet<string>;
  private readonly limits: ReadonlyMap<string, readonly ResourceLimit[]>;
  /** Limits of each source that are not exceeded by decision: what went into debt stays so. */
  private readonly kept: ReadonlyMap<string, readonly ResourceLimit[]>;
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
    this.names = limits.map(({ resource }) => resource);
    this.left = Float64Array.from(limits, ({ resource, available }) =>
      Math.max(0, available - (taken.get(resource) ?? 0)),
    );
    for (const flow of flows)
      this.places.set(
        flow,
        Uint8Array.from(flow.resources, (resource) => this.names.indexOf(resource)),
      );
    const sources = new Set(flows.map(({ source }) => source));
    const ofSources = (some: readonly ResourceLimit[]): Map<string, readonly ResourceLimit[]> =>
      new Map([...sources].map((source) => [source, some.filter((limit) => limit.source === source)]));
    this.limits = ofSources(limits);
    this.kept = ofSources(limits.filter((limit) => !this.beyond(limit, 0, 0)));
    const untouched = limits.filter(({ resource }) => !taken.get(resource));
    this.untouched = new Set(untouched.map(({ resource }) => resource));
    this.idle = new Set(untouched.filter((limit) => isFull(limit)).map(({ source }) => source));
  }

  of(flow: Flow): Float64Array {
    return Float64Array.from(this.places.get(flow)!, (at) => Math.min(this.left[at], this.roomOf(flow, at)));
  }

  holds(flow: Flow, place: number, rows: number): boolean {
    const places = this.places.get(flow)!;
    for (let r = 0; r < places.length; r++) {
      const amount = costOf(flow, place, r, rows);
      const least = amount * (1 - ROUNDING);
      if (amount > 0 && (this.left[places[r]] < least || this.roomOf(flow, places[r]) < least)) return false;
    }
    return true;
  }

  /** What its cohort, and those above, may still take. */
  private roomOf({ cohort }: Flow, at: number): number {
    return this.cohorts === null ? Infinity : this.cohorts.room(cohort, this.names[at]);
  }

  amounts(): Record<string, number> {
    return Object.fromEntries(this.names.map((name, at) => [name, this.left[at]]));
  }

  /** Whether the reads, charged for what they really share, would exceed a limit that is kept. */
  private beyond({ source, resource, available }: ResourceLimit, bytes: number, rows: number): boolean {
    if (source === null) return false;
    const taken = this.charges.takenOf(source, resource) + (countsBytes(resource) ? bytes : rows);
    // Of a bucket in debt nothing can be taken: that keeps no other source from its own.
    return taken > Math.max(0, available) * 1.001;
  }

  /** Gives an item these rows when that exceeds nothing. */
  give({ flow, place, costed }: Asking, { rows, upToMs }: RowsUpTo, intoDebt = false): boolean {
    const given = mixOf(costed, rows)?.rows ?? rows;
    const more = this.charges.added(costed.index, given);
    const kept = this.kept.get(flow.source)!;
    if (!intoDebt && kept.some((limit) => this.beyond(limit, more.bytes, more.rows))) return false;
    this.charges.add(costed.index, given);
    const before = Math.max(0, this.handed.rows[costed.index]);
    for (const [r, at] of this.places.get(flow)!.entries()) {
      const amount = costOf(flow, place, r, rows) - costOf(flow, place, r, before);
      this.left[at] = Math.max(0, this.left[at] - amount);
      this.cohorts?.take(flow.cohort, this.names[at], amount);
    }
    this.handed.rows[costed.index] = rows;
    setUpTo(this.handed, costed.index, upToMs);
    return true;
  }

  /** Gives all of a gang that wait what they ask for, when that exceeds nothing; else nothing. */
  giveAll(gang: readonly Asking[]): void {
    const least = (amount: number): number => amount * (1 - ROUNDING);
    const asked = new Map<string, { readonly flow: Flow; readonly at: number; amount: number }>();
    for (const { flow, place, costed } of gang)
      for (const [r, at] of this.places.get(flow)!.entries()) {
        const amount = costOf(flow, place, r, costed.rows);
        const known = asked.get(this.names[at]);
        if (known === undefined) asked.set(this.names[at], { flow, at, amount });
        else known.amount += amount;
      }
    // All are of one model, so of one cohort.
    const fits = [...asked.values()].every(({ flow, at, amount }) => {
      return amount <= 0 || Math.min(this.left[at], this.roomOf(flow, at)) >= least(amount);
    });
    if (!fits) return;
    const sources = new Set(gang.map(({ flow }) => flow.source));
    for (const source of sources) {
      const members = gang.filter(({ flow }) => flow.source === source).map(({ costed }) => costed);
      const more = this.charges.addedTogether(members);
      if (this.kept.get(source)!.some((limit) => this.beyond(limit, more.bytes, more.rows))) return;
    }
    for (const one of gang) this.give(one, { rows: one.costed.rows, upToMs: null }, true);
  }

  /**
   * Whether it is larger than a bucket of its source that is full and that nobody took anything of, and would exceed
   * nothing else: to wait longer would gain nothing.
   */
  waitsInVain({ flow, place, costed }: Asking): boolean {
    if (!this.idle.has(flow.source)) return false;
    const { rows } = leastPart(costed);
    const own = this.limits.get(flow.source)!;
    let larger = false;
    for (const [r, resource] of flow.resources.entries()) {
      const amount = costOf(flow, place, r, rows);
      if (amount <= this.left[this.places.get(flow)![r]]) continue;
      const limit = own.find((one) => one.resource === resource);
      if (limit === undefined || isQuota(resource)) return false;
      if (!this.untouched.has(resource) || !isFull(limit) || amount <= limit.burst) return false;
      // A bound of its cohort is not there to be broken: it waits until its shares add up.
      if (this.roomOf(flow, this.places.get(flow)![r]) < limit.burst * (1 - ROUNDING)) return false;
      larger = true;
    }
    return larger;
  }
}

/** A bucket refills to its brim but for rounding. */
function isFull({ available, burst, perSecond }: ResourceLimit): boolean {
  return burst > 0 && perSecond > 0 && available >= burst * (1 - 1e-9);
}

/** Members of gangs that wait, each with all of its gang that do: at the least urgent one's turn; at the others' with none. */
function gangsAmong(waiting: readonly Asking[]): ReadonlyMap<Asking, readonly Asking[]> {
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
  return new Map(
    [...members.values()].flatMap((all) => all.map((one) => [one, one === all.at(-1) ? all : []] as const)),
  );
}

/** The most urgent first. */
function inOrder(asking: Asking[]): Asking[] {
  return asking.sort((a, b) => b.flow.scores[b.place] - a.flow.scores[a.place] || a.costed.index - b.costed.index);
}

/** Hands out what is left. @param handed changed in place, as `charges` and `cohorts` are */
export function handOutWhatIsLeft(
  flows: readonly Flow[],
  handed: Handed,
  charges: ReadCharges,
  cohorts: CohortUse | null,
  inputs: BatchInputs,
): void {
  const rest = new Rest(flows, handed, charges, cohorts, inputs);
  const asking: Asking[] = [];
  for (const flow of flows)
    for (let place = 0; place < flow.index.length; place++)
      if (handed.rows[flow.index[place]] < 0) asking.push({ flow, place, costed: flow.items[place] });
  const waiting = inOrder(asking);
  const inDebt = new Set<string>();
  const gangs = gangsAmong(waiting);
  for (const one of waiting) {
    const { flow, place, costed } = one;
    const least = leastPart(costed);
    const gang = gangs.get(one);
    if (gang !== undefined) rest.giveAll(gang);
    else if (rest.holds(flow, place, least.rows)) rest.give(one, least);
  }
  // Nothing else can use a bucket that is still full: the first of its source that is larger goes into debt.
  for (const one of waiting) {
    if (handed.rows[one.costed.index] >= 0 || inDebt.has(one.flow.source) || gangs.has(one)) continue;
    if (rest.waitsInVain(one) && rest.give(one, leastPart(one.costed), true)) inDebt.add(one.flow.source);
  }
  divide(flows, rest, handed, cohorts, inputs);
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
    if (more !== null && more.rows > handed.rows[one.costed.index]) rest.give(one, more);
  }
  // Shares of less than a row each may add up to some: the most urgent have them.
  for (const one of asking) {
    const left = rest.of(one.flow);
    let room = 1;
    for (let r = 0; r < left.length; r++) {
      const amount = costOf(one.flow, one.place, r, one.costed.rows);
      if (amount > 0) room = Math.min(room, left[r] / amount);
    }
    const more = partOf(one.costed, part(one) + room);
    if (more !== null && more.rows > handed.rows[one.costed.index]) rest.give(one, more);
  }
}
