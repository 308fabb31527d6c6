/**
 * The reads of a plan: merged reads cut to the items that were granted, split by memory and time, composed into as few
 * scans as that allows, and put into the order in which they run.
 */
import { composeBatches } from '../../batch/composition.js';
import type { SizeModelState } from '../../batch/size-model.js';
import { splitBatch } from '../../batch/split.js';
import type { BatchInputs } from './batch-inputs.js';
import { isPinned, widthOf, type MergedDemand, type SharedRead } from './costs.js';
import type { Grant } from './grants.js';
import { expectedRows, type NestedSamples } from './nested-samples.js';
import { predictRead, sliceWork, workMax, type ReadPrediction } from './read-cost.js';
import type { PlannedSlice } from './planned-slice.js';
import { scheduleReads, type ReadTiming } from './read-schedule.js';
import { arrivedUpTo, type WorkItem } from '../work.js';

export type { PlannedSlice };

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
  /** Foreseen start and end, milliseconds after the plan; why it does not start at once, with the ordinals of those that it waits for; ordinals that must end first. */
  readonly timing: Omit<ReadTiming, 'after'>;
  readonly after: readonly number[];
}
export interface ReadPlan {
  readonly reads: readonly PlannedRead[];
  /** Indices of the items of each read, in the order of its slices. */
  readonly members: readonly (readonly number[])[];
  /** Items whose read would not end before its source closes, with the time of the next opening. */
  readonly closed: ReadonlyMap<string, number>;
}

/** Kicks of the search for the best scans, over all datasets that do not fit one: some tenths of a second. */
const KICKS_MAX = 200;
/** Slices of one read: bounds what one activity does, and what is lost when it fails. */
export const SLICES_PER_READ_MAX = 500;

/** @param granted by the items' indices */
export function planReads(
  demand: MergedDemand,
  granted: readonly (Grant | undefined)[],
  inputs: BatchInputs,
): ReadPlan {
  let reads = composeReads(demand, granted, inputs);
  const planned = ({ members: _, ...read }: ReadOf): ComposedRead => read;
  const closed = new Map<string, number>();
  for (;;) {
    const { order, timing, closed: late } = scheduleReads(reads, inputs);
    if (late.size === 0) {
      const ordinal = new Map(order.map((position, index) => [position, index]));
      return {
        closed,
        members: order.map((position) => reads[position].members),
        reads: order.map((position, index): PlannedRead => {
          const { after, wait, ...times } = timing.get(position)!;
          const ordinals = (some: readonly number[]) => some.map((other) => ordinal.get(other)!).sort((a, b) => a - b);
          return {
            ordinal: index,
            ...planned(reads[position]),
            timing: { ...times, wait: wait === null ? null : { ...wait, blockers: ordinals(wait.blockers) } },
            after: ordinals(after),
          };
        }),
      };
    }
    // What cannot run now holds nothing up: the others are scheduled without it.
    for (const [position, opensMs] of late) for (const { id } of reads[position].slices) closed.set(id, opensMs);
    reads = reads.filter((_, position) => !late.has(position));
  }
}

/** A read, with the indices of its items. */
interface ReadOf extends ComposedRead {
  readonly members: readonly number[];
}

/** An item that is read, and what was granted to it. */
interface Member {
  readonly index: number;
  readonly item: WorkItem;
  readonly grant: Grant;
  readonly work: number;
}

/** Granted members of one merged read, or a part of them. */
interface Part {
  readonly members: readonly Member[];
  readonly columns: readonly string[];
}

/** Most urgent first; ties by the smallest item id, which no two reads share. */
function composeReads(
  { items, reads: merged, nested }: MergedDemand,
  granted: readonly (Grant | undefined)[],
  inputs: BatchInputs,
): readonly ReadOf[] {
  const sources = new Map(inputs.datasets.map(({ id, source }) => [id, source]));
  const counted = new Set(inputs.limits.map(({ source }) => source));
  const groups = new Map<string, { readonly first: SharedRead; readonly parts: Part[] }>();
  for (const read of merged) {
    const members: Member[] = [];
    for (const index of read.members) {
      const grant = granted[index];
      if (grant === undefined) continue;
      const { item } = items[index];
      members.push({ index, item, grant, work: sliceWork(grant.rows, item.fields.length) });
    }
    if (members.length === 0) continue;
    // Where bytes or rows are counted, only reads of the same fields share a scan: so none is read for more rows.
    const fields = counted.has(sources.get(read.dataset)!) ? read.fields : [];
    const key = [read.dataset, read.datasetVersion, ...fields].join('\0');
    const part = { members, columns: read.fields };
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { first: read, parts: [part] });
    else group.parts.push(part);
  }
  const split = [...groups.values()].map(({ first, parts }) =>
    splitGroup(first, sources.get(first.dataset)!, parts, inputs),
  );
  const kicks = Math.floor(KICKS_MAX / Math.max(1, split.filter((group) => !fitsOne(group)).length));
  const reads = split.flatMap((group) => composeGroup(group, kicks, nested, inputs));
  return reads.sort((a, b) => b.score - a.score || (a.slices[0].id < b.slices[0].id ? -1 : 1));
}

interface ReadSizeLimits {
  /** Work, and slices. */
  readonly itemsMax: number;
  readonly bytesMax: number;
}

/** All merged reads that may share scans of one dataset at one version, those that are too large split. */
interface ReadGroup {
  readonly read: SharedRead;
  readonly source: string;
  readonly parts: readonly Part[];
  readonly limits: ReadSizeLimits;
  /** What splits them, beside the number of slices. */
  readonly binding: string | null;
}

