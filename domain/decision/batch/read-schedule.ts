/**
 * In which order reads run, and when each is foreseen to begin: one task each for the task scheduler, which knows what
 * must be read first, how many scans a source bears, which datasets are read alone, and when a source is open.
 */
import { scheduleTasks } from '../../scheduler/task-scheduler.js';
import { orderDependencies } from '../../scheduler/dependency-graph.js';
import type { ScheduleReason } from '../../scheduler/schedule-instance.js';
import type { BatchInputs } from './batch-inputs.js';
import { openIntervals } from './source-windows.js';
import { READS_IN_FLIGHT_MAX } from '../stages.js';
import type { WorkItem } from '../work.js';

/** Length of a read of a dataset that none was measured of: all equally long, so that score and order decide. */
const READ_MS_UNKNOWN = 1_000;
/** Reads that are scheduled: more than this in one cycle are run in order of score after them, without a foreseen time. */
const SCHEDULED_MAX = 256;

/** A read, as far as its place in the order goes. */
export interface UnscheduledRead {
  readonly dataset: string;
  readonly source: string;
  readonly slices: readonly { readonly id: string }[];
  /** Higher first. */
  readonly score: number;
  readonly predicted: { readonly ms: number } | null;
}

export interface ReadTiming {
  /** Foreseen start and end, in milliseconds after the plan; null: too many reads to say. */
  readonly startMs: number | null;
  readonly endMs: number | null;
  /** Positions of reads that must end first. */
  readonly after: readonly number[];
  /** Why it does not start at once; null when it does. */
  readonly waitsFor: string | null;
  readonly wait: ReadWait | null;
}

/** What a read waits for: granted exactly what is short, it starts at once; without one that is not named, it does not. */
export interface ReadWait {
  /** Resource, `lock:DATASET`, `dependency` or `window`. */
  readonly binding: string;
  /** Positions of the reads that hold it. */
  readonly blockers: readonly number[];
  /** By resource; milliseconds of `dependency` and `window`. */
  readonly shortfall: Readonly<Record<string, number>>;
  /** When it can start beside the others, milliseconds after the plan; null: no time is foreseen. */
  readonly earliestMs: number | null;
}

export interface ReadOrder {
  /** Positions of the reads in the order in which they run. */
  readonly order: readonly number[];
  readonly timing: ReadonlyMap<number, ReadTiming>;
  /** Reads that would not end before their source closes, with the time at which it opens again after now. */
  readonly closed: ReadonlyMap<number, number>;
}

/** @param reads most urgent first */
export function scheduleReads(reads: readonly UnscheduledRead[], inputs: BatchInputs): ReadOrder {
  const after = precedence(reads, inputs.items);
  const scheduled = reads.slice(0, SCHEDULED_MAX);
  const exclusive = new Set(inputs.exclusive);
  const sources = Object.keys(inputs.sources).sort();
  const open = new Map(
    sources.flatMap((source) => {
      const { windows } = inputs.sources[source];
      return windows === null ? [] : [[source, openIntervals(windows, inputs.nowMs)] as const];
    }),
  );
  const name = (position: number): string => String(position).padStart(6, '0');
  const { tasks, unscheduled } = scheduleTasks({
    capacity: {
      reads: READS_IN_FLIGHT_MAX,
      ...Object.fromEntries(sources.map((source) => [`scans:${source}`, freeSlots(source, inputs)])),
    },
    tasks: scheduled.map(({ dataset, source, predicted, score }, position) => ({
      id: name(position),
      duration: Math.max(1, predicted?.ms ?? READ_MS_UNKNOWN),
      demand: { reads: 1, [`scans:${source}`]: 1 },
      after: after[position].filter((before) => before < SCHEDULED_MAX).map(name),
      locks: [{ on: dataset, mode: exclusive.has(dataset) ? ('exclusive' as const) : ('shared' as const) }],
      ...(open.has(source) ? { windows: open.get(source)! } : {}),
      priority: score,
    })),
  });
  const timing = new Map<number, ReadTiming>();
  const closed = new Map<number, number>();
  for (const { id, start, end, waitsFor } of tasks) {
    const position = Number(id);
    const now = open.get(reads[position].source)?.[0];
    if (now !== undefined && start >= now[1]) closed.set(position, start);
    else
      timing.set(position, {
        startMs: start,
        endMs: end,
        after: after[position],
        ...waitOf(waitsFor, reads),
      });
  }
  // Longer than any opening of its source, or behind such a read: it runs all the same, as waiting would not help.
  for (const { id, reason } of unscheduled)
    timing.set(Number(id), {
      ...{ startMs: null, endMs: null, after: after[Number(id)], ...waitOf(reason, reads) },
      ...(reason.binding === 'window' ? { waitsFor: 'no window of its source is long enough' } : {}),
    });
  for (let position = SCHEDULED_MAX; position < reads.length; position++)
    timing.set(position, {
      ...{ startMs: null, endMs: null, after: after[position], waitsFor: 'more urgent reads' },
      wait: { binding: 'reads', blockers: [], shortfall: { reads: 1 }, earliestMs: null },
    });
  return { order: runOrder(timing, after), timing, closed };
}

