import { describe, expect, it } from 'vitest';
import { allocate, jainIndex, type AllocationInstance } from '../../../domain/scheduler/resource-allocator.js';

const one = (
  capacity: number,
  models: AllocationInstance['models'],
  rest: Partial<AllocationInstance> = {},
): AllocationInstance => ({
  resources: { cpu: capacity },
  models: models.map((model) => ({ demand: { cpu: 1 }, ...model })),
  ...rest,
});

describe('reasons', () => {
  it.each([
    [
      'names holders and the shortfall',
      one(10, [{ id: 'a', cap: 8 }, { id: 'b' }]),
      'a',
      'cpu',
      'Gets 5 of 8 units: cpu (10) is used up (short by 3), held by b 5; more cpu, a larger weight or less use by others would help.',
    ],
    ['says that all is served', one(10, [{ id: 'a', cap: 8 }]), 'a', 'cap', 'Has all 8 units that it asked for.'],
    [
      'says what one more gang needs',
      one(10, [
        { id: 'g', gang: 4 },
        { id: 'b', gang: 6 },
      ]),
      'g',
      'cpu',
      'Gets 4 units: cpu (10) has 0 free and one more gang of 4 needs 4 (short by 4), held by b 6; more cpu, a larger weight or less use by others would help.',
    ],
    [
      'says that a cap is below the gang',
      one(10, [{ id: 'g', gang: 4, cap: 3 }]),
      'g',
      'cap',
      'Has 0 of its cap of 3: units come in gangs of 4, and the next would exceed the cap; a cap of 4 would help.',
    ],
    [
      'says that a resource is missing',
      one(0, [{ id: 'a' }]),
      'a',
      'cpu',
      'Gets 0 units: there is no cpu (0), and it cannot run without.',
    ],
    [
      'says that nothing is demanded',
      one(1, [{ id: 'a', demand: {} }]),
      'a',
      'demand',
      'Demands no resource and has no cap, so it needs 0 units.',
    ],
    [
      'says what is given back',
      one(4, [{ id: 'a', running: 4 }, { id: 'b' }]),
      'a',
      'cpu',
      'Gets 2 units: cpu (4) is used up, held by b 2; more cpu, a larger weight or less use by others would help. Gives back 2 of 4 running units, which are owed to others.',
    ],
    [
      'names the cohort and its limit',
      one(9, [{ id: 'a', cohort: 'x' }], { cohorts: [{ id: 'x', nominal: { cpu: 2 }, borrowingLimit: { cpu: 1 } }] }),
      'a',
      'cpu',
      'Gets 3 units: cpu of cohort x (3) is used up, none of it held by others; more cpu, a larger weight or less use by others would help.',
    ],
    [
      'names what lending limits keep back',
      one(9, [{ id: 'a' }], { cohorts: [{ id: 'x', nominal: { cpu: 5 }, lendingLimit: { cpu: 1 } }] }),
      'a',
      'cpu',
      'Gets 5 units: cpu (9) is used up, none of it held by others, 4 kept back by lending limits; more cpu, a larger weight or less use by others would help.',
    ],
  ])('%s', (_name, instance, id, binding, reason) => {
    const allocation = allocate(instance).allocations.find((entry) => entry.id === id)!;
    expect(allocation).toMatchObject({ binding, reason });
  });
});

describe('misuse', () => {
  const model = { id: 'a', demand: { cpu: 1 } };
  it.each([
    [
      'an unknown resource',
      one(1, [{ id: 'a', demand: { gpu: 1 } }]),
      /model "a": demand names the unknown resource "gpu"/,
    ],
    ['a negative demand', one(1, [{ id: 'a', demand: { cpu: -1 } }]), /demand: cpu is not an amount/],
    ['a demand of NaN', one(1, [{ id: 'a', demand: { cpu: NaN } }]), /demand: cpu is not an amount/],
    ['a negative weight', one(1, [{ ...model, weight: -1 }]), /weight is not an amount/],
    ['an infinite cap', one(1, [{ ...model, cap: Infinity }]), /cap is not an amount/],
    ['a fractional gang', one(1, [{ ...model, gang: 1.5 }]), /gang is not a whole number/],
    ['a duplicate id', one(1, [model, model]), /two models have the id "a"/],
    ['a duplicate cohort', one(1, [], { cohorts: [{ id: 'x' }, { id: 'x' }] }), /two cohorts have the id "x"/],
    ['an unknown cohort', one(1, [{ ...model, cohort: 'x' }]), /unknown cohort "x"/],
    [
      'an unknown parent',
      one(1, [], { cohorts: [{ id: 'x', parent: 'y' }] }),
      /cohort "x" belongs to the unknown cohort "y"/,
    ],
    [
      'a cycle of cohorts, named',
      one(1, [], { cohorts: [{ id: 'r' }, { id: 'x', parent: 'y' }, { id: 'y', parent: 'x' }] }),
      /x -> y -> x/,
    ],
    [
      'guarantees over the capacity',
      one(3, [], {
        cohorts: [
          { id: 'x', nominal: { cpu: 2 } },
          { id: 'y', nominal: { cpu: 2 } },
        ],
      }),
      /add up to more than its capacity/,
    ],
    [
      'an unknown resource in a quota',
      one(3, [], { cohorts: [{ id: 'x', nominal: { gpu: 2 } }] }),
      /cohort "x": nominal names the unknown resource "gpu"/,
    ],
    ['a negative capacity', one(-1, []), /resources: cpu is not an amount/],
    [
      'an unknown model in a quantum',
      one(1, [model], { quanta: [{ demands: { b: 1 } }] }),
      /quanta\[0\] names the unknown model "b"/,
    ],
  ])('refuses %s', (_name, instance, message) => {
    expect(() => allocate(instance)).toThrow(message);
  });

  it('jain of nobody and of equals is 1, of one holder among n is 1/n', () => {
    expect(jainIndex([])).toBe(1);
    expect(jainIndex([0, 0])).toBe(1);
    expect(jainIndex([2, 2, 2])).toBeCloseTo(1, 12);
    expect(jainIndex([5, 0, 0, 0])).toBeCloseTo(0.25, 12);
  });
});
