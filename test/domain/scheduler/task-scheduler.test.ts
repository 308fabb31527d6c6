import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Schedule, ScheduleInstance, ScheduleTask } from '../../../domain/scheduler/schedule-instance.js';
import { scheduleTasks } from '../../../domain/scheduler/task-scheduler.js';
import { makespanByMilp } from './linear-oracle.js';

/** Everything wrong with a schedule, checked from its definition alone: at every instant at which a task starts. */
function violations({ capacity, tasks }: ScheduleInstance, schedule: Pick<Schedule, 'tasks'>): string[] {
  const found: string[] = [];
  const placed = new Map(schedule.tasks.map((entry) => [entry.id, entry]));
  const byId = new Map(tasks.map((task) => [task.id, task]));
  for (const { id, start, end } of schedule.tasks) {
    const task = byId.get(id)!;
    if (Math.abs(end - start - task.duration) > 1e-9) found.push(`${id}: wrong length`);
    if (start < (task.release ?? 0)) found.push(`${id}: before its release`);
    if (end > (task.deadline ?? Infinity)) found.push(`${id}: after its deadline`);
    if (task.windows !== undefined && !task.windows.some(([open, close]) => open <= start && end <= close))
      found.push(`${id}: outside its windows`);
    for (const need of task.after ?? []) if (!(placed.get(need)!.end <= start)) found.push(`${id}: before ${need}`);
    const now = schedule.tasks
      .filter((other) => other.start <= start && start < other.end)
      .map((other) => byId.get(other.id)!);
    for (const [name, limit] of Object.entries(capacity)) {
      if (now.reduce((sum, other) => sum + (other.demand?.[name] ?? 0), 0) > limit * (1 + 1e-9))
        found.push(`${id}: too much ${name}`);
    }
    for (const a of now)
      for (const b of now)
        for (const { on, mode } of a.locks ?? []) {
          if (a !== b && mode === 'exclusive' && (b.locks ?? []).some((lock) => lock.on === on))
            found.push(`${a.id} and ${b.id} share ${on}`);
        }
  }
  return found;
}

interface Shape {
  readonly count: number;
  readonly plain?: boolean;
}
/** Tasks with integer durations; unless `plain` also releases, windows, deadlines and locks. */
function instances({ count, plain = false }: Shape): fc.Arbitrary<ScheduleInstance> {
  const task = fc.record({
    duration: fc.integer({ min: plain ? 1 : 0, max: 4 }),
    cpu: fc.integer({ min: 0, max: 3 }),
    io: fc.integer({ min: 0, max: plain ? 2 : 3 }),
    after: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }),
    lock: fc.constantFrom(undefined, 'exclusive', 'shared', undefined, undefined),
    release: fc.integer({ min: 0, max: 3 }),
    window: fc.option(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 6 })), { freq: 3 }),
    deadline: fc.option(fc.integer({ min: 2, max: 14 }), { freq: 3 }),
  });
  return fc.array(task, { minLength: 1, maxLength: count }).map((list) => ({
    capacity: { cpu: 3, io: 2 },
    tasks: list.map(({ duration, cpu, io, after, lock, release, window, deadline }, i): ScheduleTask => ({
      id: `t${String(i).padStart(2, '0')}`,
      duration,
      demand: { cpu, io },
      after: after.filter((back) => back <= i).map((back) => `t${String(i - back).padStart(2, '0')}`),
      ...(plain
        ? {}
        : {
            release,
            deadline,
            locks: lock === undefined ? [] : [{ on: 'orders', mode: lock }],
          }),
      ...(plain || window === null
        ? {}
        : {
            windows: [
              [window[0], window[0] + window[1]],
              [20, 30],
            ],
          }),
    })),
  }));
}
const start = (schedule: Schedule, id: string) => schedule.tasks.find((entry) => entry.id === id)?.start;

