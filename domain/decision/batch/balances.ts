/** What models owe each other on a source, from cycle to cycle: Karma credits, in full buckets by weight. */
import { creditsAfter } from '../../scheduler/resource-allocator.js';
import type { BatchInputs } from './batch-inputs.js';
import { instanceOf, type Flow } from './flows.js';

/** Full buckets that a model can be owed, or owe: a grudge of a whole day would starve the others for as long. */
const CREDITS_MAX = 2;

/** Credits of flows for one quantum: they are kept in full buckets; a quantum's shares are of what is in the bucket now. */
export function scaledCredits(flows: readonly Flow[], inputs: BatchInputs): Record<string, number> {
  return Object.fromEntries(
    flows.map(({ id, source }) => {
      const part = bucketPart(source, inputs);
      return [id, part > 0 ? (inputs.credits[id] ?? 0) / part : 0];
    }),
  );
}

/**
 * What each model is owed after the round: who went short while others had more than half of their fair share gains what
 * they spend. Nothing changes for models on a source where everybody got all that it asked for. What one is owed the
 * others owe: the sum of the balances of a source stays what it was, and that of each cohort's members where there are cohorts.
 * @param rowsOf rows that each item was granted; 0 for what waits
 * @param outside items whose waiting has nothing to do with sharing: their source is closed
 */
export function creditsAfterRound(
  flows: readonly Flow[],
  rowsOf: Float64Array,
  outside: ReadonlySet<string>,
  inputs: BatchInputs,
): Record<string, number> {
  const contending = flows.flatMap((flow) => withoutItems(flow, outside) ?? []);
  const units = Object.fromEntries(contending.map((flow) => [flow.id, unitsOf(flow, rowsOf)]));
  const after: Record<string, number> = {};
  for (const source of [...new Set(contending.map((flow) => flow.source))].sort()) {
    const here = contending.filter((flow) => flow.source === source);
    const instance = instanceOf(here, inputs);
    if (instance === null || here.every(({ id }) => units[id] > 1 - 1e-6)) continue;
    const before = scaledCredits(here, inputs);
    const scale = bucketPart(source, inputs);
    if (scale <= 0) continue;
    const settled = creditsAfter(instance, units, before);
    for (const cohort of new Set(here.map((flow) => flow.cohort))) {
      const members = here.filter((flow) => flow.cohort === cohort);
      if (members.every(({ id }) => units[id] > 1 - 1e-6)) continue;
      const balances = members.map(({ id }) => inputs.credits[id] ?? 0);
      const changes = members.map(({ id }) => (settled[id] - before[id]) * scale);
      withinBounds(balances, changes).forEach((balance, i) => (after[members[i].id] = balance));
    }
  }
  return after;
}

/**
 * The balances nearest to `balances + changes` of those that keep the bounds and the sum of `balances`: each is moved by
 * one common amount, then cut (projection onto a box and a plane; Boyd and Vandenberghe, Convex Optimization, 8.1).
 */
function withinBounds(balances: readonly number[], changes: readonly number[]): number[] {
  const cut = (value: number): number => Math.max(-CREDITS_MAX, Math.min(CREDITS_MAX, value));
  // Balances of an older version may have drifted beyond what the bounds allow in sum.
  const sum = Math.max(-CREDITS_MAX, Math.min(CREDITS_MAX, total(balances) / balances.length)) * balances.length;
  const wished = balances.map((balance, i) => balance + changes[i]);
  if (wished.every((value) => value === cut(value))) return wished;
  const moved = (by: number): number[] => wished.map((value) => cut(value + by));
  let [low, high] = [-2 * CREDITS_MAX - Math.max(...wished), 2 * CREDITS_MAX - Math.min(...wished)];
  // Halving ends when the two are neighbours among the doubles: some sixty steps.
  for (let middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    if (total(moved(middle)) < sum) low = middle;
    else high = middle;
  }
  return moved(high).map((value) => value + 0);
}

/** The flow without these items; itself when it has none of them, null when it has no others. */
function withoutItems(flow: Flow, gone: ReadonlySet<string>): Flow | null {
  if (gone.size === 0) return flow;
  const places = Array.from(flow.items.keys()).filter((place) => !gone.has(flow.items[place].item.id));
  if (places.length === flow.items.length) return flow;
  if (places.length === 0) return null;
  const width = flow.resources.length;
  const cost = new Float64Array(places.length * width);
  const demand = new Float64Array(width);
  for (const [to, from] of places.entries())
    for (let r = 0; r < width; r++) {
      cost[to * width + r] = flow.cost[from * width + r];
      demand[r] += cost[to * width + r];
    }
  return {
    ...{ ...flow, cost, demand, gangs: null },
    items: places.map((place) => flow.items[place]),
    index: Uint32Array.from(places, (place) => flow.index[place]),
    rows: Float64Array.from(places, (place) => flow.rows[place]),
  };
}

/** What part of its demand a flow got, 0 to 1, of the resource that it got most of. */
function unitsOf({ index, rows, resources, cost, demand }: Flow, rowsOf: Float64Array): number {
  const width = resources.length;
  let most = demand.some((amount) => amount > 0) ? 0 : 1;
  for (let r = 0; r < width; r++) {
    if (demand[r] <= 0) continue;
    let taken = 0;
    for (let place = 0; place < index.length; place++) {
      const had = rowsOf[index[place]];
      if (had > 0) taken += (cost[place * width + r] * had) / rows[place];
    }
    most = Math.max(most, taken / demand[r]);
  }
  return Math.min(1, most);
}

/** How full the emptiest bucket of a source is, 0 to 1. */
function bucketPart(source: string, { limits }: BatchInputs): number {
  return limits.reduce(
    (least, limit) =>
      limit.source !== source || limit.burst <= 0 ? least : Math.min(least, Math.max(0, limit.available) / limit.burst),
    1,
  );
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