/** Scans that a source bears beside those of reads under way; who would have none waits for their end (`under-way.ts`). */
function freeSlots(source: string, { sources, underWay = [] }: BatchInputs): number {
  return Math.max(1, sources[source].scansAtOnce - underWay.filter((read) => read.source === source).length);
}

/** By foreseen start, then position; what comes after another is behind it in any case. */
function runOrder(timing: ReadonlyMap<number, ReadTiming>, after: readonly (readonly number[])[]): number[] {
  const order: number[] = [];
  const seen = new Set<number>();
  const visit = (position: number): void => {
    if (seen.has(position) || !timing.has(position)) return;
    seen.add(position);
    for (const before of after[position]) visit(before);
    order.push(position);
  };
  const at = (position: number): number => timing.get(position)?.startMs ?? Number.MAX_SAFE_INTEGER;
  for (const position of [...timing.keys()].sort((a, b) => at(a) - at(b) || a - b)) visit(position);
  return order;
}

/**
 * Which reads must end before each: those that hold a need that one of its needs comes after. Where two reads hold
 * needs that wait for each other, merging has made one of the orders impossible: neither is kept. (What is handed out
 * still waits for what it comes after; only the reads do not.)
 */
function precedence(reads: readonly UnscheduledRead[], items: readonly WorkItem[]): number[][] {
  if (items.every(({ after }) => after.length === 0)) return reads.map(() => []);
  const itemOf = new Map(items.map((item) => [item.id, item]));
  const readOf = new Map<string, number>();
  reads.forEach(({ slices }, position) => {
    for (const { id } of slices) {
      const needId = itemOf.get(id)?.needId;
      if (needId != null) readOf.set(needId, position);
    }
  });
  const after = reads.map(({ slices }, position) => {
    const before = slices.flatMap(({ id }) => itemOf.get(id)?.after ?? []).map((needId) => readOf.get(needId));
    return [...new Set(before.filter((other) => other !== undefined && other !== position))].sort((a, b) => a! - b!);
  }) as number[][];
  for (;;) {
    const found = orderDependencies(after.map((before, index) => ({ id: String(index), after: before.map(String) })));
    if (found.kind !== 'cycle') return after;
    const members = new Set(found.cycle.map(Number));
    for (const member of members) after[member] = after[member].filter((other) => !members.has(other));
  }
}

function waitOf(
  reason: ScheduleReason | null,
  reads: readonly UnscheduledRead[],
): Pick<ReadTiming, 'waitsFor' | 'wait'> {
  if (reason === null) return { waitsFor: null, wait: null };
  const { binding, blockers, shortfall, earliestFeasible } = reason;
  return {
    waitsFor: sentence(reason, reads),
    wait: { binding, blockers: blockers.map(Number), shortfall, earliestMs: earliestFeasible },
  };
}

function sentence({ binding, blockers }: ScheduleReason, reads: readonly UnscheduledRead[]): string {
  const named = blockers.slice(0, 3).map((id) => `the read of ${reads[Number(id)].dataset}`);
  const more = blockers.length > named.length ? ` and ${blockers.length - named.length} more` : '';
  return `${binding}${named.length === 0 ? '' : `, held by ${named.join(', ')}${more}`}`;
}
