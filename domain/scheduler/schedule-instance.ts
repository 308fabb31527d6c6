/** What the task scheduler is given and what it answers, and the indexed form that its kernels compute with. */
import { usageError } from '../types/errors.js';
import { orderDependencies } from './dependency-graph.js';

/** All times in one unit (milliseconds in Balance) on one clock. */
export interface ScheduleTask {
  readonly id: string;
  readonly duration: number;
  /** Resources held from start to end. */
  readonly demand?: Readonly<Record<string, number>>;
  /** Ids that must end before it starts. */
  readonly after?: readonly string[];
  /** Names held from start to end: alone (exclusive) or together with other shared holders. */
  readonly locks?: readonly { readonly on: string; readonly mode: 'exclusive' | 'shared' }[];
  /** Half-open intervals [from, to) of which one must contain it whole. Absent: any time. */
  readonly windows?: readonly (readonly [number, number])[];
  /** Not before this time. Absent: 0. */
  readonly release?: number;
  /** Must end by this time, or it is not scheduled. */
  readonly deadline?: number | null;
  /** Higher is placed first among those that are free. When any task has one, that order stands: no makespan is searched for. */
  readonly priority?: number;
}
export interface ScheduleInstance {
  readonly capacity: Readonly<Record<string, number>>;
  readonly tasks: readonly ScheduleTask[];
}

/** Why a task does not start as soon as its release, windows and dependencies allow, or not at all. */
export interface ScheduleReason {
  /** A resource, `lock:NAME`, `dependency`, `window` or `deadline`. */
  readonly binding: string;
  /** Tasks that hold what is short; for a dependency: what it waits for. */
  readonly blockers: readonly string[];
  /** By binding name, what must be granted for it to start at `wanted`: amounts of resources, or time. */
  readonly shortfall: Readonly<Record<string, number>>;
  /** When it would start if nothing were short; null when no time is right. */
  readonly wanted: number | null;
  /** Earliest start beside everything that is scheduled, its deadline left aside; null for never. */
  readonly earliestFeasible: number | null;
}
export interface ScheduledTask {
  readonly id: string;
  readonly start: number;
  readonly end: number;
  readonly waitsFor: ScheduleReason | null;
}
export interface Schedule {
  /** By start, then id. */
  readonly tasks: readonly ScheduledTask[];
  readonly unscheduled: readonly { readonly id: string; readonly reason: ScheduleReason }[];
  /** Latest end; 0 for no tasks. */
  readonly makespan: number;
  /** No schedule of the scheduled tasks is shorter. */
  readonly lowerBound: number;
  /** True when the search proved that no schedule leaves fewer tasks out, or as few with a smaller makespan. */
  readonly optimal: boolean;
}

/** Tasks in topological order; locks are resources after the declared ones: shared takes 1, exclusive all. */
export interface ScheduleProblem {
  readonly ids: readonly string[];
  readonly resourceNames: readonly string[];
  readonly capacity: Float64Array;
  readonly duration: Float64Array;
  readonly release: Float64Array;
  readonly deadline: Float64Array;
  readonly windows: readonly (readonly (readonly [number, number])[])[];
  /** demand[task * resources + resource] */
  readonly demand: Float64Array;
  readonly before: readonly (readonly number[])[];
  readonly next: readonly (readonly number[])[];
  /** Longest chain of durations from the start of a task to the end of everything after it. */
  readonly tail: Float64Array;
  /** Null when no task has one; 0 for those without. */
  readonly priority: Float64Array | null;
}

