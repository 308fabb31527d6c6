/** What each item would cost: rows, own bytes, and its share of the merged read that serves it. */
import { planMergedReads, type MergedRead, type ReadRequest } from '../batch/merge.js';
import { classQuotas } from './class-quotas.js';
import type { BatchInputs } from './batch-inputs.js';
import { formatBytes } from '../types/units.js';
import type { DatasetFacts, Refusal, WorkItem } from './work.js';

export interface CostedItem {
  readonly item: WorkItem;
  /** Rows that it would get if nothing were scarce. */
  readonly rows: number;
  readonly aheadRows: number;
  readonly ownBytes: number;
  readonly bytesPerRow: number;
  /** Target shares of the classes; null: no class mix to keep. */
  readonly shares: Readonly<Record<string, number>> | null;
  /** Served from the cache: costs nothing. */
  readonly cached: boolean;
  /** Cost by limited resource. */
  readonly cost: Readonly<Record<string, number>>;
}

/**
 * A scan has to open and decode its source before the first row: worth about this many cells, measured on Parquet
 * (a scan of 3M rows costs what writing about 100k cells costs). Reads whose overlap saves less stay apart.
 */
const SCAN_COST_CELLS = 100_000;

/** Version of a read that nobody pinned: whatever is there when it runs. Pinned requests never share a read with others. */
export const CURRENT = 'current';

/** What is wanted and how it merges: the same for every round of sharing. */
export interface MergedDemand {
  readonly items: readonly WorkItem[];
  readonly wanted: ReadonlyMap<string, Wanted>;
  readonly reads: readonly MergedRead[];
  readonly refusals: readonly Refusal[];
}

export function mergeDemand(inputs: BatchInputs, aheadFactor: number): MergedDemand {
  const refusedBefore = new Set(inputs.refused);
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const hits = new Set(inputs.hits);
  const open = inputs.items.filter(
    (item) => !refusedBefore.has(item.id) && datasets.has(item.dataset) && facts.has(item.id),
  );
  const wanted = new Map(open.map((item) => [item.id, wantedRows(item, inputs, aheadFactor, facts.get(item.id)!)]));
  const beyond = open.flatMap((item) =>
    hits.has(item.id) ? [] : beyondQuota(item, wanted.get(item.id)!.rows, datasets.get(item.dataset)!, inputs),
  );
  const tooLarge = new Set(beyond.map(({ itemId }) => itemId));
  const metered = new Set(inputs.limits.flatMap(({ source }) => (source === null ? [] : [source])));
  const plans = [true, false].map((limited) =>
    planMergedReads(
      open

        .filter(
          (item) =>
            !hits.has(item.id) && !tooLarge.has(item.id) && metered.has(datasets.get(item.dataset)!.source) === limited,
        )
        .map((item): ReadRequest => ({
          ...item,
          datasetVersion: item.datasetVersion === null ? CURRENT : datasets.get(item.dataset)!.contentId,
        })),
      {
        // Where bytes are counted, a merge must save bytes; elsewhere it must save time.
        cost: { perOperation: limited ? 0 : SCAN_COST_CELLS, perUnit: 1 },
        estimatedRows: Object.fromEntries(open.map((item) => [item.id, wanted.get(item.id)!.rows])),
      },
    ),
  );
  const unmerged = plans.flatMap(({ refused }) =>
    refused.map(({ requestId, type, reason }): Refusal => ({ itemId: requestId, type, reason })),
  );
  const refusals = [...beyond, ...unmerged];
  const refused = new Set(refusals.map(({ itemId }) => itemId));
  return {
    items: open.filter(({ id }) => !refused.has(id)),
    wanted,
    reads: plans.flatMap(({ reads }) => reads),
    refusals,
  };
}

/** A request is served whole or not at all: one that is larger than all that may leave its source in a period would wait for ever. */
function beyondQuota(item: WorkItem, rows: number, dataset: DatasetFacts, { limits }: BatchInputs): Refusal[] {
  const quota = limits.find(({ resource, source }) => isQuota(resource) && source === dataset.source);
  const bytes = rows * widthOf(item.fields, dataset.bytesPerValue);
  if (item.kind !== 'request' || quota === undefined || bytes <= quota.burst) return [];
  const reason = `${rows} rows are about ${formatBytes(bytes)}; the quota of ${dataset.source} is ${formatBytes(quota.burst)}`;
  const hint = 'Ask for fewer rows or fields, or raise limits.quota of the source.';
  return [{ itemId: item.id, type: 'ExceedsQuota', reason, hint }];
}

