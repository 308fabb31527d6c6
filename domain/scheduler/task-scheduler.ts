/**
 * Schedules tasks with precedence, resources, locks, windows and deadlines (the resource-constrained project scheduling
 * problem, Kolisch and Hartmann 1999): as few left out as possible, then the shortest makespan.
 *
 * Up to TASKS_EXACT_MAX tasks: branch and bound over active schedules, which contain an optimal one; above: the serial
 * generation scheme with priority rules, improved by moving tasks in its list. Tasks with declared priorities keep their
 * order instead: the most urgent free task first, each at its earliest fit.
 */
import { Heap } from 'heap-js';
import { compileSchedule, type Schedule, type ScheduleInstance, type ScheduleProblem } from './schedule-instance.js';
import { explainTask } from './schedule-reasons.js';
import { earliestFit, emptyTimeline, occupy, windowStart, type Timeline } from './schedule-timeline.js';

/** Tasks up to which the optimum is sought by branch and bound. */
const TASKS_EXACT_MAX = 12;
/** Nodes of branch and bound after which the best schedule found is given as it is. */
const NODES_MAX = 50_000;
/** Placements spent on local search: bounds its time whatever the number of tasks. */
const PLACEMENTS_MAX = 20_000;

/** Start of each task; Infinity where it is left out. */
interface Plan {
  readonly starts: Float64Array;
  readonly omitted: number;
  readonly makespan: number;
}

/**
 * @returns starts, reasons for all that wait or are left out, makespan and a bound below it. No tasks: an empty schedule.
 * @throws BalanceError for invalid input or a dependency cycle, whose members are named.
 */
export function scheduleTasks(instance: ScheduleInstance): Schedule {
  const problem = compileSchedule(instance);
  if (problem.priority !== null) {
    const plan = serialPlan(problem, byRule(problem, problem.priority));
    return toSchedule(problem, plan, plan.omitted === 0 && plan.makespan <= lowerBound(problem, plan) * (1 + 1e-12));
  }
  const rules = [problem.tail, workOf(problem), problem.deadline.map((deadline) => -deadline)];
  let best = rules.map((rule) => serialPlan(problem, byRule(problem, rule))).reduce((a, b) => (isBetter(b, a) ? b : a));
  let optimal = best.omitted === 0 && best.makespan <= lowerBound(problem, best) * (1 + 1e-12);
  if (!optimal && problem.ids.length <= TASKS_EXACT_MAX) ({ plan: best, optimal } = branchAndBound(problem, best));
  else if (!optimal) best = improve(problem, best);
  return toSchedule(problem, best, optimal);
}

function isBetter(a: Plan, b: Plan): boolean {
  return a.omitted < b.omitted || (a.omitted === b.omitted && a.makespan < b.makespan);
}

/** Ready time of a task from its release and the ends of what it comes after; Infinity when one of those is left out. */
function readyTime(problem: ScheduleProblem, starts: Float64Array, task: number): number {
  return problem.before[task].reduce(
    (ready, need) => Math.max(ready, starts[need] + problem.duration[need]),
    problem.release[task],
  );
}

function planOf(problem: ScheduleProblem, starts: Float64Array): Plan {
  let makespan = 0;
  let omitted = 0;
  for (let i = 0; i < starts.length; i++) {
    if (starts[i] === Infinity) omitted++;
    else makespan = Math.max(makespan, starts[i] + problem.duration[i]);
  }
  return { starts, omitted, makespan };
}

/** Each task of the list (predecessors first) at its earliest fit; left out when that is after its deadline. */
function serialPlan(problem: ScheduleProblem, list: readonly number[]): Plan {
  const starts = new Float64Array(list.length).fill(Infinity);
  const timeline = emptyTimeline(problem);
  for (const task of list) place(problem, timeline, starts, task);
  return planOf(problem, starts);
}

function place(problem: ScheduleProblem, timeline: Timeline, starts: Float64Array, task: number): void {
  const start = earliestFit(problem, timeline, task, readyTime(problem, starts, task));
  if (start + problem.duration[task] > problem.deadline[task] || start === Infinity) return;
  starts[task] = start;
  occupy(problem, timeline, task, start, 1);
}

