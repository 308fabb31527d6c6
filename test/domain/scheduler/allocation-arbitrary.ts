/** Random allocation instances for property tests: valid by construction, with the corner cases drawn often. */
import fc from 'fast-check';
import type { AllocationInstance } from '../../../domain/scheduler/resource-allocator.js';

const RESOURCES = ['bytes', 'cpu', 'gpu', 'slots'];
const amount = (max: number) => fc.double({ min: 0.01, max, noNaN: true, noDefaultInfinity: true });
const sometimesZero = (arbitrary: fc.Arbitrary<number>) =>
  fc.oneof({ weight: 6, arbitrary }, { weight: 1, arbitrary: fc.constant(0) });

interface Shape {
  readonly cohorts?: boolean;
  readonly weightZero?: boolean;
  readonly steps?: boolean;
  readonly modelsMax?: number;
}

/** An instance of up to `modelsMax` models; with `cohorts` a random forest with quotas and limits; with `steps` gangs. */
export function instances({
  cohorts = false,
  weightZero = true,
  steps = false,
  modelsMax = 8,
}: Shape = {}): fc.Arbitrary<AllocationInstance> {
  return fc
    .record({
      width: fc.integer({ min: 1, max: RESOURCES.length }),
      capacities: fc.array(sometimesZero(amount(100)), { minLength: 4, maxLength: 4 }),
      models: fc.array(
        fc.record({
          weight: weightZero ? sometimesZero(amount(5)) : amount(5),
          demand: fc.array(fc.oneof(amount(10), fc.constant(0)), { minLength: 4, maxLength: 4 }),
          cap: fc.oneof(fc.constant(null), sometimesZero(amount(30)), fc.integer({ min: 0, max: 9 })),
          cohort: fc.integer({ min: -1, max: 3 }),
          running: fc.integer({ min: 0, max: 5 }),
          gang: fc.integer({ min: 0, max: 4 }),
        }),
        { maxLength: modelsMax },
      ),
      cohorts: fc.array(
        fc.record({
          parent: fc.integer({ min: -1, max: 3 }),
          weight: weightZero ? sometimesZero(amount(5)) : amount(5),
          nominal: fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 0.25, noNaN: true })), {
            minLength: 4,
            maxLength: 4,
          }),
          lending: fc.array(fc.oneof(fc.constant(null), sometimesZero(amount(20))), { minLength: 4, maxLength: 4 }),
          borrowing: fc.array(fc.oneof(fc.constant(null), sometimesZero(amount(20))), { minLength: 4, maxLength: 4 }),
        }),
        { minLength: cohorts ? 1 : 0, maxLength: cohorts ? 4 : 0 },
      ),
    })
    .map(({ width, capacities, models, cohorts: groups }) => {
      const names = RESOURCES.slice(0, width);
      const vector = (values: readonly (number | null)[]) =>
        Object.fromEntries(names.flatMap((name, r) => (values[r] === null ? [] : [[name, values[r]]])));
      return {
        resources: vector(capacities),
        models: models.map(({ weight, demand, cap, cohort, running, gang }, i) => ({
          id: `m${i}`,
          weight,
          demand: vector(demand),
          cap,
          cohort: cohort >= 0 && cohort < groups.length ? `c${cohort}` : null,
          ...(steps ? { running, ...(gang > 0 ? { gang } : {}) } : {}),
        })),
        cohorts: groups.map(({ parent, weight, nominal, lending, borrowing }, c) => ({
          id: `c${c}`,
          // Only earlier cohorts are parents, so there is no cycle.
          parent: parent >= 0 && parent < c ? `c${parent}` : null,
          weight,
          nominal: vector(nominal.map((fraction, r) => fraction * capacities[r])),
          lendingLimit: vector(lending),
          borrowingLimit: vector(borrowing),
        })),
        divisible: true,
      };
    });
}

/** Units by id of a result. */
export function unitsById(result: { allocations: readonly { id: string; units: number }[] }): Record<string, number> {
  return Object.fromEntries(result.allocations.map(({ id, units }) => [id, units]));
}