/** Cost of every item when its read is charged by `factors`. */
export function costItems(inputs: BatchInputs, { items, wanted }: MergedDemand, factors: ShareFactors): CostedItem[] {
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const hits = new Set(inputs.hits);
  return items.map((item): CostedItem => {
    const { rows, aheadRows, shares } = wanted.get(item.id)!;
    const dataset = datasets.get(item.dataset)!;
    const bytesPerRow = widthOf(item.fields, dataset.bytesPerValue);
    const factor = hits.has(item.id) ? { bytes: 0, rows: 0 } : factors.get(item.id)!;
    const cost: Record<string, number> = {};
    for (const limit of inputs.limits) {
      if (limit.source === null) cost[limit.resource] = item.resources[limit.resource] ?? 0;
      else if (limit.source === dataset.source)
        cost[limit.resource] = countsBytes(limit.resource) ? rows * bytesPerRow * factor.bytes : rows * factor.rows;
    }
    return {
      item,
      rows,
      aheadRows,
      ownBytes: rows * bytesPerRow,
      bytesPerRow,
      shares,
      cached: hits.has(item.id),
      cost,
    };
  });
}

/** Limits of a source are bytes (a second: `bytes:`, in a period: `quota:`) or rows. */
export function countsBytes(resource: string): boolean {
  return !resource.startsWith('rows:');
}

/** A quota is never exceeded; the other limits of a source are buckets, which may go into debt. */
export function isQuota(resource: string): boolean {
  return resource.startsWith('quota:');
}

export type ShareFactors = ReadonlyMap<string, { readonly bytes: number; readonly rows: number }>;

export interface Wanted {
  readonly rows: number;
  readonly aheadRows: number;
  readonly shares: Readonly<Record<string, number>> | null;
}

/** Rows wanted now: what is asked and still owed, less what came ahead, plus what is taken ahead; never more than match or than the mix allows. */
function wantedRows(
  item: WorkItem,
  inputs: BatchInputs,
  aheadFactor: number,
  facts: { rows: number; classCounts: Readonly<Record<string, number>> | null },
): Wanted {
  const base =
    item.rows === null ? facts.rows : Math.max(0, item.rows + (item.owedRows ?? 0) - (inputs.aheadRows[item.id] ?? 0));
  const ahead = item.kind === 'need' && item.rows !== null ? Math.floor(item.rows * aheadFactor) : 0;
  // Every new row is handed out: a draw by class would lose the others.
  const shares = item.window == null ? (inputs.resample[item.id] ?? null) : null;
  const most =
    shares === null || facts.classCounts === null
      ? facts.rows
      : classQuotas(facts.classCounts, shares, base + ahead, item.maxClassGap).rows;
  const rows = Math.min(base + ahead, most);
  return { rows, aheadRows: Math.max(0, rows - base), shares };
}

/**
 * What part of its own bytes and rows each member of a merged read is charged, so that the charges add up to what is
 * read: the union of the members' rows, each as wide as the read's fields together. Members with the same predicate,
 * seed and mix draw nested samples (the pick is by hash), so that their union is the largest of them; different
 * predicates are counted in full, which never understates.
 * @param rowsOf rows of each member: what is wanted at first, what is granted in later rounds
 */
export function shareFactors(
  reads: readonly MergedRead[],
  demand: MergedDemand,
  rowsOf: (itemId: string) => number,
  inputs: BatchInputs,
): ShareFactors {
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const items = new Map(demand.items.map((item) => [item.id, item]));
  const factors = new Map<string, { bytes: number; rows: number }>();
  for (const read of reads) {
    const { bytesPerValue } = datasets.get(read.dataset)!;
    const unions = new Map<string, number>();
    const fields = new Set<string>();
    let ownBytes = 0;
    let ownRows = 0;
    for (const { requestId } of read.members) {
      const item = items.get(requestId)!;
      const rows = rowsOf(requestId);
      const key = JSON.stringify([item.where, item.seed, demand.wanted.get(requestId)!.shares]);
      unions.set(key, Math.max(unions.get(key) ?? 0, rows));
      if (rows > 0) for (const field of item.fields) fields.add(field);
      ownBytes += rows * widthOf(item.fields, bytesPerValue);
      ownRows += rows;
    }
    const readRows = [...unions.values()].reduce((sum, rows) => sum + rows, 0);
    const readBytes = readRows * widthOf([...fields], bytesPerValue);
    const factor = { bytes: ownBytes === 0 ? 1 : readBytes / ownBytes, rows: ownRows === 0 ? 1 : readRows / ownRows };
    for (const { requestId } of read.members) factors.set(requestId, factor);
  }
  return factors;
}

function widthOf(fields: readonly string[], bytesPerValue: Readonly<Record<string, number>>): number {
  return fields.reduce((sum, field) => sum + (bytesPerValue[field] ?? 8), 0);
}