/** A list in which every task follows its predecessors, the largest value of the rule first among the free ones. */
function byRule(problem: ScheduleProblem, rule: Float64Array): number[] {
  const needs = problem.before.map((before) => before.length);
  const free = new Heap<number>((a, b) => (rule[a] === rule[b] ? 0 : rule[b] - rule[a]) || a - b);
  free.init(problem.ids.flatMap((_, i) => (needs[i] === 0 ? [i] : [])));
  const list: number[] = [];
  for (let task = free.pop(); task !== undefined; task = free.pop()) {
    list.push(task);
    for (const next of problem.next[task]) if (--needs[next] === 0) free.push(next);
  }
  return list;
}

/** Duration x the largest fraction of a capacity that it takes. */
function workOf(problem: ScheduleProblem): Float64Array {
  const width = problem.capacity.length;
  return problem.duration.map((duration, i) => {
    let fraction = 0;
    for (let r = 0; r < width; r++)
      if (problem.demand[i * width + r] > 0)
        fraction = Math.max(fraction, problem.demand[i * width + r] / problem.capacity[r]);
    return duration * fraction;
  });
}

/**
 * Lower bound on the makespan of the tasks of a plan: the longest chain with releases and windows (critical path), and
 * for each resource its area, sum of duration x demand over capacity, after the first release (McNaughton 1959 with
 * equal machines as the resource).
 */
function lowerBound(problem: ScheduleProblem, plan: Plan): number {
  const width = problem.capacity.length;
  const earliest = new Float64Array(plan.starts.length).fill(Infinity);
  const area = new Float64Array(width);
  let firstStart = Infinity;
  let bound = 0;
  for (let i = 0; i < plan.starts.length; i++) {
    if (plan.starts[i] === Infinity) continue;
    earliest[i] = windowStart(problem, i, readyTime(problem, earliest, i));
    firstStart = Math.min(firstStart, earliest[i]);
    bound = Math.max(bound, earliest[i] + problem.duration[i]);
    for (let r = 0; r < width; r++) area[r] += problem.duration[i] * problem.demand[i * width + r];
  }
  for (let r = 0; r < width; r++) if (area[r] > 0) bound = Math.max(bound, firstStart + area[r] / problem.capacity[r]);
  return bound;
}

/** A search over active schedules; see `branchAndBound`. */
interface Search {
  readonly problem: ScheduleProblem;
  readonly timeline: Timeline;
  readonly starts: Float64Array;
  best: Plan;
  nodes: number;
}

/**
 * All active schedules in order of (start, task), each generated once, cut where neither fewer tasks left out nor a
 * smaller makespan is possible any more.
 */
function branchAndBound(problem: ScheduleProblem, found: Plan): { plan: Plan; optimal: boolean } {
  const starts = new Float64Array(problem.ids.length).fill(Infinity);
  const search: Search = { problem, timeline: emptyTimeline(problem), starts, best: found, nodes: 0 };
  descend(search, -Infinity, -1, 0);
  return { plan: search.best, optimal: search.nodes <= NODES_MAX };
}

function descend(search: Search, lastStart: number, lastTask: number, makespan: number): void {
  const { problem, timeline, starts } = search;
  if (++search.nodes > NODES_MAX) return;
  const { fits, omitted, bound } = choices(search, lastStart, makespan);
  if (omitted > search.best.omitted || (omitted === search.best.omitted && bound >= search.best.makespan)) return;
  if (fits.length === 0) search.best = planOf(problem, Float64Array.from(starts));
  // A task that would be over by the last start belongs before it: another branch has it there.
  const isOver = (task: number, start: number) =>
    start + problem.duration[task] <= lastStart && (start < lastStart || task < lastTask);
  if (fits.some(({ task, start }) => isOver(task, start))) return;
  fits.sort((a, b) => a.start - b.start || problem.tail[b.task] - problem.tail[a.task] || a.task - b.task);
  for (const { task, start } of fits) {
    // One that begins before the last start may still be pushed behind it by a later choice, but is not chosen here.
    if (start < lastStart || (start === lastStart && task < lastTask)) continue;
    starts[task] = start;
    occupy(problem, timeline, task, start, 1);
    descend(search, start, task, Math.max(makespan, start + problem.duration[task]));
    occupy(problem, timeline, task, start, -1);
    starts[task] = Infinity;
  }
}

