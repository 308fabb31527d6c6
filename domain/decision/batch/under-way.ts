/**
 * Reads that outlast their cycle: which ones a cycle need not wait for, and what they mean for the plans of the cycles that
 * come meanwhile. They hold a slot of their source, their dataset where it is read alone, and what its limits still have
 * to give for them; who waits for that is told so, and who asks what they read anyway waits for their end instead of
 * reading it once more.
 */
import { formatDuration } from '../../types/units.js';
import type { DatasetFacts, WaitReason, WorkItem } from '../work.js';
import type { BatchInputs, ResourceLimit } from './batch-inputs.js';
import { widthOf } from './costs.js';
import { joiningSlices } from './joining.js';
import { predictRead } from './read-cost.js';
import { limitedMs } from './read-wait.js';
import { READS_IN_FLIGHT_MAX } from '../stages.js';
import type { ReadUnderWay } from './planned-slice.js';
import type { PlannedRead } from './reads.js';

export type { ReadUnderWay };

/** When each read of a plan has probably ended, in milliseconds after it: not before the limits of its source have let through it and what is read before it. */
export function readEnds(reads: readonly PlannedRead[], limits: readonly ResourceLimit[]): number[] {
  const taken = new Map<string, { bytes: number; rows: number }>();
  return reads.map(({ source, predictedBytes, predictedRows, timing }) => {
    const before = taken.get(source) ?? { bytes: 0, rows: 0 };
    const all = { bytes: before.bytes + predictedBytes, rows: before.rows + predictedRows };
    taken.set(source, all);
    return Math.ceil(Math.max(timing.endMs ?? 0, limitedMs(source, all, limits)));
  });
}

/**
 * Whether a cycle may go on without a read. Those for standing needs are waited for: what comes after a need, and where its
 * next window begins, is decided with it in one cycle. So are those for gangs, which are handed out whole, and those of a
 * version, which a later cycle might not find any more.
 */
export function mayOutlast({ slices }: Pick<PlannedRead, 'slices'>, itemOf: ReadonlyMap<string, WorkItem>): boolean {
  return slices.every(({ id }) => {
    const { kind, gang, datasetVersion } = itemOf.get(id)!;
    return kind === 'request' && gang === undefined && datasetVersion === null;
  });
}

/** What waits for a read under way: for its result, its slot, or its dataset. */
export function waitsForReads(inputs: BatchInputs): WaitReason[] {
  const { underWay = [], items, hits, refused, exclusive, sources, nowMs } = inputs;
  if (underWay.length === 0) return [];
  const out = new Set([...hits, ...refused]);
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const alone = new Set(exclusive);
  const joined = joinedReads(inputs);
  return items.flatMap((item): WaitReason[] => {
    const dataset = datasets.get(item.dataset);
    if (dataset === undefined || out.has(item.id)) return [];
    const { source } = dataset;
    const own = underWay.find(({ id }) => id === item.readId);
    if (own !== undefined) return [waitFor(item, `read:${own.id}`, 0, [own], nowMs, 'it is being read')];
    const join = joined.get(item.id);
    if (join !== undefined)
      return [waitFor(item, `read:${join.id}`, 0, [join], nowMs, 'what it asks is being read for others')];
    const sameDataset = underWay.filter((read) => read.dataset === item.dataset);
    if (alone.has(item.dataset) && sameDataset.length > 0)
      return [waitFor(item, `lock:${item.dataset}`, 1, sameDataset, nowMs, `${item.dataset} is read alone`)];
    const sameSource = underWay.filter((read) => read.source === source);
    const slots = sources[source]?.scansAtOnce ?? Infinity;
    if (sameSource.length >= slots)
      return [
        waitFor(item, `scans:${source}`, 1, sameSource, nowMs, `${source} is read by ${slots} at once and no more`),
      ];
    return [];
  });
}

/**
 * Why those wait whose reads their own cycle goes on without. Whose read had not begun waits for one under way only where no
 * more of them run at once: where others took the cycle's reads, the next cycle may begin it, and it is due now.
 * @param notBegun items whose reads had not begun
 * @param earlier reads of earlier cycles that are under way
 */
export function waitsForLeft(
  running: readonly ReadUnderWay[],
  notBegun: readonly string[],
  earlier: readonly ReadUnderWay[],
  nowMs: number,
): WaitReason[] {
  const all = [...earlier, ...running];
  return [
    ...running.flatMap((read) =>
      read.slices.map((slice) => waitFor(slice, `read:${read.id}`, 0, [read], nowMs, 'it is being read')),
    ),
    ...notBegun.map((id): WaitReason =>
      all.length < READS_IN_FLIGHT_MAX
        ? {
            ...{ itemId: id, tier: 'waiting', resource: 'reads', blockers: [], shortfall: 1, earliestMs: nowMs },
            reason: 'other reads of its cycle took all that run at once until that went on: it is due again at once',
          }
        : waitFor({ id }, 'reads', 1, all, nowMs, 'no more long reads run at once'),
    ),
  ];
}

