import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkCertificate } from '../../../domain/scheduler/allocation-certificate.js';
import { allocate, allocateOverTime, type AllocationInstance } from '../../../domain/scheduler/resource-allocator.js';
import { instances, unitsById } from './allocation-arbitrary.js';
import { lexicographicMaxMin, paretoSlack } from './linear-oracle.js';

const shuffled = fc.integer({ min: 0, max: 1e6 });
function rotate<T>(items: readonly T[], by: number): T[] {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)].reverse();
}
const demandOf = (model: AllocationInstance['models'][number], name: string) => model.demand?.[name] ?? 0;
/** Units that a bundle of resources (`units` of `holder`) is worth to `model`. */
function worth(
  instance: AllocationInstance,
  model: AllocationInstance['models'][number],
  bundle: (name: string) => number,
): number {
  const needed = Object.keys(instance.resources).filter((name) => demandOf(model, name) > 0);
  return Math.min(model.cap ?? Infinity, ...needed.map((name) => bundle(name) / demandOf(model, name)));
}

/** The same instance in whole numbers: a linear solver's tolerances are absolute, so tiny amounts would decide nothing. */
function inWholeNumbers(instance: AllocationInstance): AllocationInstance {
  const whole = (amounts: Readonly<Record<string, number>>) =>
    Object.fromEntries(Object.entries(amounts).map(([name, value]) => [name, Math.ceil(value)]));
  const models = instance.models.map((model) => ({
    ...model,
    weight: Math.ceil(model.weight!),
    demand: whole(model.demand!),
    cap: model.cap == null ? null : Math.ceil(model.cap),
  }));
  return { ...instance, resources: whole(instance.resources), models };
}

