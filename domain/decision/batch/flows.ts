/**
 * Who shares what: each model's demand on one source is a flow, as sources are where models contend. A flow keeps its
 * items in the order in which they are served, and what each would cost of what is limited.
 */
import type { AllocationInstance } from '../../scheduler/allocation-instance.js';
import type { BatchInputs } from './batch-inputs.js';
import { cohortsOf } from './cohorts.js';
import type { CostedItem } from './costs.js';
import { flowId } from './flow-id.js';
import { itemScore } from './item-priority.js';
import type { ReadCharges } from './read-charges.js';

export interface Flow {
  readonly id: string;
  readonly model: string;
  readonly source: string;
  /** Null: it is a member of the pool itself. */
  readonly cohort: string | null;
  /** Highest score first, then by id; what every round of sharing asks of them stands in columns beside. */
  readonly items: readonly CostedItem[];
  readonly scores: Float64Array;
  readonly index: Uint32Array;
  readonly rows: Float64Array;
  /** Cycles that looked at the item, this one included. */
  readonly attempts: Float64Array;
  /**
   * Places that are handed out together: all of a gang at the place of its last member, none at those of the others, nor
   * at any of a gang that has no part in the share. Null: there are no gangs.
   */
  readonly gangs: ReadonlyMap<number, readonly number[]> | null;
  /** Places of the standing needs. */
  readonly needs: readonly number[];
  /** Limited resources that it may take, by name. */
  readonly resources: readonly string[];
  /** Of each of them, its place among the limits of the plan. */
  readonly limits: readonly number[];
  /** `cost[place * resources + resource]` of the item at that place, and their sums. */
  readonly cost: Float64Array;
  readonly demand: Float64Array;
  /** Places that have no part in its share, nor in its demand: they may have of what is left. Null: there are none. */
  readonly aside: ReadonlySet<number> | null;
  /** What it is owed, 0 to 1. */
  readonly debt: number;
}

/**
 * The flows, by id. Their costs are not known before `chargeFlows`.
 * @param aside items of gangs that have no part in the shares
 */
export function flowsOf(costed: readonly CostedItem[], aside: ReadonlySet<string>, inputs: BatchInputs): Flow[] {
  const sources = new Map<string, Map<string, CostedItem[]>>();
  for (const one of costed) {
    let models = sources.get(one.source);
    if (models === undefined) sources.set(one.source, (models = new Map<string, CostedItem[]>()));
    const group = models.get(one.item.model);
    if (group === undefined) models.set(one.item.model, [one]);
    else group.push(one);
  }
  return [...sources]
    .flatMap(([source, models]) => [...models].map(([model, group]) => ({ id: flowId(model, source), group })))
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ id, group }) => flowOf(id, group, aside, inputs));
}

function flowOf(id: string, group: readonly CostedItem[], asideIds: ReadonlySet<string>, inputs: BatchInputs): Flow {
  const { source } = group[0];
  const debt = Math.min(1, Math.max(0, inputs.credits[id] ?? 0));
  const resources = inputs.limits
    .flatMap((limit) => (limit.source === null || limit.source === source ? [limit.resource] : []))
    .sort();
  const limits = resources.map((name) => inputs.limits.findIndex(({ resource }) => resource === name));
  const count = group.length;
  const score = new Float64Array(count);
  for (let i = 0; i < count; i++) score[i] = itemScore(group[i], debt, inputs);
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  order.sort((a, b) => score[b] - score[a] || a - b);
  const items: CostedItem[] = [];
  const needs: number[] = [];
  const scores = new Float64Array(count);
  const index = new Uint32Array(count);
  const rows = new Float64Array(count);
  const attempts = new Float64Array(count);
  for (let place = 0; place < count; place++) {
    const costed = group[order[place]];
    items.push(costed);
    if (costed.item.kind === 'need') needs.push(place);
    scores[place] = score[order[place]];
    index[place] = costed.index;
    rows[place] = costed.rows;
    attempts[place] = costed.attempts;
  }
  const { model } = group[0].item;
  const places =
    asideIds.size === 0 ? [] : Array.from(items.keys()).filter((place) => asideIds.has(items[place].item.id));
  const aside = places.length === 0 ? null : new Set(places);
  return {
    ...{ id, model, source, debt, resources, limits, items, needs, scores, index, rows, attempts, aside },
    cohort: inputs.models[model]?.cohort ?? null,
    gangs: gangPlaces(items, aside),
    cost: new Float64Array(count * resources.length),
    demand: new Float64Array(resources.length),
  };
}

