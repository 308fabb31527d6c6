/**
 * Which reads run together. A batch pays a fixed cost, and once for each source that any of its members needs; it is
 * bounded in every resource. Greedy filling by shared sources, then local search: moves, swaps and dissolved batches;
 * of very many items in windows of some tens.
 */
import {
  balanceLoads,
  bestToJoin,
  byText,
  Costs,
  dearestFirst,
  exact,
  greedy,
  kick,
  KICKS_MAX,
  localSearch,
  type Batch,
  type ComposeItem,
  type ComposeProblem,
} from './composition-search.js';

export type { ComposeProblem } from './composition-search.js';

export interface Composition {
  /** Item ids of each batch, sorted; batches ordered by their first id. */
  readonly batches: readonly (readonly string[])[];
  readonly cost: number;
  /** Most used share of any limit in any batch, 0 to 1 (above 1 only for an item that fits nowhere). */
  readonly peak: number;
}

/** Items up to which every partition is weighed: 3^10 steps are some milliseconds. */
const EXACT_ITEMS_MAX = 10;
/** Items of which every pair may be exchanged, and of which the search is kicked. More are composed in windows of so many. */
const WINDOW_ITEMS_MAX = 60;
/** Passes over the windows; the gain of a third was below a part in a thousand. */
const PASSES = 2;
/** Of those that share a source with a batch, and of all others, how many are looked at to join it. */
const CANDIDATES_MAX = 24;
const STRANGERS_MAX = 8;

function compose(items: readonly ComposeItem[], costs: Costs, kicks: number): Batch[] {
  if (items.length <= EXACT_ITEMS_MAX) return balanceLoads(exact(items, costs), costs);
  if (items.length <= WINDOW_ITEMS_MAX)
    return balanceLoads(kick(localSearch(greedy(items, costs), costs), costs, kicks), costs);
  return composeInWindows(items, costs, kicks);
}

/**
 * Filled greedily, looking only at items that share a source with the batch; then searched anew in windows of batches that
 * share sources, begun from the emptiest, and from the fullest in the next pass. Near-linear: the windows are of one size.
 */
function composeInWindows(items: readonly ComposeItem[], costs: Costs, kicksMax: number): Batch[] {
  let batches = fillAmongNeighbours(items, costs);
  for (let pass = 0; pass < PASSES; pass++) {
    const order = batches
      .map((batch) => ({ batch, load: costs.load(batch) * (pass % 2 === 0 ? 1 : -1), id: leastId(batch) }))
      .sort((a, b) => a.load - b.load || byText(a.id, b.id))
      .map(({ batch }) => batch);
    batches = windowsOf(order).flatMap((window) => localSearch(window, costs));
  }
  const windows = windowsOf(batches);
  const kicks = Math.floor(kicksMax / windows.length);
  return windows.flatMap((window) => balanceLoads(kick(window, costs, kicks), costs));
}

function leastId(batch: Batch): string {
  return batch.reduce((least, { id }) => (id < least ? id : least), batch[0].id);
}

/** Places in a list that are still open, by the sources that their elements need. */
class OpenPlaces {
  readonly taken: Uint8Array;
  private readonly lists = new Map<string, number[]>();
  /** How far each list has been taken from its front. */
  private readonly heads = new Map<string, number>();

  constructor(sourcesOf: readonly Iterable<string>[]) {
    this.taken = new Uint8Array(sourcesOf.length);
    for (const [place, sources] of sourcesOf.entries())
      for (const source of [EVERY, ...sources]) {
        const list = this.lists.get(source);
        if (list === undefined) this.lists.set(source, [place]);
        else list.push(place);
      }
  }

  /** The first open places of a source (or of every element), at most so many. */
  first(source: string, most: number): number[] {
    const list = this.lists.get(source)!;
    let head = this.heads.get(source) ?? 0;
    while (head < list.length && this.taken[list[head]] === 1) head++;
    this.heads.set(source, head);
    const open: number[] = [];
    // What was taken from the middle is passed over: a bounded way.
    for (let at = head; at < list.length && at < head + 4 * most && open.length < most; at++)
      if (this.taken[list[at]] === 0) open.push(list[at]);
    return open;
  }
}

const EVERY = '\0every';

/** Fills one batch after the other as the greedy of few items does, but looks only at some of what shares a source, and some of the rest. */
function fillAmongNeighbours(items: readonly ComposeItem[], costs: Costs): Batch[] {
  const order = dearestFirst(items, costs);
  const open = new OpenPlaces(order.map(({ sources }) => sources));
  const batches: Batch[] = [];
  for (let seed = 0; seed < order.length; seed++) {
    if (open.taken[seed] === 1) continue;
    const batch = [order[seed]];
    open.taken[seed] = 1;
    for (;;) {
      const sources = new Set(batch.flatMap((item) => item.sources));
      const near = [...sources].flatMap((source) => open.first(source, CANDIDATES_MAX));
      const places = [...new Set([...near, ...open.first(EVERY, STRANGERS_MAX)])];
      const best = bestToJoin(
        batch,
        places.map((place) => order[place]),
        costs,
      );
      if (best === -1) break;
      batch.push(order[places[best]]);
      open.taken[places[best]] = 1;
    }
    batches.push(batch);
  }
  return batches;
}

/** Windows of at most `WINDOW_ITEMS_MAX` items: each begins with the first batch that is left and takes those that share its sources, and theirs. */
function windowsOf(batches: readonly Batch[]): Batch[][] {
  const sourcesOf = batches.map((batch) => new Set(batch.flatMap(({ sources }) => sources)));
  const open = new OpenPlaces(sourcesOf);
  const windows: Batch[][] = [];
  for (let seed = 0; seed < batches.length; seed++) {
    if (open.taken[seed] === 1) continue;
    const window: Batch[] = [];
    const near = [seed];
    let size = 0;
    for (let at = 0; at < near.length && size < WINDOW_ITEMS_MAX; at++) {
      const place = near[at];
      if (open.taken[place] === 1 || (size > 0 && size + batches[place].length > WINDOW_ITEMS_MAX)) continue;
      open.taken[place] = 1;
      window.push(batches[place]);
      size += batches[place].length;
      for (const source of sourcesOf[place]) near.push(...open.first(source, CANDIDATES_MAX));
    }
    windows.push(window);
  }
  return windows;
}

/**
 * Composes batches: a partition of the items, each batch within every limit (an item beyond a limit is alone). The order
 * of items is irrelevant. Cost first; among equals the loads are evened out between batches.
 * @param kicksMax how long to look for better: a millisecond or two each
 * @throws Error when an item's demand does not match the limits, or a limit is not above 0.
 */
export function composeBatches(problem: ComposeProblem, kicksMax = KICKS_MAX): Composition {
  const { items, limits } = problem;
  if (limits.some((limit) => !(limit > 0)) || items.some(({ demand }) => demand.length !== limits.length)) {
    throw new Error('composition: expected limits above 0 and one demand per limit');
  }
  const costs = new Costs(problem);
  const sorted = [...items].sort((a, b) => byText(a.id, b.id));
  const found = compose(sorted, costs, kicksMax);
  const batches = found.map((batch) => batch.map(({ id }) => id).sort(byText)).sort((a, b) => byText(a[0], b[0]));
  return {
    batches,
    cost: costs.total(found),
    peak: found.reduce((most, batch) => Math.max(most, costs.load(batch)), 0),
  };
}
