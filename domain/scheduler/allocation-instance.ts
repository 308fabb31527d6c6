/** What the allocator is given and what it answers: the JSON contract of `balance allocate`, and its validation. */
import { z } from 'zod';
import { BalanceError, usageError } from '../types/errors.js';

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
      issue.input === undefined ? 'nothing' : JSON.stringify(issue.input),
      'run `balance allocate --help` for the contract and an example',
    );
  }
  assertConsistent(parsed.data);
  return parsed.data;
}

/** Checks everything that one field alone cannot show. O(models x demands + cohorts). */
export function assertConsistent(instance: AllocationInstance): void {
  const cohorts = instance.cohorts ?? [];
  const known = Object.keys(instance.resources).sort().join(', ');
  assertAmounts('resources', instance.resources, undefined, known);
  assertUnique(
    'model',
    instance.models.map((model) => model.id),
  );
  assertUnique(
    'cohort',
    cohorts.map((cohort) => cohort.id),
  );
  const cohortIds = new Set(cohorts.map((cohort) => cohort.id));
  for (const model of instance.models) {
    const where = `model ${JSON.stringify(model.id)}`;
    assertAmounts(`${where}: demand`, model.demand ?? {}, instance.resources, known);
    assertAmounts(where, { weight: model.weight ?? 1, cap: model.cap ?? 0, running: model.running ?? 0 });
    if (model.credits !== undefined && !Number.isFinite(model.credits))
      throw invalid(`${where}: credits is not a finite number`, 'a finite number', String(model.credits));
    if (model.gang !== undefined && !(Number.isSafeInteger(model.gang) && model.gang >= 1))
      throw invalid(`${where}: gang is not a whole number of units`, 'an integer of at least 1', String(model.gang));
    assertCohortKnown(where, model.cohort, cohortIds);
  }
  for (const cohort of cohorts) {
    const where = `cohort ${JSON.stringify(cohort.id)}`;
    for (const field of ['nominal', 'lendingLimit', 'borrowingLimit'] as const)
      assertAmounts(`${where}: ${field}`, cohort[field] ?? {}, instance.resources, known);
    assertAmounts(where, { weight: cohort.weight ?? 1 });
    assertCohortKnown(where, cohort.parent, cohortIds);
  }
  assertNoCycle(cohorts);
  assertQuanta(instance);
}

function assertAmounts(
  where: string,
  values: Readonly<Record<string, number>>,
  resources?: Readonly<Record<string, number>>,
  known?: string,
): void {
  for (const name in values) {
    const value = values[name];
    if (resources !== undefined && !Object.hasOwn(resources, name)) {
      throw invalid(
        `${where} names the unknown resource ${JSON.stringify(name)}`,
        `one of: ${known ?? ''}`,
        name,
        `add ${JSON.stringify(name)} to resources, with its capacity`,
      );
    }
    if (!(value >= 0 && value <= AMOUNT_MAX))
      throw invalid(`${where}: ${name} is not an amount`, 'a finite number, zero or more', String(value));
  }
}

function assertUnique(kind: string, ids: readonly string[]): void {
  const seen = new Set<string>();
  for (const id of ids) {
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

function assertCohortKnown(where: string, cohort: string | null | undefined, known: ReadonlySet<string>): void {
  if (cohort === null || cohort === undefined || known.has(cohort)) return;
  throw invalid(
    `${where} belongs to the unknown cohort ${JSON.stringify(cohort)}`,
    known.size === 0 ? 'null (no cohorts are declared)' : `null or one of: ${[...known].sort().join(', ')}`,
    cohort,
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
  if ((instance.cohorts ?? []).length > 0)
    throw invalid(
      'quanta and cohorts do not go together',
      'quanta without cohorts',
      `${instance.cohorts?.length ?? 0} cohorts`,
      'credits are kept between models of one pool',
    );
  const ids = new Set(instance.models.map((model) => model.id));
  for (const [index, { demands }] of instance.quanta.entries()) {
    for (const id in demands) {
      if (!ids.has(id))
        throw invalid(
          `quanta[${index}] names the unknown model ${JSON.stringify(id)}`,
          'the id of a model of this instance',
          id,
        );
      assertAmounts(`quanta[${index}].demands`, { [id]: demands[id] });
    }
  }
}
