import { describe, expect, it } from 'vitest';
import { checkCertificate } from '../../../domain/scheduler/allocation-certificate.js';
import { compileAllocation } from '../../../domain/scheduler/allocation-problem.js';
import { startFilling } from '../../../domain/scheduler/progressive-filling.js';
import { allocate, allocateOverTime, type AllocationInstance } from '../../../domain/scheduler/resource-allocator.js';
import { pickSteps, shareValue } from '../../../domain/scheduler/whole-units.js';
import { unitsById } from './allocation-arbitrary.js';

const drfPaper: AllocationInstance = {
  resources: { cpu: 9, mem: 18 },
  models: [
    { id: 'A', demand: { cpu: 1, mem: 4 } },
    { id: 'B', demand: { cpu: 3, mem: 1 } },
  ],
};
const one = (
  capacity: number,
  models: AllocationInstance['models'],
  rest: Partial<AllocationInstance> = {},
): AllocationInstance => ({
  resources: { cpu: capacity },
  models: models.map((model) => ({ demand: { cpu: 1 }, ...model })),
  ...rest,
});

describe('allocate, flat', () => {
  const cases: [string, AllocationInstance, Record<string, number>][] = [
    ['the DRF paper: 3 and 2 tasks', drfPaper, { A: 3, B: 2 }],
    ['the DRF paper in whole units', { ...drfPaper, divisible: false }, { A: 3, B: 2 }],
    [
      'the DRF paper with weights 1:2',
      { ...drfPaper, models: drfPaper.models.map((model) => ({ ...model, weight: model.id === 'B' ? 2 : 1 })) },
      { A: 1.8, B: 2.4 },
    ],
    [
      'max-min of 2, 2.6, 4, 5 out of 10',
      one(
        10,
        [2, 2.6, 4, 5].map((cap, i) => ({ id: `d${i}`, cap })),
      ),
      { d0: 2, d1: 2.6, d2: 2.7, d3: 2.7 },
    ],
    ['one model takes all', one(5, [{ id: 'a' }]), { a: 5 }],
    ['no models', one(5, []), {}],
    ['a capacity of 0 runs nothing', one(0, [{ id: 'a' }, { id: 'b', cap: 3 }]), { a: 0, b: 0 }],
    [
      'a capacity of 0 stops only its users',
      {
        resources: { cpu: 4, gpu: 0 },
        models: [
          { id: 'a', demand: { gpu: 1, cpu: 1 } },
          { id: 'b', demand: { cpu: 1 } },
        ],
      },
      { a: 0, b: 4 },
    ],
    ['no demand with a cap is fully served', one(1, [{ id: 'a', demand: {}, cap: 7 }, { id: 'b' }]), { a: 7, b: 1 }],
    ['no demand without a cap needs nothing', one(1, [{ id: 'a', demand: { cpu: 0 } }, { id: 'b' }]), { a: 0, b: 1 }],
    [
      'a cap of 0 leaves its share to others',
      one(6, [{ id: 'a', cap: 0 }, { id: 'b' }, { id: 'c' }]),
      { a: 0, b: 3, c: 3 },
    ],
    [
      'weight 0 waits behind weight',
      one(6, [
        { id: 'a', weight: 0 },
        { id: 'b', cap: 4 },
      ]),
      { a: 2, b: 4 },
    ],
    [
      'weights 0 share what is left evenly',
      one(6, [
        { id: 'a', weight: 0 },
        { id: 'b', weight: 0 },
        { id: 'c', cap: 2 },
      ]),
      { a: 2, b: 2, c: 2 },
    ],
    [
      'three tenths fit three times into 0.9',
      one(0.9, [{ id: 'a', demand: { cpu: 0.3 } }], { divisible: false }),
      { a: 3 },
    ],
    ['a gang that fits its share and more', one(10, [{ id: 'g', gang: 4 }, { id: 'b' }]), { g: 4, b: 6 }],
    ['a gang larger than what is left gets nothing', one(10, [{ id: 'g', gang: 11 }, { id: 'b' }]), { g: 0, b: 10 }],
    [
      'a cap below the gang gets nothing',
      one(10, [
        { id: 'g', gang: 4, cap: 3 },
        { id: 'b', cap: 5 },
      ]),
      { g: 0, b: 5 },
    ],
    [
      'two gangs of 6 in 10: one runs',
      one(10, [
        { id: 'g', gang: 6 },
        { id: 'h', gang: 6 },
      ]),
      { g: 6, h: 0 },
    ],
    [
      'the running one of two gangs keeps running',
      one(10, [
        { id: 'g', gang: 6 },
        { id: 'h', gang: 6, running: 6 },
      ]),
      { g: 0, h: 6 },
    ],
    [
      'a tie for the last whole unit goes to who runs it',
      one(3, [{ id: 'a' }, { id: 'b', running: 2 }], { divisible: false }),
      { a: 1, b: 2 },
    ],
    [
      'weights over twelve orders of magnitude',
      one(10, [
        { id: 'a', weight: 1e12, cap: 4 },
        { id: 'b', weight: 1 },
        { id: 'c', weight: 2 },
      ]),
      { a: 4, b: 2, c: 4 },
    ],
  ];
  it.each(cases)('%s', (_name, instance, expected) => {
    const result = allocate(instance);
    const units = unitsById(result);
    expect(Object.keys(units)).toEqual(Object.keys(expected).sort());
    for (const [id, value] of Object.entries(expected)) expect(units[id]).toBeCloseTo(value, 9);
    expect(checkCertificate(instance, result)).toEqual([]);
  });

  it('reports dominant shares, utilization and evenness', () => {
    const result = allocate(drfPaper);
    expect(result.allocations.map(({ dominantShare }) => dominantShare)).toEqual([
      expect.closeTo(2 / 3, 12),
      expect.closeTo(2 / 3, 12),
    ]);
    expect(result.utilization).toEqual({ cpu: 1, mem: expect.closeTo(14 / 18, 12) });
    expect(result.jain).toBeCloseTo(1, 12);
  });

  it('picks in the order of the DRF paper: B, A, A, B, A', () => {
    const problem = compileAllocation({ ...drfPaper, divisible: false });
    const picks = pickSteps(problem, startFilling(problem), 0);
    expect(picks.map((i) => problem.modelIds[i]).join('')).toBe('BAABA');
  });
});