function splitGroup(read: SharedRead, source: string, parts: readonly Part[], inputs: BatchInputs): ReadGroup {
  const { work: most, binding } = workMax(inputs.readCosts[read.dataset], inputs.readLimits);
  const limits = { itemsMax: most, bytesMax: SLICES_PER_READ_MAX };
  return { read, source, parts: parts.flatMap((part) => splitPart(part, limits)), limits, binding };
}

function fitsOne({ parts, limits }: ReadGroup): boolean {
  const slices = parts.reduce((sum, { members }) => sum + members.length, 0);
  const work = parts.reduce((sum, part) => sum + workOf(part), 0);
  return parts.length === 1 || (slices <= limits.bytesMax && work <= limits.itemsMax);
}

function composeGroup(group: ReadGroup, kicks: number, nested: NestedSamples, inputs: BatchInputs): ReadOf[] {
  const batches = fitsOne(group) ? [group.parts] : bestBatches(group, kicks);
  return batches.map((batch): ReadOf => {
    const why = [
      ...(batch.length > 1 ? [`${batch.length} reads of other rows in one scan`] : []),
      ...(batches.length > 1 && group.binding !== null ? [`split by ${group.binding}`] : []),
    ];
    const members = batch.length === 1 ? batch[0].members : batch.flatMap((part) => part.members);
    return composedOf(group.read, group.source, members, nested, inputs, why.length === 0 ? null : why.join(', '));
  });
}

function workOf({ members }: Part): number {
  let sum = 0;
  for (const { work } of members) sum += work;
  return sum;
}

function splitPart(part: Part, limits: ReadSizeLimits): readonly Part[] {
  if (part.members.length <= limits.bytesMax && workOf(part) <= limits.itemsMax) return [part];
  const memberOf = new Map(part.members.map((member) => [member.item.id, member]));
  const sizes = part.members.map(({ item, grant, work }) => {
    return { id: item.id, items: work, bytes: 1, priority: grant.score };
  });
  return splitBatch(sizes, limits).map(({ ids }) => {
    return { members: ids.map((id) => memberOf.get(id)!), columns: part.columns };
  });
}

/** The parts of each batch. */
function bestBatches({ parts, limits }: ReadGroup, kicks: number): readonly (readonly Part[])[] {
  const idOf = ({ members }: Part): string => members[0].item.id;
  const byId = new Map(parts.map((part) => [idOf(part), part]));
  const { batches } = composeBatches(
    {
      // A scan decodes each column once: parts with the same columns belong together. Opening counts like a column.
      items: parts.map((part) => ({
        id: idOf(part),
        sources: part.columns,
        demand: [part.members.length, workOf(part)],
      })),
      limits: [limits.bytesMax, Math.min(limits.itemsMax, Number.MAX_VALUE)],
      batchCost: 1,
      sourceCosts: {},
      defaultSourceCost: 1,
    },
    kicks,
  );
  return batches.map((ids) => ids.map((id) => byId.get(id)!));
}

function composedOf(
  { dataset, datasetVersion }: SharedRead,
  source: string,
  members: readonly Member[],
  nested: NestedSamples,
  inputs: BatchInputs,
  reason: string | null,
): ReadOf {
  // In order of their ids, as their indices are.
  const inOrder = isInOrder(members) ? members : [...members].sort((a, b) => a.index - b.index);
  const slices: PlannedSlice[] = [];
  const indices: number[] = [];
  for (const { index, item, grant } of inOrder) {
    slices.push(sliceOf(item, grant));
    indices.push(index);
  }
  // What is limited was charged; what is not is what the members' rows are expected to be together.
  const { rows: rowsMax, bytesPerValue } = inputs.datasets.find(({ id }) => id === dataset)!;
  const expected = expectedRows(
    members.map(({ index, grant }) => ({ index, rows: grant.rows })),
    nested,
    rowsMax,
  );
  const width = widthOf([...new Set(members.flatMap(({ item }) => item.fields))], bytesPerValue);
  const charged = (resource: string, otherwise: number): number =>
    inputs.limits.some((limit) => limit.resource === resource)
      ? members.reduce((sum, { grant }) => sum + (grant.cost[resource] ?? 0), 0)
      : otherwise;
  const predictedRows = charged(`rows:${source}`, expected);
  const predictedBytes = charged(`bytes:${source}`, expected * width);
  let [askedBytes, score] = [0, -Infinity];
  for (const { grant } of members) {
    askedBytes += grant.bytes;
    score = Math.max(score, grant.score);
  }
  return {
    ...{ dataset, source, contentId: isPinned(datasetVersion) ? datasetVersion : null, slices },
    ...{ predictedBytes, predictedRows, askedBytes, score },
    predicted: predictionOf(inputs.readCosts[dataset], members),
    reason,
    members: indices,
  };
}

function isInOrder(members: readonly Member[]): boolean {
  for (let m = 1; m < members.length; m++) if (members[m].index < members[m - 1].index) return false;
  return true;
}

function predictionOf(model: SizeModelState | undefined, members: readonly Member[]): ReadPrediction | null {
  if (model === undefined) return null;
  return predictRead(
    model,
    members.map(({ item, grant }) => ({ rows: grant.rows, fields: item.fields })),
  );
}

/** What a grant has its item read. */
export function sliceOf(item: WorkItem, grant: Grant): PlannedSlice {
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
    cover: grant.cover,
  };
}
