/**
 * What the models' shares leave unused, because requests are whole and needs have a least part: it goes to what waits
 * and fits, the most urgent first, then to whoever can use any part of it. Afterwards nothing that waits could have been
 * granted besides.
 */
import { allocate } from '../scheduler/resource-allocator.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { countsBytes, isQuota, type CostedItem } from './costs.js';
import type { Flow } from './flows.js';
import {
  costOf,
  CRITICAL_MIN,
  fits,
  leastPart,
  mixOf,
  partOf,
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
  private readonly left = new Map<string, number>();
  private readonly untouched: ReadonlySet<string>;
  private readonly limits: ReadonlyMap<string, readonly ResourceLimit[]>;
  /** Limits that are exceeded by decision: what went into debt stays so. */
  private readonly owed: ReadonlySet<string>;

  constructor(
    flows: readonly Flow[],
    private readonly handed: Handed,
    private readonly charges: ReadCharges,
    { limits }: BatchInputs,
  ) {
    const taken = takenBy(flows, handed.rows);
    for (const { resource, available } of limits)
      this.left.set(resource, Math.max(0, available - (taken.get(resource) ?? 0)));
    const sources = new Set(flows.map(({ source }) => source));
    this.limits = new Map([...sources].map((source) => [source, limits.filter((limit) => limit.source === source)]));
    this.owed = new Set(limits.filter((limit) => this.beyond(limit, 0, 0)).map(({ resource }) => resource));
    this.untouched = new Set(limits.filter(({ resource }) => !taken.get(resource)).map(({ resource }) => resource));
  }

  of(flow: Flow): Float64Array {
    return Float64Array.from(flow.resources, (resource) => this.left.get(resource)!);
  }

  amounts(): Record<string, number> {
    return Object.fromEntries(this.left);
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
    const kept = this.limits.get(flow.source)!.filter(({ resource }) => !this.owed.has(resource));
    if (!intoDebt && kept.some((limit) => this.beyond(limit, more.bytes, more.rows))) return false;
    this.charges.add(costed.index, given);
    const before = Math.max(0, this.handed.rows[costed.index]);
    for (const [r, resource] of flow.resources.entries()) {
      const amount = costOf(flow, place, r, rows) - costOf(flow, place, r, before);
      this.left.set(resource, Math.max(0, this.left.get(resource)! - amount));
    }
    this.handed.rows[costed.index] = rows;
    setUpTo(this.handed, costed.index, upToMs);
    return true;
  }

  /**
   * Whether it is larger than a bucket of its source that is full and that nobody took anything of, and would exceed
   * nothing else: to wait longer would gain nothing.
   */
  waitsInVain({ flow, place }: Asking, rows: number): boolean {
    const own = this.limits.get(flow.source)!;
    let larger = false;
    for (const [r, resource] of flow.resources.entries()) {
      const amount = costOf(flow, place, r, rows);
      if (amount <= this.left.get(resource)!) continue;
      const limit = own.find((one) => one.resource === resource);
      if (limit === undefined || isQuota(resource)) return false;
      if (!this.untouched.has(resource) || !isFull(limit) || amount <= limit.burst) return false;
      larger = true;
    }
    return larger;
  }
}

/** A bucket refills to its brim but for rounding. */
function isFull({ available, burst, perSecond }: ResourceLimit): boolean {
  return burst > 0 && perSecond > 0 && available >= burst * (1 - 1e-9);
}

/** Hands out what is left. @param handed changed in place, as `charges` are */
export function handOutWhatIsLeft(
  flows: readonly Flow[],
  handed: Handed,
  charges: ReadCharges,
  inputs: BatchInputs,
): void {
  const rest = new Rest(flows, handed, charges, inputs);
  const waiting = flows.flatMap((flow) =>
    flow.items.flatMap((costed, place): Asking[] => (handed.rows[costed.index] < 0 ? [{ flow, place, costed }] : [])),
  );
  const score = ({ flow, place }: Asking): number => flow.scores[place];
  waiting.sort((a, b) => score(b) - score(a) || a.costed.index - b.costed.index);
  const inDebt = new Set<string>();
  for (const one of waiting) {
    const { flow, place, costed } = one;
    const least = leastPart(costed, inputs);
    if (fits(flow, place, least.rows, rest.of(flow))) rest.give(one, least);
  }
  // Nothing else can use a bucket that is still full: the first of its source that is larger goes into debt.
  for (const one of waiting) {
    const least = leastPart(one.costed, inputs);
    if (handed.rows[one.costed.index] >= 0 || inDebt.has(one.flow.source)) continue;
    if (rest.waitsInVain(one, least.rows) && rest.give(one, least, true)) inDebt.add(one.flow.source);
  }
  divide(flows, rest, handed, inputs);
}

/** Shares the rest among the needs that could use any part of it, by weighted max-min. */
function divide(flows: readonly Flow[], rest: Rest, handed: Handed, inputs: BatchInputs): void {
  const asking = flows.flatMap((flow) =>
    flow.items.flatMap((costed, place): Asking[] =>
      costed.item.kind === 'need' && costed.rows > 0 && handed.rows[costed.index] < costed.rows
        ? [{ flow, place, costed }]
        : [],
    ),
  );
  const part = ({ costed: { index, rows } }: Asking): number => Math.max(0, handed.rows[index]) / rows;
  if (asking.length === 0) return;
  const { allocations } = allocate({
    resources: rest.amounts(),
    models: asking.map((one) => ({
      id: one.costed.item.id,
      weight: (inputs.models[one.flow.model]?.weight ?? 1) * Math.max(CRITICAL_MIN, one.costed.item.critical),
      demand: Object.fromEntries(
        one.flow.resources.map((resource, r) => [resource, costOf(one.flow, one.place, r, one.costed.rows)]),
      ),
      cap: 1 - part(one),
    })),
    divisible: true,
  });
  const units = new Map(allocations.map((one) => [one.id, one.units]));
  for (const one of asking) {
    const more = partOf(one.costed, part(one) + units.get(one.costed.item.id)!, inputs);
    if (more !== null && more.rows > handed.rows[one.costed.index]) rest.give(one, more);
  }
  // Shares of less than a row each may add up to some: the most urgent have them.
  const score = ({ flow, place }: Asking): number => flow.scores[place];
  for (const one of asking.sort((a, b) => score(b) - score(a) || a.costed.index - b.costed.index)) {
    const left = rest.of(one.flow);
    let room = 1;
    for (let r = 0; r < left.length; r++) {
      const amount = costOf(one.flow, one.place, r, one.costed.rows);
      if (amount > 0) room = Math.min(room, left[r] / amount);
    }
    const more = partOf(one.costed, part(one) + room, inputs);
    if (more !== null && more.rows > handed.rows[one.costed.index]) rest.give(one, more);
  }
}
