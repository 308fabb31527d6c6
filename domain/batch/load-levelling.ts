/**
 * When to run what can wait: work is spread over time slots so that the highest load is as low as deadlines allow, and
 * the best window for one uninterrupted run is found. The forecast is an argument; nothing here predicts.
 */
import { Heap } from 'heap-js';

/** Work that may run in parts, in slots `release` to `due` inclusive. */
export interface LevelJob {
  readonly id: string;
  readonly work: number;
  readonly release: number;
  readonly due: number;
}

export interface LevelPlan {
  /** Work of each job in each slot, by job id, then slot. */
  readonly assignments: readonly { readonly id: string; readonly slot: number; readonly work: number }[];
  /** Forecast + assigned, per slot. */
  readonly load: readonly number[];
  /** Highest load over the slots that hold assigned work; null without any. */
  readonly peak: number | null;
  /** Jobs that cannot meet their deadline beside the others, with what they lack; they are not assigned. */
  readonly unmet: readonly { readonly id: string; readonly shortfall: number; readonly reason: string }[];
}

/** Halvings of the peak: to 1e-12 of the range. */
const HALVINGS = 40;

const byText = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

interface Filled {
  readonly assignments: LevelPlan['assignments'];
  /** The first deadline that fails, by one of its jobs, and how much work due by then is left; null when all fit. */
  readonly failed: { readonly job: LevelJob; readonly left: number } | null;
}

/** Earliest deadline first in the room below `level`: with divisible work it fits if anything does (Horn 1974). */
function fill(jobs: readonly LevelJob[], forecast: readonly number[], level: number): Filled {
  const waiting = [...jobs].sort((a, b) => a.release - b.release || byText(a.id, b.id));
  const ready = new Heap<{ job: LevelJob; left: number }>(
    (a, b) => a.job.due - b.job.due || byText(a.job.id, b.job.id),
  );
  const assignments: { id: string; slot: number; work: number }[] = [];
  let next = 0;
  for (let slot = 0; slot < forecast.length; slot++) {
    while (next < waiting.length && waiting[next].release <= slot)
      ready.push({ job: waiting[next], left: waiting[next++].work });
    let room = level - forecast[slot];
    for (let first = ready.peek(); first !== undefined && room > 0; first = ready.peek()) {
      const work = Math.min(room, first.left);
      if (work > 0) assignments.push({ id: first.job.id, slot, work });
      room -= work;
      first.left -= work;
      if (first.left > 0) break;
      ready.pop();
    }
    let [job, left]: [LevelJob | null, number] = [null, 0];
    for (let late = ready.peek(); late !== undefined && late.job.due <= slot; late = ready.peek()) {
      // What rounding leaves of a job is not a failure.
      if (late.left > 1e-9 * Math.max(1, late.job.work)) [job, left] = [job ?? late.job, left + late.left];
      ready.pop();
    }
    if (job !== null) return { assignments, failed: { job, left } };
  }
  return { assignments, failed: null };
}

/**
 * Levels `jobs` over slots `0..forecast.length-1` of which each can carry `capacity` in all, the forecast included. The
 * peak is the least possible for the jobs that are met. When not all can be met, the largest job due by the first failure
 * is given up, again and again: most deadlines met where all are released at once (Moore 1968), a heuristic otherwise.
 * @throws Error for a job outside the slots, or with negative work.
 */
export function levelLoad(jobs: readonly LevelJob[], forecast: readonly number[], capacity: number): LevelPlan {
  for (const { id, work, release, due } of jobs) {
    if (!(work >= 0 && release >= 0 && release <= due && due < forecast.length)) {
      throw new Error(`load levelling: expected work >= 0 and 0 <= release <= due < ${forecast.length} for ${id}`);
    }
  }
  let met = jobs.filter((job) => job.work > 0);
  const unmet: { id: string; shortfall: number; reason: string }[] = [];
  for (let { failed } = fill(met, forecast, capacity); failed !== null; { failed } = fill(met, forecast, capacity)) {
    const { job, left } = failed;
    const rivals = met.filter((other) => other.due <= job.due).sort((a, b) => b.work - a.work || byText(a.id, b.id));
    const [given] = rivals;
    met = met.filter((other) => other !== given);
    const reason = `${left.toPrecision(3)} of work due by slot ${job.due} has no room below ${capacity}`;
    unmet.push({ id: given.id, shortfall: Math.min(left, given.work), reason });
  }
  let [low, high] = [Math.min(...forecast, capacity), capacity];
  for (let i = 0; i < HALVINGS && met.length > 0; i++) {
    const middle = (low + high) / 2;
    if (fill(met, forecast, middle).failed === null) high = middle;
    else low = middle;
  }
  const assignments = met.length === 0 ? [] : fill(met, forecast, high).assignments;
  const load = [...forecast];
  for (const { slot, work } of assignments) load[slot] += work;
  return {
    assignments: [...assignments].sort((a, b) => byText(a.id, b.id) || a.slot - b.slot),
    load,
    peak:
      assignments.length === 0 ? null : assignments.reduce((most, { slot }) => Math.max(most, load[slot]), -Infinity),
    unmet: unmet.sort((a, b) => byText(a.id, b.id)),
  };
}

/** A run of consecutive slots. */
export interface Window {
  readonly start: number;
  /** Highest and mean forecast load within it. */
  readonly peak: number;
  readonly mean: number;
}

/**
 * The `count` best windows of `slots` consecutive slots that start at `release` or later and end by `due` inclusive:
 * lowest peak, then lowest mean, then earliest. Empty when none fits.
 */
export function bestWindows(
  forecast: readonly number[],
  slots: number,
  release: number,
  due: number,
  count: number,
): readonly Window[] {
  const windows: Window[] = [];
  if (!(slots >= 1)) return windows;
  for (let start = Math.max(0, release); start + slots - 1 <= Math.min(due, forecast.length - 1); start++) {
    const loads = forecast.slice(start, start + slots);
    windows.push({
      start,
      peak: loads.reduce((most, load) => Math.max(most, load), -Infinity),
      mean: loads.reduce((sum, load) => sum + load, 0) / slots,
    });
  }
  windows.sort((a, b) => a.peak - b.peak || a.mean - b.mean || a.start - b.start);
  return windows.slice(0, count);
}