describe('scheduleTasks', () => {
  it('runs tasks side by side as far as the capacity goes, and says what the others wait for', () => {
    const tasks = ['a', 'b', 'c'].map((id) => ({ id, duration: 2, demand: { cpu: 2 } }));
    const schedule = scheduleTasks({ capacity: { cpu: 4 }, tasks });
    expect(schedule).toEqual({
      tasks: [
        { id: 'a', start: 0, end: 2, waitsFor: null },
        { id: 'b', start: 0, end: 2, waitsFor: null },
        {
          id: 'c',
          start: 2,
          end: 4,
          waitsFor: { binding: 'cpu', blockers: ['a', 'b'], shortfall: { cpu: 2 }, wanted: 0, earliestFeasible: 2 },
        },
      ],
      unscheduled: [],
      makespan: 4,
      lowerBound: 3,
      optimal: true,
    });
  });

  it.each<[string, ScheduleInstance, Record<string, number | undefined>]>([
    ['nothing', { capacity: {}, tasks: [] }, {}],
    [
      'a chain',
      {
        capacity: {},
        tasks: [
          { id: 'b', duration: 1, after: ['a'] },
          { id: 'a', duration: 3 },
        ],
      },
      { a: 0, b: 3 },
    ],
    [
      'an exclusive lock',
      {
        capacity: {},
        tasks: [
          { id: 'a', duration: 2, locks: [{ on: 'x', mode: 'exclusive' }] },
          { id: 'b', duration: 1, locks: [{ on: 'x', mode: 'shared' }] },
        ],
      },
      { a: 0, b: 2 },
    ],
    [
      'shared locks',
      {
        capacity: {},
        tasks: ['a', 'b'].map((id) => ({ id, duration: 2, locks: [{ on: 'x', mode: 'shared' as const }] })),
      },
      { a: 0, b: 0 },
    ],
    [
      'the first window that is long enough',
      {
        capacity: {},
        tasks: [
          {
            id: 'a',
            duration: 3,
            windows: [
              [5, 9],
              [0, 2],
            ],
          },
        ],
      },
      { a: 5 },
    ],
    [
      'a task of no length',
      {
        capacity: { cpu: 1 },
        tasks: [
          { id: 'a', duration: 0, demand: { cpu: 1 } },
          { id: 'b', duration: 1, demand: { cpu: 1 } },
        ],
      },
      { a: 0, b: 0 },
    ],
    [
      'the one that fits its deadline rather than none',
      {
        capacity: { cpu: 1 },
        tasks: [
          { id: 'a', duration: 5, demand: { cpu: 1 } },
          { id: 'b', duration: 1, demand: { cpu: 1 }, deadline: 1 },
        ],
      },
      { a: 1, b: 0 },
    ],
  ])('%s', (_name, instance, expected) => {
    const schedule = scheduleTasks(instance);
    for (const [id, time] of Object.entries(expected)) expect(start(schedule, id)).toBe(time);
    expect(schedule.unscheduled).toEqual([]);
  });

  it.each<[string, ScheduleInstance, Record<string, unknown>]>([
    [
      'more than the capacity',
      { capacity: { cpu: 2 }, tasks: [{ id: 'a', duration: 1, demand: { cpu: 3 } }] },
      { binding: 'cpu', blockers: [], shortfall: { cpu: 1 }, earliestFeasible: null },
    ],
    [
      'a window too short',
      { capacity: {}, tasks: [{ id: 'a', duration: 3, windows: [[0, 2]] }] },
      { binding: 'window', shortfall: { window: 1 }, earliestFeasible: null },
    ],
    [
      'a deadline too early',
      { capacity: {}, tasks: [{ id: 'a', duration: 3, deadline: 2 }] },
      { binding: 'deadline', shortfall: { deadline: 1 }, earliestFeasible: 0 },
    ],
    [
      'a dependency left out',
      {
        capacity: {},
        tasks: [
          { id: 'a', duration: 1, after: ['b'] },
          { id: 'b', duration: 3, deadline: 2 },
        ],
      },
      { binding: 'dependency', blockers: ['b'] },
    ],
    [
      'a rival under a deadline',
      {
        capacity: { cpu: 1 },
        tasks: [
          { id: 'a', duration: 2, demand: { cpu: 1 }, deadline: 2 },
          { id: 'b', duration: 2, demand: { cpu: 1 }, deadline: 2 },
        ],
      },
      { binding: 'cpu', blockers: [expect.any(String)], shortfall: { cpu: 1 }, earliestFeasible: 2 },
    ],
  ])('leaves out what cannot be: %s', (_name, instance, reason) => {
    expect(scheduleTasks(instance).unscheduled[0].reason).toMatchObject(reason);
  });

  it.each<[string, ScheduleInstance, RegExp]>([
    [
      'a cycle, with its members',
      {
        capacity: {},
        tasks: [
          { id: 'a', duration: 1, after: ['b'] },
          { id: 'b', duration: 1, after: ['a'] },
        ],
      },
      /a -> b -> a/,
    ],
    ['an unknown dependency', { capacity: {}, tasks: [{ id: 'a', duration: 1, after: ['z'] }] }, /a comes after z/],
    [
      'an unknown resource',
      { capacity: {}, tasks: [{ id: 'a', duration: 1, demand: { gpu: 1 } }] },
      /unknown resource gpu/,
    ],
    ['a duration of NaN', { capacity: {}, tasks: [{ id: 'a', duration: NaN }] }, /duration is not an amount/],
    ['an empty window', { capacity: {}, tasks: [{ id: 'a', duration: 1, windows: [[3, 3]] }] }, /window is empty/],
    [
      'two tasks with one id',
      {
        capacity: {},
        tasks: [
          { id: 'a', duration: 1 },
          { id: 'a', duration: 1 },
        ],
      },
      /two tasks have the id a/,
    ],
  ])('refuses %s', (_name, instance, message) => {
    expect(() => scheduleTasks(instance)).toThrow(message);
  });
});