/** @throws BalanceError `InvalidSchedule` or `DependencyCycle` (members named, in order). */
export function compileSchedule({ capacity, tasks }: ScheduleInstance): ScheduleProblem {
  assertTasks(capacity, tasks);
  const order = orderDependencies(tasks.map(({ id, after }) => ({ id, after: after ?? [] })));
  if (order.kind === 'cycle') {
    throw usageError({
      type: 'DependencyCycle',
      message: `tasks depend on each other in a cycle: ${[...order.cycle, order.cycle[0]].join(' -> ')}`,
      expected: 'dependencies without a cycle',
      got: order.cycle.join(', '),
    });
  }
  if (order.kind === 'unknown-dependency')
    throw invalid(
      `task ${order.id} comes after ${order.missing}, which does not exist`,
      'the id of another task',
      order.missing,
    );
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const sorted = order.order.map((id) => byId.get(id)!);
  const index = new Map(order.order.map((id, i) => [id, i]));
  const declared = Object.keys(capacity).sort();
  const locks = [...new Set(tasks.flatMap((task) => (task.locks ?? []).map(({ on }) => on)))].sort();
  const names = [...declared, ...locks.map((on) => `lock:${on}`)];
  const demand = new Float64Array(sorted.length * names.length);
  for (const [i, task] of sorted.entries()) {
    for (const [r, name] of declared.entries()) demand[i * names.length + r] = task.demand?.[name] ?? 0;
    for (const { on, mode } of task.locks ?? []) {
      const at = i * names.length + declared.length + locks.indexOf(on);
      demand[at] = Math.max(demand[at], mode === 'exclusive' ? sorted.length : 1);
    }
  }
  const before = sorted.map((task) => [...new Set(task.after ?? [])].map((id) => index.get(id)!));
  const next: number[][] = sorted.map(() => []);
  for (const [i, needs] of before.entries()) for (const need of needs) next[need].push(i);
  const duration = Float64Array.from(sorted, (task) => task.duration);
  const tail = new Float64Array(sorted.length);
  for (let i = sorted.length - 1; i >= 0; i--)
    tail[i] = duration[i] + next[i].reduce((longest, j) => Math.max(longest, tail[j]), 0);
  return {
    ids: order.order,
    resourceNames: names,
    capacity: Float64Array.from(names, (name, r) => (r < declared.length ? capacity[name] : sorted.length)),
    duration,
    release: Float64Array.from(sorted, (task) => task.release ?? 0),
    deadline: Float64Array.from(sorted, (task) => task.deadline ?? Infinity),
    windows: sorted.map((task) =>
      task.windows === undefined
        ? [[-Infinity, Infinity] as const]
        : [...task.windows].sort((a, b) => a[0] - b[0] || a[1] - b[1]),
    ),
    demand,
    before,
    next,
    tail,
    priority: sorted.some((task) => task.priority !== undefined)
      ? Float64Array.from(sorted, (task) => task.priority ?? 0)
      : null,
  };
}

function invalid(message: string, expected: string, got: string) {
  return usageError({ type: 'InvalidSchedule', message, expected, got });
}

function assertTasks(capacity: Readonly<Record<string, number>>, tasks: readonly ScheduleTask[]): void {
  const isAmount = (value: number) => value >= 0 && value < Infinity;
  for (const [name, value] of Object.entries(capacity))
    if (!isAmount(value))
      throw invalid(`capacity of ${name} is not an amount`, 'a finite number, zero or more', String(value));
  const seen = new Set<string>();
  for (const task of tasks) {
    if (seen.has(task.id)) throw invalid(`two tasks have the id ${task.id}`, 'each task once', task.id);
    seen.add(task.id);
    for (const [name, value] of Object.entries({ duration: task.duration, release: task.release ?? 0 })) {
      if (!isAmount(value))
        throw invalid(
          `task ${task.id}: ${name} is not an amount of time`,
          'a finite number, zero or more',
          String(value),
        );
    }
    if (Number.isNaN(task.deadline ?? 0))
      throw invalid(`task ${task.id}: deadline is not a time`, 'a number or null', 'NaN');
    for (const [name, value] of Object.entries(task.demand ?? {})) {
      if (!Object.hasOwn(capacity, name))
        throw invalid(
          `task ${task.id} demands the unknown resource ${name}`,
          `one of: ${Object.keys(capacity).sort().join(', ')}`,
          name,
        );
      if (!isAmount(value))
        throw invalid(
          `task ${task.id}: demand of ${name} is not an amount`,
          'a finite number, zero or more',
          String(value),
        );
    }
    for (const [from, to] of task.windows ?? [])
      if (!(from < to)) throw invalid(`task ${task.id}: a window is empty`, 'from < to', `[${from}, ${to})`);
  }
}