describe('allocate, cohorts', () => {
  const tree = (
    cohorts: AllocationInstance['cohorts'],
    models: AllocationInstance['models'],
    rest: Partial<AllocationInstance> = {},
  ) => one(10, models, { cohorts, ...rest });
  const cases: [string, AllocationInstance, Record<string, number>][] = [
    [
      'Kueue KEP-1714: 300 GPUs, equal cohorts, 1:1:3 inside the first',
      one(
        300,
        [
          { id: 'A', cohort: 'C1' },
          { id: 'B', cohort: 'C1' },
          { id: 'C', cohort: 'C1', weight: 3 },
          { id: 'D', cohort: 'C2' },
        ],
        { cohorts: [{ id: 'C1' }, { id: 'C2' }] },
      ),
      { A: 30, B: 30, C: 90, D: 150 },
    ],
    [
      'Kueue 9345: a0 and a1 run, a2, b0 and b1 arrive: 2 and 2',
      one(
        4,
        [
          { id: 'a', cohort: 'A', cap: 3, running: 2 },
          { id: 'b', cohort: 'B', cap: 2 },
        ],
        { divisible: false, cohorts: [{ id: 'A' }, { id: 'B' }] },
      ),
      { a: 2, b: 2 },
    ],
    [
      'a guarantee is reclaimed from who borrowed it',
      tree(
        [{ id: 'x', nominal: { cpu: 6 } }, { id: 'y' }],
        [
          { id: 'a', cohort: 'x', cap: 6 },
          { id: 'b', cohort: 'y', running: 10 },
        ],
      ),
      { a: 6, b: 4 },
    ],
    [
      'an idle guarantee is lent',
      tree([{ id: 'x', nominal: { cpu: 6 } }], [{ id: 'a', cohort: 'x', cap: 1 }, { id: 'b' }]),
      { a: 1, b: 9 },
    ],
    [
      'a lending limit keeps the rest back',
      tree(
        [{ id: 'x', nominal: { cpu: 6 }, lendingLimit: { cpu: 2 } }],
        [{ id: 'a', cohort: 'x', cap: 1 }, { id: 'b' }],
      ),
      { a: 1, b: 6 },
    ],
    [
      'a borrowing limit stops the borrower',
      tree([{ id: 'x', nominal: { cpu: 2 }, borrowingLimit: { cpu: 1 } }], [{ id: 'a', cohort: 'x' }]),
      { a: 3 },
    ],
    [
      'only the borrowed part is shared by weight',
      tree(
        [{ id: 'x', nominal: { cpu: 6 } }, { id: 'y' }],
        [
          { id: 'a', cohort: 'x' },
          { id: 'b', cohort: 'y' },
        ],
      ),
      { a: 8, b: 2 },
    ],
    [
      'a cohort of weight 0 keeps its nominal quota',
      tree(
        [{ id: 'x', weight: 0, nominal: { cpu: 3 } }, { id: 'y' }],
        [
          { id: 'a', cohort: 'x' },
          { id: 'b', cohort: 'y' },
        ],
      ),
      { a: 3, b: 7 },
    ],
    [
      'a model of weight 0 keeps the nominal quota of its cohort',
      tree([{ id: 'x', nominal: { cpu: 3 } }], [{ id: 'a', cohort: 'x', weight: 0, cap: 3 }, { id: 'b' }]),
      { a: 3, b: 7 },
    ],
    [
      'the guarantee of a parent covers its children',
      tree(
        [
          { id: 'p', nominal: { cpu: 8 } },
          { id: 'x', parent: 'p', nominal: { cpu: 5 } },
        ],
        [{ id: 'a', cohort: 'x' }, { id: 'b', cohort: 'p' }, { id: 'c' }],
      ),
      { a: 5 + 1.5 + 0.5, b: 1.5 + 0.5, c: 1 },
    ],
    [
      'a whole-unit guarantee comes before a rival that runs',
      tree(
        [{ id: 'x', nominal: { cpu: 9 } }, { id: 'b' }],
        [
          { id: 'a1', cohort: 'x', demand: { cpu: 3 } },
          { id: 'a2', cohort: 'x', demand: { cpu: 3 } },
          { id: 'b', cohort: 'b', demand: { cpu: 3 }, running: 1 },
        ],
        { divisible: false },
      ),
      { a1: 2, a2: 1, b: 0 },
    ],
  ];
  it.each(cases)('%s', (_name, instance, expected) => {
    const result = allocate(instance);
    const units = unitsById(result);
    for (const [id, value] of Object.entries(expected)) expect(units[id]).toBeCloseTo(value, 9);
    expect(checkCertificate(instance, result)).toEqual([]);
  });

  it.each([
    ['7 used, nominal 5, lendable 10', 7, 5, 10, 1, 0.2],
    ['within the nominal quota', 5, 5, 10, 1, 0],
    ['weight 0 while borrowing', 7, 5, 10, 0, Infinity],
  ])('share value as in Kueue: %s', (_name, used, nominal, lendable, weight, expected) => {
    expect(shareValue([used], [nominal], [lendable], weight)).toBeCloseTo(expected, 12);
  });
});

