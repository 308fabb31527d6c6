/** Searching for the cheapest batches of some tens of items: greedy filling, local search, kicks; all partitions of a few. */
export interface ComposeItem {
  readonly id: string;
  /** Sources that must be opened (loaded, connected) for it. */
  readonly sources: readonly string[];
  /** What it takes of each resource, in the order of the limits; 0 or more. */
  readonly demand: readonly number[];
}

export interface ComposeProblem {
  readonly items: readonly ComposeItem[];
  /** Most of each resource in one batch. */
  readonly limits: readonly number[];
  /** Cost of a batch, and of each source that a batch opens (`defaultSourceCost` for those not listed). */
  readonly batchCost: number;
  readonly sourceCosts: Readonly<Record<string, number>>;
  readonly defaultSourceCost: number;
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

/** Rounds of local search; each is a strict improvement, and real inputs need a handful. */
const ROUNDS_MAX = 200;
/** Kicks of the iterated local search in all: a millisecond or two each for some tens of items. */
export const KICKS_MAX = 200;

export type Batch = readonly ComposeItem[];

/** Costs and loads of batches, without allocation: local search asks for them a million times. */
export class Costs {
  private readonly sourcesOf = new Map<ComposeItem, readonly number[]>();
  private readonly prices: number[] = [];
  private readonly stamps: number[] = [];
  private stamp = 0;

  constructor(private readonly problem: ComposeProblem) {
    const { sourceCosts, defaultSourceCost } = problem;
    const ids = new Map<string, number>();
    for (const item of problem.items) {
      const own = item.sources.map((source) => {
        const known = ids.get(source);
        if (known !== undefined) return known;
        ids.set(source, this.prices.length);
        this.stamps.push(0);
        return this.prices.push(Object.hasOwn(sourceCosts, source) ? sourceCosts[source] : defaultSourceCost) - 1;
      });
      this.sourcesOf.set(item, own);
    }
  }

  batch(items: Batch): number {
    if (items.length === 0) return 0;
    this.stamp++;
    let cost = this.problem.batchCost;
    for (const item of items) {
      for (const source of this.sourcesOf.get(item)!) {
        if (this.stamps[source] === this.stamp) continue;
        this.stamps[source] = this.stamp;
        cost += this.prices[source];
      }
    }
    return cost;
  }

  /** Used share of the scarcest limit. */
  load(items: Batch): number {
    const { limits } = this.problem;
    let most = 0;
    for (let r = 0; r < limits.length; r++) {
      let used = 0;
      for (const item of items) used += item.demand[r];
      most = Math.max(most, used === 0 ? 0 : used / limits[r]);
    }
    return most;
  }

  /** Within all limits, or a single item that no batch can hold. */
  fits(items: Batch): boolean {
    return items.length <= 1 || this.load(items) <= 1 + 1e-9;
  }

