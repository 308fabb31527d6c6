/** The merged reads of a plan, cut to the items that were granted, in the order in which they run. */
import type { MergedRead } from '../batch/merge.js';
import type { Predicate } from '../types/predicate.js';
import type { BatchInputs } from './batch-inputs.js';
import { CURRENT } from './costs.js';
import type { Grant } from './grants.js';
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
export interface PlannedRead {
  readonly ordinal: number;
  readonly dataset: string;
  readonly source: string;
  /** The pinned content; null: whatever is there when it runs. */
  readonly contentId: string | null;
  readonly slices: readonly PlannedSlice[];
  /** Bytes that the read is charged with, and that its members would have read alone. */
  readonly predictedBytes: number;
  readonly askedBytes: number;
  readonly score: number;
}

/** Slices of one read: bounds what one activity does, and what is lost when it fails. */
export const SLICES_PER_READ_MAX = 500;

export function planReads(reads: readonly MergedRead[], grants: readonly Grant[], inputs: BatchInputs): PlannedRead[] {
  const granted = new Map(grants.filter(({ served }) => served === 'read').map((grant) => [grant.itemId, grant]));
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const sources = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset.source]));
  const planned = reads.flatMap((read) => {
    const members = read.members.map(({ requestId }) => granted.get(requestId)).filter((grant) => grant !== undefined);
    const parts: Omit<PlannedRead, 'ordinal'>[] = [];
    for (let start = 0; start < members.length; start += SLICES_PER_READ_MAX) {
      const part = members.slice(start, start + SLICES_PER_READ_MAX);
      const source = sources.get(read.dataset)!;
      parts.push({
        dataset: read.dataset,
        source,
        contentId: read.datasetVersion === CURRENT ? null : read.datasetVersion,
        slices: part.map((grant) => sliceOf(items.get(grant.itemId)!, grant)),
        predictedBytes: part.reduce((sum, grant) => sum + (grant.cost[`bytes:${source}`] ?? grant.bytes), 0),
        askedBytes: part.reduce((sum, grant) => sum + grant.bytes, 0),
        score: Math.max(...part.map(({ score }) => score)),
      });
    }
    return parts;
  });
  // The most urgent read first; ties by the smallest item id, which no two reads share.
  planned.sort((a, b) => b.score - a.score || (a.slices[0].id < b.slices[0].id ? -1 : 1));
  return planned.map((read, ordinal) => ({ ordinal, ...read }));
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
    classColumn: grant.quotas === null ? null : item.classColumn,
    quotas: grant.quotas,
  };
}
