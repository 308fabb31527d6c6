/**
 * The reads of a plan: merged reads cut to the items that were granted, split by memory and time, composed into as few
 * scans as that allows, and put into the order in which they run.
 */
import { composeBatches } from '../batch/composition.js';
import type { MergedRead } from '../batch/merge.js';
import { splitBatch } from '../batch/split.js';
import type { Predicate } from '../types/predicate.js';
import type { BatchInputs } from './batch-inputs.js';
import { CURRENT } from './costs.js';
import type { Grant } from './grants.js';
import { predictRead, readWork, workMax, type ReadPrediction } from './read-cost.js';
import { scheduleReads, type ReadTiming } from './read-schedule.js';
import { arrivedUpTo, type WorkItem } from './work.js';

export interface PlannedSlice {
  readonly id: string;
  readonly fields: readonly string[];
  readonly where: Predicate;
  readonly rows: number | null;
  readonly seed: number;
  readonly classColumn: string | null;
  readonly quotas: Readonly<Record<string, number>> | null;
}
/** A read before it has its place in the order. */
export interface ComposedRead {
  readonly dataset: string;
  readonly source: string;
  /** The pinned content; null: whatever is there when it runs. */
  readonly contentId: string | null;
  readonly slices: readonly PlannedSlice[];
  /** Bytes that the read is charged with, and that its members would have read alone. */
  readonly predictedBytes: number;
  readonly predictedRows: number;
  readonly askedBytes: number;
  readonly score: number;
  /** From the reads of its dataset so far; null before the first. */
  readonly predicted: ReadPrediction | null;
  /** How it came to be this size: what it was composed of, what it was split by. */
  readonly reason: string | null;
}
export interface PlannedRead extends ComposedRead {
  readonly ordinal: number;
  /** Foreseen start and end, milliseconds after the plan; ordinals that must end first; why it does not start at once. */
  readonly timing: Omit<ReadTiming, 'after'>;
  readonly after: readonly number[];
}
export interface ReadPlan {
  readonly reads: readonly PlannedRead[];
  /** Items whose read would not end before its source closes, with the time of the next opening. */
  readonly closed: ReadonlyMap<string, number>;
}

/** Slices of one read: bounds what one activity does, and what is lost when it fails. */
export const SLICES_PER_READ_MAX = 500;
/** Reads of one dataset that are composed by search: to so many it is within 5 % of the optimum. More are filled in order of score. */
const COMPOSED_MAX = 40;

export function planReads(merged: readonly MergedRead[], grants: readonly Grant[], inputs: BatchInputs): ReadPlan {
  let reads = composeReads(merged, grants, inputs);
  const closed = new Map<string, number>();
  for (;;) {
    const { order, timing, closed: late } = scheduleReads(reads, inputs);
    if (late.size === 0) {
      const ordinal = new Map(order.map((position, index) => [position, index]));
      return {
        closed,
        reads: order.map((position, index): PlannedRead => {
          const { after, ...times } = timing.get(position)!;
          return {
            ordinal: index,
            ...reads[position],
            timing: times,
            after: after.map((before) => ordinal.get(before)!).sort((a, b) => a - b),
          };
        }),
      };
    }
    // What cannot run now holds nothing up: the others are scheduled without it.
    for (const [position, opensMs] of late) for (const { id } of reads[position].slices) closed.set(id, opensMs);
    reads = reads.filter((_, position) => !late.has(position));
  }
}

/** Granted members of one merged read, or a part of them. */
interface Part {
  readonly id: string;
  readonly grants: readonly Grant[];
  readonly work: number;
  readonly columns: readonly string[];
}

/** Most urgent first; ties by the smallest item id, which no two reads share. */
function composeReads(
  merged: readonly MergedRead[],
  grants: readonly Grant[],
  inputs: BatchInputs,
): readonly ComposedRead[] {
  const granted = new Map(grants.filter(({ served }) => served === 'read').map((grant) => [grant.itemId, grant]));
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const groups = new Map<string, MergedRead[]>();
  for (const read of merged) {
    if (!read.members.some(({ requestId }) => granted.has(requestId))) continue;
    const key = JSON.stringify([read.dataset, read.datasetVersion, ...composable(read, inputs)]);
    groups.set(key, [...(groups.get(key) ?? []), read]);
  }
  const reads = [...groups.values()].flatMap((group) => composeGroup(group, granted, items, inputs));
  return reads.sort((a, b) => b.score - a.score || (a.slices[0].id < b.slices[0].id ? -1 : 1));
}

/** What two reads of a dataset must have in common to share a scan: where bytes or rows are counted, the same fields, so that none is read for more rows. */
function composable({ dataset, fields }: MergedRead, inputs: BatchInputs): readonly string[] {
  const { source } = inputs.datasets.find(({ id }) => id === dataset)!;
  return inputs.limits.some((limit) => limit.source === source) ? fields : [];
}