  total(batches: readonly Batch[]): number {
    let sum = 0;
    for (const batch of batches) sum += this.batch(batch);
    return sum;
  }
}

/** The item that saves most against a batch of its own when it joins the batch, or, saving as much as another, fills it more; -1: none fits. */
export function bestToJoin(batch: Batch, items: readonly ComposeItem[], costs: Costs): number {
  let best = -1;
  let bestScore = 0;
  const before = costs.batch(batch);
  for (const [index, item] of items.entries()) {
    const joined = [...batch, item];
    if (!costs.fits(joined)) continue;
    const score = before + costs.batch([item]) - costs.batch(joined) + 1e-6 * costs.load([item]);
    if (score > bestScore || (best === -1 && score >= 0)) [best, bestScore] = [index, score];
  }
  return best;
}

/** Fills one batch after the other: each opens with the first item left and takes what saves most, then what fills most. */
function fillBatches(items: readonly ComposeItem[], costs: Costs): Batch[] {
  const open = [...items];
  const batches: Batch[] = [];
  while (open.length > 0) {
    const batch = [open.shift()!];
    for (let best = bestToJoin(batch, open, costs); best !== -1; best = bestToJoin(batch, open, costs))
      batch.push(...open.splice(best, 1));
    batches.push(batch);
  }
  return batches;
}

export function dearestFirst(items: readonly ComposeItem[], costs: Costs): ComposeItem[] {
  const keyed = items.map((item) => ({ item, cost: costs.batch([item]), load: costs.load([item]) }));
  keyed.sort((a, b) => b.cost - a.cost || b.load - a.load || byText(a.item.id, b.item.id));
  return keyed.map(({ item }) => item);
}

/** Greedy: the dearest item opens a batch. */
export function greedy(items: readonly ComposeItem[], costs: Costs): Batch[] {
  return fillBatches(dearestFirst(items, costs), costs);
}

const without = (batch: Batch, item: ComposeItem): Batch => batch.filter((other) => other !== item);
const improves = (less: number, more: number): boolean => more - less > 1e-9 * Math.max(1, Math.abs(more));

/**
 * What local search minimises: the cost, then the sum of squared loads negated, which favours one full and one empty
 * batch over two half full ones and so leads on to dissolving a batch.
 */
function better(now: readonly Batch[], then: readonly Batch[], costs: Costs): boolean {
  const [before, after] = [costs.total(now), costs.total(then)];
  if (improves(after, before)) return true;
  if (improves(before, after)) return false;
  const squares = (batches: readonly Batch[]) => batches.reduce((sum, batch) => sum + costs.load(batch) ** 2, 0);
  return improves(squares(now), squares(then));
}

/** Every pair of batches after one move or one swap between batches `a` and `b`. */
function* exchanges(a: Batch, b: Batch): Generator<[Batch, Batch]> {
  for (const item of a) yield [without(a, item), [...b, item]];
  for (const item of b) yield [[...a, item], without(b, item)];
  for (const x of a)
    for (const y of b)
      yield [
        [...without(a, x), y],
        [...without(b, y), x],
      ];
}

function improveOnce(batches: readonly Batch[], costs: Costs): Batch[] | null {
  for (let i = 0; i < batches.length; i++) {
    for (let j = i + 1; j < batches.length; j++) {
      const [a, b] = [batches[i], batches[j]];
      for (const [x, y] of exchanges(a, b)) {
        if (!costs.fits(x) || !costs.fits(y) || !better([a, b], [x, y], costs)) continue;
        return batches
          .with(i, x)
          .with(j, y)
          .filter((batch) => batch.length > 0);
      }
    }
  }
  return null;
}

/** Empties one batch, handing each item to where it costs least; kept when the whole gets cheaper. */
function dissolveOne(batches: readonly Batch[], costs: Costs): Batch[] | null {
  const before = costs.total(batches);
  for (let gone = 0; gone < batches.length; gone++) {
    let rest: Batch[] = batches.filter((_, index) => index !== gone);
    const items = [...batches[gone]].sort((a, b) => costs.load([b]) - costs.load([a]) || byText(a.id, b.id));
    const placed = items.every((item) => {
      let best = -1;
      let least = Infinity;
      rest.forEach((batch, index) => {
        const joined = [...batch, item];
        const added = costs.batch(joined) - costs.batch(batch);
        if (costs.fits(joined) && added < least) [best, least] = [index, added];
      });
      if (best >= 0) rest = rest.with(best, [...rest[best], item]);
      return best >= 0;
    });
    if (placed && improves(costs.total(rest), before)) return rest;
  }
  return null;
}

/** Park and Miller's minimal standard generator: the kicks are the same for the same items. */
function shuffled<T>(items: readonly T[], seed: number): T[] {
  let state = seed;
  const keyed = items.map((item) => ({ item, key: (state = (state * 48271) % 2147483647) }));
  return keyed.sort((a, b) => a.key - b.key).map(({ item }) => item);
}

/**
 * Iterated local search: takes some batches apart, fills them anew in another order, improves, and keeps the result
 * unless it is dearer. What two or three batches hold decides most of what a single exchange cannot repair.
 */
export function kick(start: Batch[], costs: Costs, rounds: number): Batch[] {
  let best = start;
  for (let round = 1; round <= rounds && best.length > 1; round++) {
    const order = shuffled(best, round);
    const apart = order.slice(0, 2 + (round % 3));
    const refilled = fillBatches(shuffled(apart.flat(), round + KICKS_MAX), costs);
    const next = localSearch([...order.slice(apart.length), ...refilled], costs);
    if (!improves(costs.total(best), costs.total(next))) best = next;
  }
  return best;
}

/** Evens out the loads by moves that leave the cost as it is. */
export function balanceLoads(start: readonly Batch[], costs: Costs): Batch[] {
  let batches = [...start];
  for (let round = 0; round < ROUNDS_MAX && batches.length > 1; round++) {
    const loads = batches.map((batch) => costs.load(batch));
    const from = loads.indexOf(Math.max(...loads));
    const before = costs.total(batches);
    const moved = batches[from]
      .flatMap((item) =>
        batches.map((batch, to) =>
          to === from ? null : batches.with(from, without(batches[from], item)).with(to, [...batch, item]),
        ),
      )
      .filter((next) => next !== null)
      .find((next) => {
        const peak = Math.max(...next.map((batch) => costs.load(batch)));
        const emptied = next.some((batch) => batch.length === 0);
        return !emptied && peak < loads[from] - 1e-9 && !improves(before, costs.total(next));
      });
    if (moved === undefined) break;
    batches = moved;
  }
  return batches;
}

export function localSearch(start: Batch[], costs: Costs): Batch[] {
  let batches = start;
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const next = dissolveOne(batches, costs) ?? improveOnce(batches, costs);
    if (next === null) break;
    batches = next;
  }
  return batches;
}

/**
 * The cheapest partition, by dynamic programming over subsets: the best of a set is its first item's batch, over all
 * batches that hold it, beside the best of the rest. O(3^n). Ties keep the first found.
 */
export function exact(items: readonly ComposeItem[], costs: Costs): Batch[] {
  const subsets = 1 << items.length;
  const price = new Float64Array(subsets);
  const members = (mask: number): ComposeItem[] => items.filter((_, i) => (mask >> i) & 1);
  for (let mask = 1; mask < subsets; mask++) {
    const batch = members(mask);
    price[mask] = costs.fits(batch) ? costs.batch(batch) : Infinity;
  }
  const best = new Float64Array(subsets).fill(Infinity);
  const choice = new Int32Array(subsets);
  best[0] = 0;
  for (let mask = 1; mask < subsets; mask++) {
    const first = mask & -mask;
    for (let part = mask; part > 0; part = (part - 1) & mask) {
      if ((part & first) === 0 || !(price[part] + best[mask ^ part] < best[mask])) continue;
      best[mask] = price[part] + best[mask ^ part];
      choice[mask] = part;
    }
  }
  const batches: Batch[] = [];
  for (let mask = subsets - 1; mask > 0; mask ^= choice[mask]) batches.push(members(choice[mask]));
  return batches;
}
