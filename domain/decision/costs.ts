/** What each item would cost: rows, own bytes, and its share of the merged read that serves it. */
import { planMergedReads, type MergedRead, type ReadRequest } from '../batch/merge.js';
import { classQuotas } from './class-quotas.js';
import type { BatchInputs } from './batch.js';
import type { Refusal, WorkItem } from './work.js';

export interface CostedItem {
  readonly item: WorkItem;
  /** Rows that it would get if nothing were scarce. */
  readonly rows: number;
  readonly aheadRows: number;
  readonly ownBytes: number;
  readonly bytesPerRow: number;
  /** Rows of each class at full size; null: no class mix to keep. */
  readonly shares: Readonly<Record<string, number>> | null;
  /** Served from the cache: costs nothing. */
  readonly cached: boolean;
  /** Members of its merged read, itself included. */
  readonly sharedWith: readonly string[];
  /** Cost by limited resource. */
  readonly cost: Readonly<Record<string, number>>;
}

/**
 * A scan has to open and decode its source before the first row: worth about this many cells, measured on Parquet
 * (a scan of 3M rows costs what writing about 100k cells costs). Reads whose overlap saves less stay apart.
 */
const SCAN_COST_CELLS = 100_000;

export function costItems(inputs: BatchInputs, aheadFactor: number): { costed: CostedItem[]; refusals: Refusal[]; reads: readonly MergedRead[] } {
  const refusedBefore = new Set(inputs.refused);
  const facts = new Map(inputs.facts.map((fact) => [fact.itemId, fact]));
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const hits = new Set(inputs.hits);
  const open = inputs.items.filter((item) => !refusedBefore.has(item.id) && datasets.has(item.dataset) && facts.has(item.id));
  const rowsOf = new Map(open.map((item) => [item.id, wantedRows(item, inputs, aheadFactor, facts.get(item.id)!)]));

  const reading = open.filter((item) => !hits.has(item.id));
  const plan = planMergedReads(
    reading.map((item): ReadRequest => ({ ...item, datasetVersion: datasets.get(item.dataset)!.contentId, maxAgeMs: item.maxAgeMs })),
    {
      cost: { perOperation: SCAN_COST_CELLS, perUnit: 1 },
      estimatedRows: Object.fromEntries(open.map((item) => [item.id, facts.get(item.id)!.rows])),
    },
  );
  const refusals = plan.refused.map(({ requestId, type, reason }): Refusal => ({ itemId: requestId, type, reason }));
  const refused = new Set(refusals.map(({ itemId }) => itemId));
  const factors = shareFactors(plan.reads, new Map(open.map((item) => [item.id, item])), rowsOf, inputs);
  const membersOf = new Map(plan.reads.flatMap((read) => read.members.map((member) => [member.requestId, read.members.map(({ requestId }) => requestId)] as const)));

  const costed = open
    .filter((item) => !refused.has(item.id))
    .map((item): CostedItem => {
      const { rows, aheadRows, shares } = rowsOf.get(item.id)!;
      const dataset = datasets.get(item.dataset)!;
      const bytesPerRow = item.fields.reduce((sum, field) => sum + (dataset.bytesPerValue[field] ?? 8), 0);
      const factor = hits.has(item.id) ? { bytes: 0, rows: 0 } : factors.get(item.id)!;
      const cost: Record<string, number> = {};
      for (const limit of inputs.limits) {
        if (limit.source === null) cost[limit.resource] = item.resources[limit.resource] ?? 0;
        else if (limit.source === dataset.source) cost[limit.resource] = limit.resource.startsWith('bytes:') ? rows * bytesPerRow * factor.bytes : rows * factor.rows;
      }
      return { item, rows, aheadRows, ownBytes: rows * bytesPerRow, bytesPerRow, shares, cached: hits.has(item.id), sharedWith: membersOf.get(item.id) ?? [item.id], cost };
    });
  return { costed, refusals, reads: plan.reads };
}

interface Wanted {
  readonly rows: number;
  readonly aheadRows: number;
  readonly shares: Readonly<Record<string, number>> | null;
}

/** Rows wanted now: what is asked, less what came ahead, plus what is taken ahead; never more than match or than the mix allows. */
function wantedRows(item: WorkItem, inputs: BatchInputs, aheadFactor: number, facts: { rows: number; classCounts: Readonly<Record<string, number>> | null }): Wanted {
  const base = item.rows === null ? facts.rows : Math.max(0, item.rows - (inputs.aheadRows[item.id] ?? 0));
  const ahead = item.kind === 'need' && item.rows !== null ? Math.floor(item.rows * aheadFactor) : 0;
  const shares = inputs.resample[item.id] ?? null;
  const most = shares === null || facts.classCounts === null ? facts.rows : classQuotas(facts.classCounts, shares, base + ahead, item.maxClassGap).rows;
  const rows = Math.min(base + ahead, most);
  return { rows, aheadRows: Math.max(0, rows - base), shares };
}

/**
 * What part of its own bytes and rows each member of a merged read is charged, so that the charges add up to what is
 * read. Members with the same predicate and seed draw nested samples (the pick is by hash), so that their union is
 * the largest of them; different predicates are counted in full, which never understates.
 */
function shareFactors(
  reads: readonly MergedRead[],
  items: ReadonlyMap<string, WorkItem>,
  wanted: ReadonlyMap<string, Wanted>,
  inputs: BatchInputs,
): ReadonlyMap<string, { bytes: number; rows: number }> {
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const factors = new Map<string, { bytes: number; rows: number }>();
  for (const read of reads) {
    const width = datasets.get(read.dataset)!.bytesPerValue;
    const groups = new Map<string, { rows: number; fields: Set<string> }>();
    let ownBytes = 0;
    let ownRows = 0;
    for (const { requestId } of read.members) {
      const item = items.get(requestId)!;
      const { rows, shares } = wanted.get(requestId)!;
      const key = JSON.stringify([item.where, item.seed, shares]);
      const group = groups.get(key) ?? { rows: 0, fields: new Set<string>() };
      groups.set(key, { rows: Math.max(group.rows, rows), fields: new Set([...group.fields, ...item.fields]) });
      ownBytes += rows * item.fields.reduce((sum, field) => sum + (width[field] ?? 8), 0);
      ownRows += rows;
    }
    let readBytes = 0;
    let readRows = 0;
    for (const { rows, fields } of groups.values()) {
      readRows += rows;
      readBytes += rows * [...fields].reduce((sum, field) => sum + (width[field] ?? 8), 0);
    }
    const factor = { bytes: ownBytes === 0 ? 1 : Math.min(1, readBytes / ownBytes), rows: ownRows === 0 ? 1 : Math.min(1, readRows / ownRows) };
    for (const { requestId } of read.members) factors.set(requestId, factor);
  }
  return factors;
}
