/** What the allocator is given and what it answers: the JSON contract of `balance allocate`, and its validation. */
import { z } from 'zod';
import { BalanceError, shown, usageError } from '../types/errors.js';

/** Largest amount, weight or quota: more is a mistake, and arithmetic on it would overflow. */
export const AMOUNT_MAX = 1e100;

const amount = z.number().min(0).describe('A finite number, zero or more.');
const amounts = z.record(z.string().min(1), amount);

const modelSchema = z.strictObject({
  id: z.string().min(1),
  weight: amount
    .default(1)
    .describe('Share of what is scarce, relative to its siblings. 0: only its guarantee, then what nobody else wants.'),
  demand: amounts.default({}).describe('Resources that one unit takes.'),
  cap: amount.nullish().describe('Units it can use at most; null is no limit.'),
  cohort: z.string().min(1).nullish().describe('Cohort that it belongs to; null is the pool itself.'),
  running: amount.optional().describe('Units it holds now; breaks ties, so that nothing is preempted without need.'),
  gang: z.int().min(1).optional().describe('Units are granted in whole gangs of this size, or not at all.'),
  credits: z.number().optional().describe('Karma credits at the start (with `quanta`).'),
});
const cohortSchema = z.strictObject({
  id: z.string().min(1),
  parent: z.string().min(1).nullish(),
  weight: amount.default(1),
  nominal: amounts.default({}).describe('Guaranteed to the cohort and everything below it, by resource.'),
  lendingLimit: amounts.default({}).describe('Most of the unused guarantee that others may use; absent: all of it.'),
  borrowingLimit: amounts.default({}).describe('Most that it may use above its guarantee; absent: no limit.'),
});
const quantumSchema = z.strictObject({ demands: z.record(z.string(), amount) });

/** The input shape. Cross references (ids, resources, cycles, sums) are checked by `assertConsistent`. */
const allocationInstanceSchema = z.strictObject({
  resources: amounts.describe('Capacity of each resource.'),
  models: z.array(modelSchema),
  cohorts: z.array(cohortSchema).default([]),
  divisible: z.boolean().default(true).describe('false: whole units only.'),
  quanta: z.array(quantumSchema).optional().describe('Units that each model asks for in each quantum of time.'),
});

export type AllocationInstance = z.input<typeof allocationInstanceSchema>;

export type AllocationCohort = NonNullable<AllocationInstance['cohorts']>[number];

export interface Allocation {
  readonly id: string;
  readonly units: number;
  /** units * max over resources of demand / capacity; 0 to 1, before division by the weight. */
  readonly dominantShare: number;
  /** What stopped it: a resource's name, `cap` (it has all that it asked for) or `demand` (it asks for nothing). */
  readonly binding: string;
  /** The cohort whose limit of that resource it was; absent: the pool's, or none. */
  readonly cohort?: string;
  readonly reason: string;
}
export interface AllocationResult {
  /** One per model, ordered by id. */
  readonly allocations: readonly Allocation[];
  /** Used fraction of each resource, 0 to 1, ordered by name. A resource of capacity 0 counts as 0. */
  readonly utilization: Readonly<Record<string, number>>;
  /** Jain's index of the weighted dominant shares of the models that asked for something; 1 is perfectly even. */
  readonly jain: number;
}

function invalid(message: string, expected: string, got: string, hint?: string): BalanceError {
  return usageError({ type: 'InvalidAllocation', message, expected, got, hint });
}

/**
 * Parses unknown JSON into an instance.
 * @throws BalanceError `InvalidAllocation` that names the path of the first offence, what was expected and what came.
 */
export function parseAllocationInstance(value: unknown): AllocationInstance {
  const parsed = allocationInstanceSchema.safeParse(value, { reportInput: true });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue.path
      .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
      .join('')
      .replace(/^\./, '');
    throw invalid(
      `${path === '' ? 'instance' : path}: ${issue.message}`,
      'an object {resources, models, cohorts?, divisible?, quanta?} with finite amounts of zero or more',
      shown(issue.input),
      'run `balance allocate --help` for the contract and an example',
    );
  }
  if (namesPrototype(value))
    throw invalid('something is called "__proto__"', 'names that are not "__proto__"', '__proto__', 'rename it');
  assertConsistent(parsed.data);
  return parsed.data;
}

/** Whether an amount or an id has the one name that no object of JSON can be asked for. */
function namesPrototype(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === '__proto__';
  return Object.hasOwn(value, '__proto__') || Object.values(value).some(namesPrototype);
}

/** Checks everything that one field alone cannot show. O(models x demands + cohorts). */
export function assertConsistent(instance: AllocationInstance): void {
  const cohorts = instance.cohorts ?? [];
  const { resources, models } = instance;
  const badCapacity = firstBad(resources, null);
  if (badCapacity !== null) throw badAmount('resources', badCapacity, resources, null);
  assertUnique('model', models);
  assertUnique('cohort', cohorts);
  const cohortIds = new Set(cohorts.map((cohort) => cohort.id));
  for (const model of models) assertModel(model, resources, cohortIds);
  for (const cohort of cohorts) assertCohort(cohort, resources, cohortIds);
  assertNoCycle(cohorts);
  assertQuanta(instance);
}