/** All merged reads that may share scans of one dataset at one version: split where too large, composed where small. */
function composeGroup(
  group: readonly MergedRead[],
  granted: ReadonlyMap<string, Grant>,
  items: ReadonlyMap<string, WorkItem>,
  inputs: BatchInputs,
): ComposedRead[] {
  const model = inputs.readCosts[group[0].dataset];
  const { work: most, binding } = workMax(model, inputs.readLimits);
  const limits = { itemsMax: most, bytesMax: SLICES_PER_READ_MAX };
  const parts = group.flatMap((read) => {
    const members = read.members.flatMap(({ requestId }) => granted.get(requestId) ?? []);
    return splitBatch(
      members.map((grant) => ({ id: grant.itemId, items: workOf(grant, items), bytes: 1, priority: grant.score })),
      limits,
    ).map(({ ids, items: work }): Part => ({
      id: ids[0],
      grants: ids.map((id) => granted.get(id)!),
      work,
      columns: read.fields,
    }));
  });
  const byId = new Map(parts.map((part) => [part.id, part]));
  const batches = bestBatches(parts, limits).map((ids) => ids.map((id) => byId.get(id)!));
  return batches.map((batch): ComposedRead => {
    const why = [
      ...(batch.length > 1 ? [`${batch.length} reads of other rows in one scan`] : []),
      ...(batches.length > 1 && binding !== null ? [`split by ${binding}`] : []),
    ];
    const grants = batch.flatMap((part) => part.grants);
    return composedOf(group[0], grants, items, inputs, why.length === 0 ? null : why.join(', '));
  });
}

function workOf({ itemId, rows }: Grant, items: ReadonlyMap<string, WorkItem>): number {
  return readWork([{ rows, fields: items.get(itemId)!.fields }]);
}

/** Ids of the parts of each batch. One scan when all fit. */
function bestBatches(
  parts: readonly Part[],
  limits: { readonly itemsMax: number; readonly bytesMax: number },
): readonly (readonly string[])[] {
  const slices = parts.reduce((sum, { grants }) => sum + grants.length, 0);
  const work = parts.reduce((sum, part) => sum + part.work, 0);
  if (parts.length === 1 || (slices <= limits.bytesMax && work <= limits.itemsMax)) return [parts.map(({ id }) => id)];
  if (parts.length <= COMPOSED_MAX) {
    return composeBatches({
      // A scan decodes each column once: parts with the same columns belong together. Opening counts like a column.
      items: parts.map(({ id, grants, work: own, columns }) => ({
        id,
        sources: columns,
        demand: [grants.length, own],
      })),
      limits: [limits.bytesMax, Math.min(limits.itemsMax, Number.MAX_VALUE)],
      batchCost: 1,
      sourceCosts: {},
      defaultSourceCost: 1,
    }).batches;
  }
  const score = ({ grants }: Part): number => Math.max(...grants.map((grant) => grant.score));
  return splitBatch(
    parts.map((part) => ({ id: part.id, items: part.work, bytes: part.grants.length, priority: score(part) })),
    limits,
  ).map(({ ids }) => ids);
}

function composedOf(
  { dataset, datasetVersion }: MergedRead,
  grants: readonly Grant[],
  items: ReadonlyMap<string, WorkItem>,
  inputs: BatchInputs,
  reason: string | null,
): ComposedRead {
  const { source } = inputs.datasets.find(({ id }) => id === dataset)!;
  const slices = grants.map((grant) => sliceOf(items.get(grant.itemId)!, grant)).sort((a, b) => (a.id < b.id ? -1 : 1));
  const sizes = grants.map(({ itemId, rows }) => ({ rows, fields: items.get(itemId)!.fields }));
  return {
    dataset,
    source,
    contentId: datasetVersion === CURRENT ? null : datasetVersion,
    slices,
    predictedBytes: grants.reduce((sum, grant) => sum + (grant.cost[`bytes:${source}`] ?? grant.bytes), 0),
    predictedRows: grants.reduce((sum, grant) => sum + (grant.cost[`rows:${source}`] ?? grant.rows), 0),
    askedBytes: grants.reduce((sum, grant) => sum + grant.bytes, 0),
    score: Math.max(...grants.map(({ score }) => score)),
    predicted: predictRead(inputs.readCosts[dataset], sizes),
    reason,
  };
}

function sliceOf(item: WorkItem, grant: Grant): PlannedSlice {
  const cut = item.window == null || grant.upToMs == null ? null : arrivedUpTo(item.window.column, grant.upToMs);
  return {
    id: item.id,
    fields: item.fields,
    where: cut === null ? item.where : [...item.where, cut],
    // All that match need no row limit: the pick by hash is then only an order.
    rows:
      item.rows === null && grant.quotas === null && (cut !== null || grant.rows >= grant.asked) ? null : grant.rows,
    seed: item.seed,
    // Also of a plain draw: the gate judges the mix of every delivery that has a target.
    classColumn: item.classColumn,
    quotas: grant.quotas,
  };
}
