/** Why a task waits or is left out: what is short when it wants to start, who holds it, and when it could start instead. */
import type { ScheduleProblem, ScheduleReason } from './schedule-instance.js';
import { earliestFit, windowStart, type Timeline } from './schedule-timeline.js';

/** Shortfalls below this fraction of a capacity are rounding. */
const ROUNDING = 1e-12;

/**
 * The reason of one task in a finished schedule; null when it starts as soon as it wants to.
 *
 * Granting exactly the shortfall lets it start at `wanted` beside all others as they are. Removing one task that is not
 * named does not: the named ones are all that hold what is short at an instant when it is short.
 * @param starts of all tasks, Infinity for those left out
 * @param timeline use of all scheduled tasks
 */
export function explainTask(
  problem: ScheduleProblem,
  timeline: Timeline,
  starts: Float64Array,
  task: number,
): ScheduleReason | null {
  const duration = problem.duration[task];
  const lost = problem.before[task].filter((need) => starts[need] === Infinity);
  if (lost.length > 0) return reason('dependency', names(problem, lost), {}, null, null);
  const wanted = windowStart(problem, task, problem.release[task]);
  if (wanted === Infinity) return windowReason(problem, task);
  if (starts[task] === wanted) return null;
  const ready = problem.before[task].reduce(
    (time, need) => Math.max(time, starts[need] + problem.duration[need]),
    wanted,
  );
  const others = starts[task] === Infinity ? timeline : without(problem, timeline, starts, task);
  const fit = earliestFit(problem, others, task, ready);
  const earliest = fit === Infinity ? null : fit;
  // A dependency comes first: before it ends, no amount of resources would help.
  if (ready > wanted) {
    const readyStart = windowStart(problem, task, ready);
    if (readyStart === starts[task] || readyStart + duration > problem.deadline[task]) {
      const late = problem.before[task].filter((need) => starts[need] + problem.duration[need] > wanted);
      return reason('dependency', names(problem, late), { dependency: ready - wanted }, wanted, earliest);
    }
  }
  const from = windowStart(problem, task, ready);
  if (from === Infinity) return reason('window', [], { window: ready - wanted }, wanted, null);
  if (from + duration > problem.deadline[task])
    return reason('deadline', [], { deadline: from + duration - problem.deadline[task] }, from, earliest);
  return resourceReason(problem, others, starts, task, from, earliest);
}

function reason(
  binding: string,
  blockers: string[],
  shortfall: Record<string, number>,
  wanted: number | null,
  earliestFeasible: number | null,
): ScheduleReason {
  return { binding, blockers, shortfall, wanted, earliestFeasible };
}

function names(problem: ScheduleProblem, tasks: readonly number[]): string[] {
  return tasks.map((task) => problem.ids[task]).sort();
}

/** The timeline as it were without a task that is in it. */
function without(problem: ScheduleProblem, { times, use }: Timeline, starts: Float64Array, task: number): Timeline {
  const width = problem.capacity.length;
  const end = starts[task] + problem.duration[task];
  const rest = [...use];
  for (let k = 0; k < times.length; k++) {
    if (times[k] < starts[task] || times[k] >= end) continue;
    rest[k] = use[k].map((amount, r) => amount - problem.demand[task * width + r]);
  }
  return { times, use: rest };
}

/** No window is long enough: by how much the longest one that is still open is too short. */
function windowReason(problem: ScheduleProblem, task: number): ScheduleReason {
  const longest = Math.max(
    0,
    ...problem.windows[task].map(([open, close]) => close - Math.max(open, problem.release[task])),
  );
  return reason('window', [], { window: problem.duration[task] - longest }, null, null);
}

/** What is short of each resource at any instant of [from, from + duration), and who holds it then. */
function resourceReason(
  problem: ScheduleProblem,
  { times, use }: Timeline,
  starts: Float64Array,
  task: number,
  from: number,
  earliest: number | null,
): ScheduleReason {
  const width = problem.capacity.length;
  const end = from + problem.duration[task];
  const blockers = new Set<number>();
  const during: number[] = [];
  for (let other = 0; other < starts.length; other++)
    if (other !== task && starts[other] < end && starts[other] + problem.duration[other] > from) during.push(other);
  const shortfall: Record<string, number> = {};
  let binding = '';
  let worst = 0;
  for (let r = 0; r < width; r++) {
    const need = problem.demand[task * width + r];
    if (need === 0) continue;
    let short = 0;
    for (let k = 0; k < times.length; k++) {
      if (times[k] >= end || (times[k + 1] ?? Infinity) <= from) continue;
      const missing = use[k][r] + need - problem.capacity[r];
      if (missing <= ROUNDING * problem.capacity[r]) continue;
      short = Math.max(short, missing);
      for (const other of during) {
        const overlaps =
          starts[other] < (times[k + 1] ?? Infinity) && starts[other] + problem.duration[other] > times[k];
        if (overlaps && problem.demand[other * width + r] > 0) blockers.add(other);
      }
    }
    if (short === 0) continue;
    shortfall[problem.resourceNames[r]] = short;
    if (short / need > worst) [binding, worst] = [problem.resourceNames[r], short / need];
  }
  return reason(binding, names(problem, [...blockers]), shortfall, from, earliest);
}