describe('laws of flat, divisible allocation', () => {
  it('holds the certificate on every instance', () => {
    fc.assert(
      fc.property(instances({ modelsMax: 20 }), (instance) => {
        expect(checkCertificate(instance, allocate(instance))).toEqual([]);
      }),
      { numRuns: 10_000 },
    );
  });

  it('never gives more than there is, nor a number that is not plain', () => {
    fc.assert(
      fc.property(instances({ modelsMax: 20 }), (instance) => {
        const result = allocate(instance);
        for (const [name, capacity] of Object.entries(instance.resources)) {
          const used = result.allocations.reduce(
            (sum, { id, units }) =>
              sum +
              units *
                demandOf(
                  instance.models.find((model) => model.id === id)!,
                  name,
                ),
            0,
          );
          expect(used).toBeLessThanOrEqual(capacity * (1 + 1e-12));
        }
        expect(JSON.parse(JSON.stringify(result))).toEqual(result);
      }),
      { numRuns: 2_000 },
    );
  });

  it('does not depend on the order of the input', () => {
    fc.assert(
      fc.property(instances({ cohorts: true, steps: true }), fc.boolean(), shuffled, (instance, divisible, by) => {
        const turned: AllocationInstance = {
          ...instance,
          divisible,
          resources: Object.fromEntries(rotate(Object.entries(instance.resources), by)),
          models: rotate(instance.models, by),
          cohorts: rotate(instance.cohorts ?? [], by),
        };
        expect(JSON.stringify(allocate(turned))).toBe(JSON.stringify(allocate({ ...instance, divisible })));
      }),
      { numRuns: 1_000 },
    );
  });

  it('sharing incentive: nobody has less than with its weighted part of the pool alone', () => {
    fc.assert(
      fc.property(instances(), (instance) => {
        const units = unitsById(allocate(instance));
        const total = instance.models.reduce((sum, model) => sum + model.weight!, 0);
        for (const model of instance.models) {
          if (model.weight === 0 || Object.values(model.demand!).every((need) => need === 0)) continue;
          const alone = worth(instance, model, (name) => (instance.resources[name] * model.weight!) / total);
          expect(units[model.id]).toBeGreaterThanOrEqual(alone * (1 - 1e-9));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('envy-freeness: nobody would gain from the bundle of another, scaled by their weights', () => {
    fc.assert(
      fc.property(instances({ weightZero: false }), (instance) => {
        const units = unitsById(allocate(instance));
        for (const model of instance.models) {
          if (Object.values(model.demand!).every((need) => need === 0)) continue;
          for (const other of instance.models) {
            const gain = worth(
              instance,
              model,
              (name) => (units[other.id] * demandOf(other, name) * model.weight!) / other.weight!,
            );
            expect(units[model.id]).toBeGreaterThanOrEqual(gain * (1 - 1e-9));
          }
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('strategy-proofness: asking for other amounts, or less, never serves the true demand better', () => {
    const lie = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0.01, max: 4, noNaN: true })), {
      minLength: 4,
      maxLength: 4,
    });
    fc.assert(
      fc.property(
        instances({ weightZero: false }),
        lie,
        fc.option(fc.double({ min: 0, max: 30, noNaN: true })),
        (instance, factors, cap) => {
          const truth = instance.models[0] as AllocationInstance['models'][number] | undefined;
          if (truth === undefined || Object.values(truth.demand!).every((need) => need === 0)) return;
          const demand = Object.fromEntries(
            Object.entries(truth.demand!).map(([name, need], r) => [name, need * factors[r]]),
          );
          const lying = { ...instance, models: [{ ...truth, demand, cap }, ...instance.models.slice(1)] };
          const got = unitsById(allocate(lying))[truth.id];
          const gained = worth(instance, truth, (name) => got * demand[name]);
          expect(unitsById(allocate(instance))[truth.id]).toBeGreaterThanOrEqual(gained * (1 - 1e-9));
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('equals the lexicographic max-min of linear programs within 1e-9', () => {
    const positive = instances({ weightZero: false, modelsMax: 4 }).filter(
      ({ resources, models }) =>
        Object.values(resources).every((capacity) => capacity > 0) &&
        models.length > 0 &&
        models.every((model) => Object.values(model.demand!).some((need) => need > 0)),
    );
    fc.assert(
      fc.property(positive.map(inWholeNumbers), (instance) => {
        const units = unitsById(allocate(instance));
        lexicographicMaxMin(instance).forEach((expected, i) => {
          const share = Math.max(
            ...Object.entries(instance.models[i].demand!).map(([name, need]) => need / instance.resources[name]),
          );
          expect(Math.abs(units[`m${i}`] - expected) * share).toBeLessThanOrEqual(1e-9);
        });
      }),
      { numRuns: 200 },
    );
  });

  it('is Pareto-efficient by a linear program', () => {
    fc.assert(
      fc.property(instances({ modelsMax: 6 }), (instance) => {
        const wanting = {
          ...instance,
          models: instance.models.filter((model) => Object.values(model.demand!).some((need) => need > 0)),
        };
        if (wanting.models.length === 0) return;
        const units = unitsById(allocate(wanting));
        expect(
          paretoSlack(
            wanting,
            wanting.models.map((model) => units[model.id]),
          ),
        ).toBeLessThanOrEqual(1e-7);
      }),
      { numRuns: 200 },
    );
  });
});

describe('laws with cohorts, gangs and whole units', () => {
  it('every limit holds and nobody could have one step more', () => {
    fc.assert(
      fc.property(instances({ cohorts: true, steps: true, modelsMax: 12 }), fc.boolean(), (instance, divisible) => {
        const given = { ...instance, divisible };
        expect(checkCertificate(given, allocate(given))).toEqual([]);
      }),
      { numRuns: 5_000 },
    );
  });

  it('a cohort that asks for its guarantee gets it', () => {
    fc.assert(
      fc.property(instances({ cohorts: true, modelsMax: 12 }), (instance) => {
        const units = unitsById(allocate(instance));
        for (const cohort of instance.cohorts!) {
          // One resource at a time: members that need nothing else and ask for all of the guarantee.
          for (const [name, nominal] of Object.entries(cohort.nominal!)) {
            const members = instance.models.filter((model) => model.cohort === cohort.id && demandOf(model, name) > 0);
            const asks = members.some(
              (model) =>
                model.cap === null &&
                Object.entries(model.demand!).every(([other, need]) => other === name || need === 0),
            );
            if (!asks) continue;
            const used = members.reduce((sum, model) => sum + units[model.id] * demandOf(model, name), 0);
            const below = instance.models
              .filter((model) => model.cohort !== null && isBelow(instance, model.cohort!, cohort.id))
              .reduce((sum, model) => sum + units[model.id] * demandOf(model, name), 0);
            expect(used + below).toBeGreaterThanOrEqual(
              nominal * (1 - 1e-9) - lentByChildren(instance, cohort.id, name),
            );
          }
        }
      }),
      { numRuns: 3_000 },
    );
  });

  it('in whole units nobody has less than the whole part of its divisible share', () => {
    fc.assert(
      fc.property(instances(), (instance) => {
        const divisible = unitsById(allocate(instance));
        const whole = unitsById(allocate({ ...instance, divisible: false }));
        for (const { id } of instance.models)
          expect(whole[id]).toBeGreaterThanOrEqual(Math.floor(divisible[id] * (1 - 1e-9)));
      }),
      { numRuns: 2_000 },
    );
  });

  it('what runs after one allocation is not preempted by the next', () => {
    fc.assert(
      fc.property(instances({ cohorts: true, steps: true }), (instance) => {
        const given: AllocationInstance = { ...instance, divisible: false };
        const first = unitsById(allocate(given));
        const running = { ...given, models: given.models.map((model) => ({ ...model, running: first[model.id] })) };
        expect(unitsById(allocate(running))).toEqual(first);
      }),
      { numRuns: 3_000 },
    );
  });

  it('credits within cohorts exceed no limit, waste nothing, and move nothing from one cohort to another', () => {
    fc.assert(
      fc.property(
        instances({ cohorts: true, steps: true }),
        fc.array(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 8, maxLength: 8 }), { maxLength: 4 }),
        (instance, table) => {
          const quanta = table.map((row) => ({
            demands: Object.fromEntries(instance.models.map(({ id }, i) => [id, row[i]])),
          }));
          allocateOverTime({ ...instance, quanta }).forEach((result, t) => {
            const models = instance.models.map((model, i) => ({
              ...model,
              cap: Math.min(model.cap ?? Infinity, table[t][i]),
            }));
            const quantum = { ...instance, models };
            expect(checkCertificate(quantum, result)).toEqual([]);
            if (Object.keys(instance.resources).length > 1 || models.some(({ gang }) => gang !== undefined)) return;
            const heldBy = (units: Record<string, number>, cohort: string | null | undefined) =>
              models
                .filter((model) => model.cohort === cohort)
                .reduce((sum, model) => sum + units[model.id] * demandOf(model, Object.keys(instance.resources)[0]), 0);
            for (const { cohort } of models)
              expect(heldBy(unitsById(result), cohort)).toBeCloseTo(heldBy(unitsById(allocate(quantum)), cohort), 6);
          });
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('credits never waste: each quantum alone leaves nobody short beside free resources', () => {
    fc.assert(
      fc.property(
        instances(),
        fc.array(fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 8, maxLength: 8 }), { maxLength: 4 }),
        (instance, table) => {
          const quanta = table.map((row) => ({
            demands: Object.fromEntries(instance.models.map(({ id }, i) => [id, row[i]])),
          }));
          allocateOverTime({ ...instance, cohorts: [], quanta }).forEach((result, t) => {
            const models = instance.models.map((model, i) => ({
              ...model,
              cap: Math.min(model.cap ?? Infinity, table[t][i]),
            }));
            // A pool in one cohort: the same limits, but the check asks for efficiency only, not for fairness in each quantum.
            const capped = {
              ...instance,
              models: models.map((model) => ({ ...model, cohort: 'all' })),
              cohorts: [{ id: 'all' }],
            };
            expect(checkCertificate(capped, result)).toEqual([]);
          });
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

function isBelow(instance: AllocationInstance, id: string, ancestor: string): boolean {
  const parent = instance.cohorts!.find((cohort) => cohort.id === id)?.parent ?? null;
  return parent !== null && (parent === ancestor || isBelow(instance, parent, ancestor));
}

/** Guarantee of the cohorts below, which may be kept back from their parent's members by lending limits. */
function lentByChildren(instance: AllocationInstance, id: string, name: string): number {
  return instance
    .cohorts!.filter((cohort) => isBelow(instance, cohort.id, id))
    .reduce((sum, cohort) => sum + cohort.nominal![name], 0);
}