/** A gang's turn is that of its last member: before it, nobody of another kind is held up for it. */
function gangPlaces(items: readonly CostedItem[], aside: Flow['aside']): Flow['gangs'] {
  const places = new Map<string, number[]>();
  for (const [place, { item }] of items.entries()) {
    if (item.gang === undefined) continue;
    const known = places.get(item.gang.name);
    if (known === undefined) places.set(item.gang.name, [place]);
    else known.push(place);
  }
  if (places.size === 0) return null;
  return new Map(
    [...places.values()].flatMap((all) =>
      all.map((place) => [place, place === all.at(-1) && aside?.has(place) !== true ? all : []] as const),
    ),
  );
}

/** Puts the costs of the items into their flows, as their reads are charged now. */
export function chargeFlows(flows: readonly Flow[], charges: ReadCharges, { limits }: BatchInputs): void {
  const pooled = new Set(limits.flatMap(({ resource, source }) => (source === null ? [resource] : [])));
  for (const { items, index, resources, cost, demand, aside } of flows) {
    const width = resources.length;
    for (const [r, resource] of resources.entries()) {
      if (!pooled.has(resource)) charges.charge(index, resource, cost, r, width);
      else for (const [place, { item }] of items.entries()) cost[place * width + r] = item.resources[resource] ?? 0;
      demand[r] = 0;
      for (let place = 0; place < items.length; place++)
        if (aside?.has(place) !== true) demand[r] += cost[place * width + r];
    }
  }
}

/** One unit of a flow is all that it asks for: the allocation is the share of it that it gets. Null: nothing is limited. */
export function instanceOf(flows: readonly Flow[], inputs: BatchInputs): AllocationInstance | null {
  if (inputs.limits.length === 0 || flows.length === 0) return null;
  return {
    resources: Object.fromEntries(inputs.limits.map((limit) => [limit.resource, Math.max(0, limit.available)])),
    cohorts: cohortsOf(inputs),
    models: flows.map(({ id, model, cohort, items, resources, demand }) => ({
      ...{ id, cohort },
      weight: weightOf(model, items, inputs),
      demand: Object.fromEntries(resources.flatMap((name, r) => (demand[r] > 0 ? [[name, demand[r]]] : []))),
      cap: 1,
    })),
    divisible: true,
  };
}

/** Weight of a model that asks for no more than was to be expected: what is beyond counts with this one, if that is less. */
const BASE_WEIGHT = 1;

/** The weight of a flow: the model's for the bytes that were to be expected, the base weight for a surge beyond them. */
function weightOf(model: string, items: readonly CostedItem[], inputs: BatchInputs): number {
  const weight = inputs.models[model]?.weight ?? 1;
  const surges = new Map(inputs.surges.map(({ series, asked, upper }) => [series, 1 - upper / asked]));
  if (surges.size === 0 || weight <= BASE_WEIGHT) return weight;
  let bytes = 0;
  let beyond = 0;
  for (const { item, ownBytes } of items) {
    bytes += ownBytes;
    beyond += ownBytes * (surges.get(`${model}/${item.dataset}`) ?? 0);
  }
  return bytes > 0 ? weight + (BASE_WEIGHT - weight) * (beyond / bytes) : weight;
}