/**
 * Requests that a read under way answers, fresh enough and in time, and not later than a read of their own would, beside
 * what its source has still to give: its result is cut for them, too.
 */
function joinedReads(inputs: BatchInputs): ReadonlyMap<string, ReadUnderWay> {
  const { underWay = [], items, asOfMs, nowMs } = inputs;
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const matching = new Map(inputs.facts.map(({ itemId, rows }) => [itemId, rows]));
  const found = new Map<string, ReadUnderWay>();
  const mayJoin = (read: ReadUnderWay, item: WorkItem): boolean => {
    const { kind, datasetVersion, readId, gang, maxAgeMs, deadlineMs } = item;
    if (kind !== 'request' || datasetVersion !== null || readId !== undefined || gang !== undefined) return false;
    const dataset = datasets.get(item.dataset)!;
    const notBeforeMs = maxAgeMs === null ? Math.min(asOfMs, dataset.newestEventMs ?? 0) : asOfMs - maxAgeMs;
    if (read.asOfMs < notBeforeMs || read.asOfMs > asOfMs) return false;
    const endMs = expectedEndMs(read, nowMs);
    return (deadlineMs === null || endMs < deadlineMs) && endMs <= nowMs + ownMs(item, dataset);
  };
  const ownMs = (item: WorkItem, { source, bytesPerValue }: DatasetFacts): number => {
    const { id, rows: most, fields } = item;
    const rows = Math.min(most ?? Infinity, matching.get(id) ?? 0);
    const read = predictRead(inputs.readCosts[item.dataset], [{ rows, fields }]);
    return Math.max(
      read?.ms ?? 0,
      limitedMs(source, { bytes: rows * widthOf(fields, bytesPerValue), rows }, inputs.limits),
    );
  };
  for (const read of underWay.filter(({ joinable }) => joinable)) {
    const asking = items.filter(
      ({ id, dataset }) => dataset === read.dataset && datasets.has(dataset) && !found.has(id),
    );
    for (const { id } of joiningSlices(
      read.slices,
      asking.filter((item) => mayJoin(read, item)),
    ))
      found.set(id, read);
  }
  return found;
}

/** A read that takes longer than foreseen will probably take as long again as it has taken. */
export function expectedEndMs({ sinceMs, endMs }: Pick<ReadUnderWay, 'sinceMs' | 'endMs'>, nowMs: number): number {
  return endMs > nowMs ? endMs : nowMs + Math.max(LOOK_MS_MIN, nowMs - sinceMs);
}
const LOOK_MS_MIN = 1_000;

function waitFor(
  { id }: { readonly id: string },
  resource: string,
  shortfall: number,
  reads: readonly ReadUnderWay[],
  nowMs: number,
  why: string,
): WaitReason {
  const earliestMs = firstEndMs(reads, nowMs);
  return {
    ...{ itemId: id, tier: 'waiting', resource, blockers: reads.map((read) => read.id), shortfall, earliestMs },
    reason: `${why}: ${namedReads(reads, nowMs)}`,
  };
}

/** The waits, with the reads under way that hold what is short of their source's limits. */
export function nameReads(
  waiting: readonly WaitReason[],
  { underWay = [], limits, nowMs }: Pick<BatchInputs, 'underWay' | 'limits' | 'nowMs'>,
): readonly WaitReason[] {
  if (underWay.length === 0) return waiting;
  const sourceOf = new Map(limits.map(({ resource, source }) => [resource, source]));
  return waiting.map((wait) => {
    const source = wait.resource === null ? null : sourceOf.get(wait.resource);
    const reads = source == null ? [] : underWay.filter((read) => read.source === source);
    if (reads.length === 0) return wait;
    const blockers = [...wait.blockers, ...reads.map(({ id }) => id)];
    return { ...wait, blockers, reason: `${wait.reason}; ${namedReads(reads, nowMs)} has its part of it` };
  });
}

function firstEndMs(reads: readonly ReadUnderWay[], nowMs: number): number {
  return Math.min(...reads.map((read) => expectedEndMs(read, nowMs)));
}

function namedReads(reads: readonly ReadUnderWay[], nowMs: number): string {
  const [{ id, dataset }] = reads;
  const endMs = firstEndMs(reads, nowMs);
  const more = reads.length === 1 ? '' : ` and ${reads.length - 1} more`;
  return `the read ${id} of ${dataset}${more}, under way and foreseen to end in ${formatDuration(endMs - nowMs)}`;
}