describe('laws of schedules', () => {
  it('every schedule is valid, complete, above its bound and independent of the order of the input', () => {
    fc.assert(
      fc.property(fc.oneof(instances({ count: 8 }), instances({ count: 30 })), (instance) => {
        const schedule = scheduleTasks(instance);
        expect(violations(instance, schedule)).toEqual([]);
        expect(schedule.tasks.length + schedule.unscheduled.length).toBe(instance.tasks.length);
        expect(schedule.makespan).toBeGreaterThanOrEqual(schedule.lowerBound - 1e-9);
        expect(scheduleTasks({ ...instance, tasks: [...instance.tasks].reverse() })).toEqual(schedule);
      }),
      { numRuns: 150 },
    );
  });

  it('up to 10 jobs the makespan equals the mixed-integer optimum', () => {
    fc.assert(
      fc.property(instances({ count: 10, plain: true }), (instance) => {
        const fitting = { ...instance, tasks: instance.tasks.filter((task) => task.demand!.io <= 2) };
        const schedule = scheduleTasks(fitting);
        expect(schedule.optimal).toBe(true);
        expect(schedule.makespan).toBe(makespanByMilp(fitting, schedule.makespan));
      }),
      { numRuns: 25 },
    );
  });

  it('grant exactly the shortfall and a waiting task fits at once; anything less and it does not', () => {
    fc.assert(
      fc.property(instances({ count: 8 }), (instance) => {
        const schedule = scheduleTasks(instance);
        for (const [task, reason] of waiting(instance, schedule)) {
          const granted = (part: number) =>
            Object.fromEntries(
              Object.entries(instance.capacity).map(([name, amount]) => [
                name,
                amount + (reason.shortfall[name] ?? 0) * part,
              ]),
            );
          const moved = moveTo(schedule, task, reason.wanted!);
          expect(violations({ ...instance, capacity: granted(1) }, moved)).toEqual([]);
          expect(violations({ ...instance, capacity: granted(0.99) }, moved)).not.toEqual([]);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('remove one task that is not named as a blocker and the waiting task still does not fit', () => {
    fc.assert(
      fc.property(instances({ count: 8 }), (instance) => {
        const schedule = scheduleTasks(instance);
        for (const [task, reason] of waiting(instance, schedule)) {
          for (const other of instance.tasks) {
            if (other.id === task.id || reason.blockers.includes(other.id)) continue;
            const tasks = instance.tasks.filter((entry) => entry !== other).map((entry) => ({ ...entry, after: [] }));
            const moved = moveTo(
              { tasks: schedule.tasks.filter((entry) => entry.id !== other.id) },
              task,
              reason.wanted!,
            );
            expect(violations({ ...instance, tasks }, moved)).not.toEqual([]);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** Tasks whose reason is a declared resource alone. */
function waiting(instance: ScheduleInstance, schedule: Schedule) {
  const entries = [...schedule.tasks.map(({ id, waitsFor }) => ({ id, reason: waitsFor })), ...schedule.unscheduled];
  return entries.flatMap(({ id, reason }) =>
    reason !== null &&
    Object.keys(reason.shortfall).every((name) => name in instance.capacity) &&
    Object.keys(reason.shortfall).length > 0
      ? [[instance.tasks.find((task) => task.id === id)!, reason] as const]
      : [],
  );
}

/** The schedule with one task at another start; what comes after it is dropped, for it would have to move too. */
function moveTo({ tasks }: Pick<Schedule, 'tasks'>, task: ScheduleTask, time: number): Pick<Schedule, 'tasks'> {
  return {
    tasks: [
      ...tasks.filter(({ id }) => id !== task.id),
      { id: task.id, start: time, end: time + task.duration, waitsFor: null },
    ],
  };
}
