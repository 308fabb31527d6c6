/**
 * `balance allocate` against its contract, by enumeration: small instances in whole numbers, whose limits are counted here
 * from the declaration alone (docs/ALLOCATION.md), apart from the allocator's own form of them.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAllocationInstance, type AllocationInstance } from '../../../domain/scheduler/allocation-instance.js';
import { allocate, allocateOverTime } from '../../../domain/scheduler/resource-allocator.js';
import { unitsById } from './allocation-arbitrary.js';

const NAMES = ['cpu', 'mem'];
const amounts = (most: number) =>
  fc.tuple(fc.nat(most), fc.nat(most)).map((values) => Object.fromEntries(NAMES.map((name, r) => [name, values[r]])));
const limits = (most: number) =>
  fc.record({ cpu: fc.nat(most), mem: fc.nat(most) }, { requiredKeys: [] }) as fc.Arbitrary<Record<string, number>>;

/** Up to four models and three cohorts; weights, capacities, demands, caps and limits of 0 come often. */
const anyInstance = fc
  .record({
    resources: amounts(8),
    models: fc.array(
      fc.record({
        weight: fc.nat(3),
        demand: amounts(3),
        cap: fc.nat(4),
        cohort: fc.constantFrom(null, 'x', 'y', 'z'),
        gang: fc.constantFrom(undefined, undefined, 2, 3),
        running: fc.nat(3),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    cohorts: fc.tuple(
      ...['x', 'y', 'z'].map((id, at) =>
        fc.record({
          id: fc.constant(id),
          parent: fc.constantFrom(...[null, 'x', 'y'].slice(0, at + 1)),
          weight: fc.nat(3),
          nominal: limits(3),
          lendingLimit: limits(2),
          borrowingLimit: limits(4),
        }),
      ),
    ),
    divisible: fc.boolean(),
  })
  .map(({ models, ...rest }) => ({
    ...rest,
    models: models.map(({ gang, ...model }, i) => ({ id: `m${i}`, ...model, ...(gang === undefined ? {} : { gang }) })),
  }))
  .filter((instance) => NAMES.every((name) => promised(instance, null, name) <= instance.resources[name]));

type Instance = AllocationInstance;
const childrenOf = ({ cohorts = [] }: Instance, id: string | null) =>
  cohorts.filter((one) => (one.parent ?? null) === id);

/** Guaranteed to a cohort and all below it, or to all cohorts together (null). */
function promised(instance: Instance, id: string | null, name: string): number {
  const below = childrenOf(instance, id).reduce((sum, child) => sum + promised(instance, child.id, name), 0);
  const own = instance.cohorts!.find((one) => one.id === id)?.nominal?.[name] ?? 0;
  return Math.max(own, below);
}

/** What a cohort keeps from the others: what it uses, and what it does not lend. Null: some limit of it, or below it, is exceeded. */
function taken(
  instance: Instance,
  id: string | null,
  name: string,
  units: readonly number[],
  slack: number,
): number | null {
  let use = 0;
  for (const [i, { cohort, demand }] of instance.models.entries())
    if ((cohort ?? null) === id) use += units[i] * (demand?.[name] ?? 0);
  for (const child of childrenOf(instance, id)) {
    const below = taken(instance, child.id, name, units, slack);
    if (below === null) return null;
    use += Math.max(below, promised(instance, child.id, name) - (child.lendingLimit?.[name] ?? Infinity));
  }
  const cohort = instance.cohorts!.find((one) => one.id === id);
  const most =
    cohort === undefined
      ? instance.resources[name]
      : promised(instance, id, name) + (cohort.borrowingLimit?.[name] ?? Infinity);
  return use > most + slack ? null : use;
}
const isFeasible = (instance: Instance, units: readonly number[], slack = 0): boolean =>
  NAMES.every((name) => taken(instance, null, name, units, slack) !== null);

const stepOf = ({ divisible }: Instance, { gang }: Instance['models'][number]): number => gang ?? (divisible ? 0 : 1);

/** Every vector of whole steps within caps and limits. */
function everyFeasible(instance: Instance): number[][] {
  let all: number[][] = [[]];
  for (const model of instance.models) {
    const step = stepOf(instance, model);
    const choices = Array.from({ length: Math.floor(model.cap! / step) + 1 }, (_, k) => k * step);
    all = all.flatMap((units) => choices.map((choice) => [...units, choice]));
  }
  return all.filter((units) => isFeasible(instance, units));
}
const unitsOf = (instance: Instance, result: ReturnType<typeof allocate>): number[] => {
  const byId = unitsById(result);
  return instance.models.map(({ id }) => byId[id]);
};

/** No limit is exceeded, steps are whole, and nobody could have a step (of what is divisible: a thousandth of a unit) more. */
function expectEfficient(instance: Instance, units: readonly number[]): void {
  expect(isFeasible(instance, units, 1e-9)).toBe(true);
  for (const [i, model] of instance.models.entries()) {
    const step = stepOf(instance, model);
    expect(units[i]).toBeGreaterThanOrEqual(0);
    expect(units[i]).toBeLessThanOrEqual(model.cap! + 1e-9);
    if (step > 0) expect(Number.isInteger(units[i] / step)).toBe(true);
    const more = units.map((own, j) => (i === j ? own + (step || 1e-3) : own));
    if (Object.values(model.demand!).some((need) => need > 0) && more[i] <= model.cap!)
      expect(isFeasible(instance, more, 1e-9)).toBe(false);
  }
}

describe('by the declaration alone', () => {
  it('no limit is exceeded and nobody could have more: cohorts that lend and borrow, gangs, whole and divisible units', () => {
    fc.assert(
      fc.property(anyInstance, (instance) => {
        expectEfficient(instance, unitsOf(instance, allocate(parseAllocationInstance(instance))));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of all allocations in whole units, none gives everybody as much and somebody more', () => {
    fc.assert(
      fc.property(anyInstance, (drawn) => {
        const instance = { ...drawn, divisible: false };
        const units = unitsOf(instance, allocate(parseAllocationInstance(instance)));
        const all = everyFeasible(instance);
        expect(all).toContainEqual(units);
        const wants = instance.models.map(({ demand }) => Object.values(demand).some((need) => need > 0));
        for (const other of all)
          if (other.every((own, i) => own >= units[i]))
            expect(other.filter((_, i) => wants[i])).toEqual(units.filter((_, i) => wants[i]));
      }),
      { numRuns: 500 },
    );
  });

  // With weights the whole part of a larger share goes before the first unit of a smaller one.
  it('flat, of one resource in whole units of one size: the smallest of equal shares is the largest possible, then the next', () => {
    const one = anyInstance.map(({ resources: { cpu }, models }): Instance => ({
      resources: { cpu, mem: 0 },
      models: models.map(({ id, cap }) => ({ id, cap, demand: { cpu: 1 } })),
      cohorts: [],
      divisible: false,
    }));
    fc.assert(
      fc.property(one, (instance) => {
        const sorted = (units: readonly number[]) => [...units].sort((a, b) => a - b);
        const given = sorted(unitsOf(instance, allocate(parseAllocationInstance(instance))));
        for (const other of everyFeasible(instance).map(sorted)) {
          const at = other.findIndex((units, i) => units !== given[i]);
          if (at !== -1) expect(other[at]).toBeLessThan(given[at]);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('over time, each quantum keeps every limit and wastes nothing', () => {
    const table = fc.array(fc.array(fc.nat(4), { minLength: 4, maxLength: 4 }), { maxLength: 4 });
    fc.assert(
      fc.property(anyInstance, table, (instance, asked) => {
        const quanta = asked.map((row) => ({
          demands: Object.fromEntries(instance.models.map(({ id }, i) => [id, row[i]])),
        }));
        const results = allocateOverTime({ ...parseAllocationInstance(instance), quanta });
        expect(results).toHaveLength(quanta.length);
        for (const [t, result] of results.entries()) {
          const models = instance.models.map((model, i) => ({ ...model, cap: Math.min(model.cap, asked[t][i]) }));
          expectEfficient({ ...instance, models }, unitsOf(instance, result));
        }
      }),
      { numRuns: 500 },
    );
  });
});