function assertModel(
  model: AllocationInstance['models'][number],
  resources: Readonly<Record<string, number>>,
  cohortIds: ReadonlySet<string>,
): void {
  const { weight = 1, cap, running = 0, credits, gang, cohort, demand = {} } = model;
  const badDemand = firstBad(demand, resources);
  if (badDemand !== null) throw badAmount(`${named('model', model.id)}: demand`, badDemand, demand, resources);
  const own = { weight, cap: cap ?? 0, running };
  const badOwn = firstBad(own, null);
  if (badOwn !== null) throw badAmount(named('model', model.id), badOwn, own, null);
  if (credits !== undefined && !Number.isFinite(credits))
    throw invalid(`${named('model', model.id)}: credits is not a finite number`, 'a finite number', String(credits));
  if (gang !== undefined && !(Number.isSafeInteger(gang) && gang >= 1))
    throw invalid(
      `${named('model', model.id)}: gang is not a whole number of units`,
      'an integer of at least 1',
      String(gang),
    );
  if (isUnknown(cohort, cohortIds)) throw unknownCohort(named('model', model.id), cohort, cohortIds);
}

function assertCohort(
  cohort: AllocationCohort,
  resources: Readonly<Record<string, number>>,
  cohortIds: ReadonlySet<string>,
): void {
  const where = named('cohort', cohort.id);
  for (const field of ['nominal', 'lendingLimit', 'borrowingLimit'] as const) {
    const amounts = cohort[field] ?? {};
    const bad = firstBad(amounts, resources);
    if (bad !== null) throw badAmount(`${where}: ${field}`, bad, amounts, resources);
  }
  const own = { weight: cohort.weight ?? 1 };
  const bad = firstBad(own, null);
  if (bad !== null) throw badAmount(where, bad, own, null);
  if (isUnknown(cohort.parent, cohortIds)) throw unknownCohort(where, cohort.parent, cohortIds);
}

function named(kind: 'model' | 'cohort', id: string): string {
  return `${kind} ${JSON.stringify(id)}`;
}

/** The first entry that is no amount, or of a resource that is not there. */
function firstBad(
  values: Readonly<Record<string, number>>,
  resources: Readonly<Record<string, number>> | null,
): string | null {
  for (const name in values) {
    const value = values[name];
    if (!(value >= 0 && value <= AMOUNT_MAX) || (resources !== null && !Object.hasOwn(resources, name))) return name;
  }
  return null;
}

/** What is wrong with the amount of that name; said only when something is. */
function badAmount(
  where: string,
  name: string,
  values: Readonly<Record<string, number>>,
  resources: Readonly<Record<string, number>> | null,
): BalanceError {
  if (resources !== null && !Object.hasOwn(resources, name)) {
    return invalid(
      `${where} names the unknown resource ${JSON.stringify(name)}`,
      Object.keys(resources).length === 0
        ? 'none: no resources are given'
        : `one of: ${Object.keys(resources).sort().join(', ')}`,
      name,
      `add ${JSON.stringify(name)} to resources, with its capacity`,
    );
  }
  const expected = `a finite number, 0 to ${AMOUNT_MAX}`;
  const hint = 'correct it, or measure in larger units';
  return invalid(`${where}: ${name} is not an amount`, expected, String(values[name]), hint);
}

function assertUnique(kind: string, things: readonly { readonly id: string }[]): void {
  const seen = new Set<string>();
  for (const { id } of things) {
    if (seen.has(id))
      throw invalid(
        `two ${kind}s have the id ${JSON.stringify(id)}`,
        `each ${kind} once`,
        id,
        'merge them or rename one',
      );
    seen.add(id);
  }
}

function isUnknown(cohort: string | null | undefined, known: ReadonlySet<string>): cohort is string {
  return cohort !== null && cohort !== undefined && !known.has(cohort);
}

function unknownCohort(where: string, cohort: string, known: ReadonlySet<string>): BalanceError {
  return invalid(
    `${where} belongs to the unknown cohort ${JSON.stringify(cohort)}`,
    known.size === 0 ? 'null (no cohorts are declared)' : `null or one of: ${[...known].sort().join(', ')}`,
    cohort,
    `add ${JSON.stringify(cohort)} to cohorts, or set it to null`,
  );
}

function assertNoCycle(cohorts: readonly AllocationCohort[]): void {
  const parent = new Map(cohorts.map((cohort) => [cohort.id, cohort.parent ?? null]));
  const cleared = new Set<string>();
  for (const { id } of cohorts) {
    const path: string[] = [];
    const onPath = new Set<string>();
    for (let at: string | null = id; at !== null && !cleared.has(at); at = parent.get(at) ?? null) {
      if (onPath.has(at)) {
        const members = path.slice(path.indexOf(at));
        throw invalid(
          `cohorts form a cycle: ${[...members, at].join(' -> ')}`,
          'a tree of cohorts',
          members.join(', '),
          'set the parent of one of them to null',
        );
      }
      onPath.add(at);
      path.push(at);
    }
    for (const member of path) cleared.add(member);
  }
}

function assertQuanta(instance: AllocationInstance): void {
  if (instance.quanta === undefined) return;
  const ids = new Set(instance.models.map((model) => model.id));
  for (const [index, { demands }] of instance.quanta.entries()) {
    const bad = firstBad(demands, null);
    if (bad !== null) throw badAmount(`quanta[${index}].demands`, bad, demands, null);
    for (const id in demands) {
      if (!ids.has(id))
        throw invalid(
          `quanta[${index}] names the unknown model ${JSON.stringify(id)}`,
          'the id of a model of this instance',
          id,
          `add ${JSON.stringify(id)} to models, or leave it out of the quantum`,
        );
    }
  }
}
