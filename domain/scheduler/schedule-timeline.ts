/** Use of every resource over time, and where a task fits into it: the one place that knows capacity at every instant. */
import type { ScheduleProblem } from './schedule-instance.js';

/** Sums of decimal fractions round: three tenths must fit three times into 0.9. Relative to the capacity. */
const FIT_TOLERANCE = 1e-12;

/** Segments [times[k], times[k+1]) of constant use; the last one is endless and empty. */
export interface Timeline {
  readonly times: number[];
  readonly use: Float64Array[];
}

export function emptyTimeline(problem: ScheduleProblem): Timeline {
  return { times: [-Infinity], use: [new Float64Array(problem.capacity.length)] };
}

/** The segment that contains `time`. O(log segments). */
function segmentAt({ times }: Timeline, time: number): number {
  let low = 0;
  let high = times.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (times[middle] <= time) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first resource that a task lacks in a segment; -1 when it fits. */
function lacking(problem: ScheduleProblem, use: Float64Array, task: number): number {
  const width = problem.capacity.length;
  for (let r = 0; r < width; r++) {
    const need = problem.demand[task * width + r];
    if (need > 0 && use[r] + need > problem.capacity[r] * (1 + FIT_TOLERANCE)) return r;
  }
  return -1;
}

/** Start of the first window part from `from` on that is long enough; Infinity for none. */
export function windowStart(problem: ScheduleProblem, task: number, from: number): number {
  for (const [open, close] of problem.windows[task]) {
    const start = Math.max(open, from);
    if (start + problem.duration[task] <= close) return start;
  }
  return Infinity;
}

/** Earliest start from `from` on that its windows and the capacities allow; Infinity for never. */
export function earliestFit(problem: ScheduleProblem, timeline: Timeline, task: number, from: number): number {
  const { times, use } = timeline;
  let start = windowStart(problem, task, from);
  // A task of no length holds nothing at any instant.
  if (problem.duration[task] === 0) return start;
  while (start < Infinity) {
    const end = start + problem.duration[task];
    let obstacle = -1;
    for (let k = segmentAt(timeline, start); k < times.length && times[k] < end; k++)
      if (lacking(problem, use[k], task) >= 0) obstacle = k;
    if (obstacle < 0) return start;
    // No start before the end of the last obstacle can work: every one of them would still cover it.
    start = windowStart(problem, task, times[obstacle + 1] ?? Infinity);
  }
  return Infinity;
}

/** Adds (+1) or takes back (-1) a task at its start. Breakpoints stay; they are harmless. */
export function occupy(problem: ScheduleProblem, timeline: Timeline, task: number, start: number, sign: 1 | -1): void {
  const width = problem.capacity.length;
  const end = start + problem.duration[task];
  if (end === start) return;
  const first = splitAt(timeline, start);
  const last = splitAt(timeline, end);
  for (let k = first; k < last; k++)
    for (let r = 0; r < width; r++) timeline.use[k][r] += sign * problem.demand[task * width + r];
}

function splitAt(timeline: Timeline, time: number): number {
  const k = segmentAt(timeline, time);
  if (timeline.times[k] === time) return k;
  timeline.times.splice(k + 1, 0, time);
  timeline.use.splice(k + 1, 0, Float64Array.from(timeline.use[k]));
  return k + 1;
}