describe('allocateOverTime', () => {
  const demands = { A: [6, 12, 0, 6, 6], B: [6, 0, 12, 6, 6], C: [0, 0, 0, 18, 12] };
  const quanta = [0, 1, 2, 3, 4].map((t) => ({ demands: { A: demands.A[t], B: demands.B[t], C: demands.C[t] } }));
  const karma = one(18, [{ id: 'A' }, { id: 'B' }, { id: 'C' }], { quanta });
  const total = (results: readonly { allocations: readonly { id: string; units: number }[] }[], id: string) =>
    results.reduce((sum, result) => sum + unitsById(result)[id], 0);

  it.each([true, false])('the Karma repository: totals 24, 24, 24 (divisible %s)', (divisible) => {
    const results = allocateOverTime({ ...karma, divisible });
    expect(results.map((result) => result.allocations.map(({ units }) => units))).toEqual([
      [6, 6, 0],
      [12, 0, 0],
      [0, 12, 0],
      [3, 3, 12],
      [3, 3, 12],
    ]);
  });

  it('max-min in each quantum alone gives 30, 30, 12', () => {
    const results = quanta.map((quantum) =>
      allocate({
        ...karma,
        quanta: undefined,
        models: karma.models.map((model) => ({ ...model, cap: quantum.demands[model.id as 'A'] })),
      }),
    );
    expect(['A', 'B', 'C'].map((id) => total(results, id))).toEqual(
      [30, 30, 12].map((value): unknown => expect.closeTo(value, 9)),
    );
  });

  it('credits at the start decide who borrows first', () => {
    const [first] = allocateOverTime(
      one(12, [{ id: 'a' }, { id: 'b', credits: 100 }], { quanta: [{ demands: { a: 12, b: 12 } }] }),
    );
    expect(unitsById(first)).toEqual({ a: 3, b: 9 });
  });

  it('within a cohort who asked for little comes first later; beside it everybody has what is guaranteed', () => {
    const models = [
      { id: 'a', cohort: 'x' },
      { id: 'b', cohort: 'x' },
      { id: 'c', cohort: 'y' },
    ];
    const cohorts = [
      { id: 'x', nominal: { cpu: 12 } },
      { id: 'y', nominal: { cpu: 6 } },
    ];
    const quanta = [
      { demands: { a: 0, b: 12, c: 6 } },
      { demands: { a: 12, b: 12, c: 6 } },
      { demands: { a: 12, b: 12, c: 18 } },
    ];
    const results = allocateOverTime(one(18, models, { cohorts, quanta })).map(unitsById);
    // b took 9 above its guaranteed 3 (half of its 6), a gave its 3 away: it is served first until that is even.
    expect(results).toEqual([
      { a: 0, b: 12, c: 6 },
      { a: 9, b: 3, c: 6 },
      { a: expect.closeTo(9, 9), b: expect.closeTo(3, 9), c: 6 },
    ]);
  });

  it('gives a model of weight 0 what nobody else asks for, and an unnamed model nothing', () => {
    const [only] = allocateOverTime(
      one(10, [{ id: 'a', weight: 0 }, { id: 'b' }, { id: 'c' }], { quanta: [{ demands: { a: 10, b: 4 } }] }),
    );
    expect(unitsById(only)).toEqual({ a: expect.closeTo(6, 9), b: 4, c: 0 });
  });
});