/** The tasks that could be placed now, how many never can any more, and a bound on the makespan of all others. */
function choices(
  { problem, timeline, starts, best }: Search,
  lastStart: number,
  makespan: number,
): { fits: { task: number; start: number }[]; omitted: number; bound: number } {
  const fits: { task: number; start: number }[] = [];
  const lost = new Uint8Array(starts.length);
  let omitted = 0;
  let bound = makespan;
  // Topological order: what a task comes after is known to be lost before the task is looked at.
  for (let task = 0; task < starts.length; task++) {
    if (starts[task] < Infinity) continue;
    const ready = readyTime(problem, starts, task);
    const start = ready === Infinity ? Infinity : earliestFit(problem, timeline, task, ready);
    const isLate = ready < Infinity && !(start < Infinity && start + problem.duration[task] <= problem.deadline[task]);
    if (isLate || problem.before[task].some((need) => lost[need] === 1)) {
      lost[task] = 1;
      omitted++;
    } else if (start < Infinity) {
      fits.push({ task, start });
      // Everything still open starts at the last start or later. What comes after it counts while nothing may be left out.
      bound = Math.max(bound, Math.max(start, lastStart) + (best.omitted === 0 ? problem.tail[task] : 0));
    }
  }
  return { fits, omitted, bound };
}

/** Moves one task at a time to another place in the list, between what it needs and what needs it; keeps what is no worse. */
function improve(problem: ScheduleProblem, found: Plan): Plan {
  const count = problem.ids.length;
  let best = found;
  let list = Array.from(found.starts.keys()).sort(
    (a, b) => (found.starts[a] === found.starts[b] ? 0 : found.starts[a] - found.starts[b]) || a - b,
  );
  let random = 1;
  // Numerical Recipes' linear congruential generator: any fixed sequence would do.
  const below = (limit: number) =>
    Math.floor(((random = (Math.imul(random, 1664525) + 1013904223) >>> 0) / 2 ** 32) * limit);
  for (let move = 0; move < PLACEMENTS_MAX / count; move++) {
    const from = below(count);
    const task = list[from];
    const rest = list.filter((other) => other !== task);
    const low = rest.findLastIndex((other) => problem.before[task].includes(other)) + 1;
    const high = rest.findIndex((other) => problem.next[task].includes(other));
    const to = low + below((high < 0 ? rest.length : high) - low + 1);
    const candidate = [...rest.slice(0, to), task, ...rest.slice(to)];
    const plan = serialPlan(problem, candidate);
    if (isBetter(best, plan)) continue;
    best = plan;
    list = candidate;
  }
  return best;
}

function toSchedule(problem: ScheduleProblem, plan: Plan, optimal: boolean): Schedule {
  const timeline = emptyTimeline(problem);
  for (const [task, start] of plan.starts.entries()) if (start < Infinity) occupy(problem, timeline, task, start, 1);
  const placed = Array.from(plan.starts.keys()).filter((task) => plan.starts[task] < Infinity);
  const left = Array.from(plan.starts.keys()).filter((task) => plan.starts[task] === Infinity);
  const byId = (a: number, b: number) => (problem.ids[a] < problem.ids[b] ? -1 : 1);
  return {
    tasks: placed
      .sort((a, b) => plan.starts[a] - plan.starts[b] || byId(a, b))
      .map((task) => ({
        id: problem.ids[task],
        start: plan.starts[task],
        end: plan.starts[task] + problem.duration[task],
        waitsFor: explainTask(problem, timeline, plan.starts, task),
      })),
    unscheduled: left
      .sort(byId)
      .map((task) => ({ id: problem.ids[task], reason: explainTask(problem, timeline, plan.starts, task)! })),
    makespan: plan.makespan,
    lowerBound: lowerBound(problem, plan),
    optimal,
  };
}
