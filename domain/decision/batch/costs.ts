/** What each item would cost: rows, own bytes, and its share of the merged read that serves it. */
import { FieldSets } from '../../batch/field-sets.js';
import type { MergeCost } from '../../batch/merge-groups.js';
import { MergeTable, type Sample } from '../../batch/merge-table.js';
import { assertIdsDiffer, groupRequests } from '../../batch/merge.js';
import { numberOf } from '../../batch/pair-ids.js';
import { classQuotas } from './class-quotas.js';
import type { BatchInputs } from './batch-inputs.js';
import { nestedSamples, type NestedSamples } from './nested-samples.js';
import { limitedMs } from './read-wait.js';
import { formatBytes } from '../../types/units.js';
import type { ArrivalCut, DatasetFacts, ItemFacts, Refusal, WorkItem } from '../work.js';

/** Something that can be served, before anything is scarce. */
export interface CostedItem {
  readonly item: WorkItem;
  /** Its place among the items of the plan, which are in order of id. */
  readonly index: number;
  readonly source: string;
  /** Rows that it would get if nothing were scarce. */
  readonly rows: number;
  readonly aheadRows: number;
  readonly ownBytes: number;
  readonly bytesPerRow: number;
  /** Target shares of the classes; null: no class mix to keep. */
  readonly shares: Readonly<Record<string, number>> | null;
  readonly classCounts: Readonly<Record<string, number>> | null;
  readonly facts: ItemFacts;
  /** From analyze, 0 to 1. */
  readonly criticality: number;
  /** Cycles that looked at it, this one included. */
  readonly attempts: number;
  /** Fewer rows than this are not worth handing out: the need's own bound, less what came ahead earlier. */
  readonly least: number;
  /** A window of new rows: how many of its oldest can be handed out without the rest. */
  readonly cuts: readonly ArrivalCut[];
  /** Served from the cache: costs nothing. */
  readonly cached: boolean;
}

/**
 * A scan has to open and decode its source before the first row: worth about this many cells, measured on Parquet
 * (a scan of 3M rows costs what writing about 100k cells costs). Reads whose overlap saves less stay apart.
 */
const SCAN_COST_CELLS = 100_000;

/** Version of a read that nobody pinned: whatever is there when it runs. Pinned requests never share a read with others. */
export const CURRENT = 'current';

/** The same of requests whose reads outlast their cycle: they share reads with one another only. */
const LONG = 'long';

/** Whether the version of a read names a content. */
export function isPinned(datasetVersion: string): boolean {
  return datasetVersion !== CURRENT && datasetVersion !== LONG;
}

const NO_CUTS: readonly ArrivalCut[] = [];

/** Items that share a read. */
export interface SharedRead {
  readonly dataset: string;
  readonly datasetVersion: string;
  /** Union of their fields and of the columns that their predicates need. */
  readonly fields: readonly string[];
  /** Indices of the items, ascending. */
  readonly members: Uint32Array;
  /** Of each member, the number of the set of rows that it asks for. */
  readonly rowSets: Uint32Array;
}

/** What is wanted and how it merges: the same for every round of sharing. */
export interface MergedDemand {
  /** In order of id, whatever order they came in. */
  readonly items: readonly CostedItem[];
  /** Fields of each item, in `fieldSets`. */
  readonly fieldsOf: readonly number[];
  readonly fieldSets: FieldSets;
  /** By their first members. */
  readonly reads: readonly SharedRead[];
  readonly nested: NestedSamples;
  readonly refusals: readonly Refusal[];
}

/** @param refused items that are served by nothing now, whatever is scarce */
export function mergeDemand(inputs: BatchInputs, refused: ReadonlySet<string>, aheadFactor: number): MergedDemand {
  const factsOf = factsById(inputs.facts);
  const datasets = new Map(inputs.datasets.map((dataset) => [dataset.id, dataset]));
  const hits = new Set(inputs.hits);
  const known = knownOf(inputs);
  const hasQuota = inputs.limits.some(({ resource }) => isQuota(resource));
  const metered = new Set(inputs.limits.flatMap(({ source }) => (source === null ? [] : [source])));
  const refusals: Refusal[] = [];
  const items: CostedItem[] = [];
  const fieldSets = new FieldSets();
  const fieldsOf: number[] = [];
  // Where bytes are counted, a merge must save bytes; elsewhere it must save time.
  const limited = new Merging({ perOperation: 0, perUnit: 1 }, fieldSets, inputs.weighsSamples);
  const free = new Merging({ perOperation: SCAN_COST_CELLS, perUnit: 1 }, fieldSets);
  assertIdsDiffer(inputs.items);
  for (const item of inputs.items) {
    const dataset = datasets.get(item.dataset);
    const fact = factsOf(item.id);
    if (dataset === undefined || fact === undefined || refused.has(item.id)) continue;
    const cached = hits.has(item.id);
    const wanted = wantedRows(item, known, aheadFactor, fact);
    const tooLarge = cached || !hasQuota ? null : beyondQuota(item, wanted.rows, dataset, inputs);
    const refusal = tooLarge ?? (item.fields.length === 0 ? noFields(item) : null);
    if (refusal !== null) {
      refusals.push(refusal);
      continue;
    }
    const costed = costedItem(item, items.length, dataset, wanted, fact, cached, known);
    const fields = fieldSets.intern(item.fields);
    items.push(costed);
    fieldsOf.push(fields);
    if (cached) continue;
    const merging = metered.has(dataset.source) ? limited : free;
    merging.add(costed, fields, versionOf(costed, dataset, inputs));
  }
  const reads = [...limited.reads(), ...free.reads()].sort((a, b) => a.members[0] - b.members[0]);
  return { items, fieldsOf, fieldSets, reads, nested: nestedSamples(items, reads), refusals };
}

/** Finds the facts of an item. They mostly come in the order in which they are asked for: only otherwise all are looked up by id. */
function factsById(facts: readonly ItemFacts[]): (id: string) => ItemFacts | undefined {
  let next = 0;
  let byId: Map<string, ItemFacts> | null = null;
  return (id) => {
    if (next < facts.length && facts[next].itemId === id) return facts[next++];
    byId ??= new Map(facts.map((fact) => [fact.itemId, fact]));
    return byId.get(id);
  };
}

/** Items that are merged by one rule of cost. */
class Merging {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new Merging({ perOperation: 0, perUnit: 1 }, FieldSets.held);

  private readonly table: MergeTable;
  private readonly items: CostedItem[] = [];
  private readonly nodeOf: number[] = [];

  private readonly draws = new Map<string | number, number>();

  constructor(
    private readonly cost: MergeCost,
    fieldSets: FieldSets,
    private readonly weighsSamples = false,
  ) {
    this.table = new MergeTable(fieldSets);
  }

  /** In order of id. */
  add(costed: CostedItem, fields: number, version: string): void {
    const { dataset, where } = costed.item;
    this.nodeOf.push(this.table.add(dataset, version, fields, where, costed.rows, this.sampleOf(costed)));
    this.items.push(costed);
  }

  private sampleOf({ item, rows, facts, shares }: CostedItem): Sample | null {
    if (!this.weighsSamples || rows >= facts.rows) return null;
    const draw = shares === null ? item.seed : `${item.seed} ${JSON.stringify(shares)}`;
    return { draw: numberOf(this.draws, draw), most: facts.rows };
  }

  reads(): SharedRead[] {
    const groups = groupRequests(this.table, { cost: this.cost });
    const groupOf = new Uint32Array(this.nodeOf.length);
    const rowSetOf = new Uint32Array(this.nodeOf.length);
    for (let g = 0; g < groups.length; g++) {
      const { nodes } = groups[g];
      for (let n = 0; n < nodes.length; n++) {
        groupOf[nodes[n]] = g;
        rowSetOf[nodes[n]] = this.table.boxIds[nodes[n]];
      }
    }
    const count = this.items.length;
    const next = new Uint32Array(groups.length + 1);
    for (let at = 0; at < count; at++) next[groupOf[this.nodeOf[at]] + 1]++;
    for (let g = 0; g < groups.length; g++) next[g + 1] += next[g];
    const members = new Uint32Array(count);
    const rowSets = new Uint32Array(count);
    const reads: SharedRead[] = [];
    const starts = next.slice();
    for (let at = 0; at < count; at++) {
      const node = this.nodeOf[at];
      const place = next[groupOf[node]]++;
      members[place] = this.items[at].index;
      rowSets[place] = rowSetOf[node];
    }
    const { buckets, bucketOf, fieldSets } = this.table;
    for (let g = 0; g < groups.length; g++) {
      const { nodes, fields } = groups[g];
      const { dataset, datasetVersion } = buckets[bucketOf[nodes[0]]];
      reads.push({
        dataset,
        datasetVersion,
        fields: fieldSets.list(fields),
        members: members.subarray(starts[g], starts[g + 1]),
        rowSets: rowSets.subarray(starts[g], starts[g + 1]),
      });
    }
    return reads;
  }
}

/** What is known of items by id: asked for each, and for very many a record is slower than a map. */
interface Known {
  readonly criticality: ReadonlyMap<string, number>;
  readonly attempts: ReadonlyMap<string, number>;
  readonly aheadRows: ReadonlyMap<string, number>;
  readonly resample: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

function knownOf({ criticality, attempts, aheadRows, resample }: BatchInputs): Known {
  return {
    criticality: new Map(Object.entries(criticality)),
    attempts: new Map(Object.entries(attempts)),
    aheadRows: new Map(Object.entries(aheadRows)),
    resample: new Map(Object.entries(resample)),
  };
}

/** What is read together must be of one version; and what is soon there waits for nothing that the limits of its source keep. */
function versionOf(
  { item, source, ownBytes: bytes, rows }: CostedItem,
  { contentId }: DatasetFacts,
  { limits, readWaitMs = Infinity }: BatchInputs,
): string {
  if (item.datasetVersion !== null) return contentId;
  return item.kind === 'request' && limitedMs(source, { bytes, rows }, limits) > readWaitMs ? LONG : CURRENT;
}

function noFields({ id }: WorkItem): Refusal {
  const reason = `request ${id} names no field`;
  return { itemId: id, type: 'NoFields', reason, hint: 'Name at least one field.', resource: 'fields', shortfall: 1 };
}

function costedItem(
  item: WorkItem,
  index: number,
  { source, bytesPerValue }: DatasetFacts,
  { rows, aheadRows, shares }: Wanted,
  facts: ItemFacts,
  cached: boolean,
  known: Known,
): CostedItem {
  const { classCounts, cuts = NO_CUTS } = facts;
  const bytesPerRow = widthOf(item.fields, bytesPerValue);
  return {
    item,
    index,
    source,
    rows,
    aheadRows,
    ownBytes: rows * bytesPerRow,
    bytesPerRow,
    shares,
    classCounts,
    facts,
    criticality: known.criticality.get(item.id) ?? 0,
    attempts: item.kind === 'need' ? item.attempts : (known.attempts.get(item.id) ?? 1),
    least: Math.max(0, item.minRows - (known.aheadRows.get(item.id) ?? 0)),
    cuts,
    cached,
  };
}

/** A request is served whole or not at all: one that is larger than all that may leave its source in a period would wait for ever. */
function beyondQuota(item: WorkItem, rows: number, dataset: DatasetFacts, { limits }: BatchInputs): Refusal | null {
  const quota = limits.find(({ resource, source }) => isQuota(resource) && source === dataset.source);
  if (item.kind !== 'request' || quota === undefined) return null;
  const bytes = rows * widthOf(item.fields, dataset.bytesPerValue);
  if (bytes <= quota.burst) return null;
  const reason = `${rows} rows are about ${formatBytes(bytes)}; the quota of ${dataset.source} is ${formatBytes(quota.burst)}`;
  const hint = 'Never, unless it asks for fewer rows or fields, or limits.quota of the source is raised.';
  const short = { resource: quota.resource, shortfall: bytes - quota.burst };
  return { itemId: item.id, type: 'ExceedsQuota', reason, hint, ...short };
}

/** Limits of a source are bytes (a second: `bytes:`, in a period: `quota:`) or rows. */
export function countsBytes(resource: string): boolean {
  return !resource.startsWith('rows:');
}

/** A limit a second of its source: a bucket, which may go into debt. A quota, or a resource of the pool, may not. */
export function isBucket(resource: string, source: string): boolean {
  return resource === `bytes:${source}` || resource === `rows:${source}`;
}

/** A quota is never exceeded. */
export function isQuota(resource: string): boolean {
  return resource.startsWith('quota:');
}

interface Wanted {
  readonly rows: number;
  readonly aheadRows: number;
  readonly shares: Readonly<Record<string, number>> | null;
}

/** Rows wanted now: what is asked and still owed, less what came ahead, plus what is taken ahead; never more than match or than the mix allows. */
function wantedRows(
  item: WorkItem,
  { aheadRows, resample }: Known,
  aheadFactor: number,
  facts: { rows: number; classCounts: Readonly<Record<string, number>> | null },
): Wanted {
  const base =
    item.rows === null ? facts.rows : Math.max(0, item.rows + (item.owedRows ?? 0) - (aheadRows.get(item.id) ?? 0));
  const ahead = item.kind === 'need' && item.rows !== null ? Math.floor(item.rows * aheadFactor) : 0;
  // Every new row is handed out: a draw by class would lose the others.
  const shares = item.window == null ? (resample.get(item.id) ?? null) : null;
  const most =
    shares === null || facts.classCounts === null
      ? facts.rows
      : classQuotas(facts.classCounts, shares, base + ahead, item.maxClassGap).rows;
  const rows = Math.min(base + ahead, most);
  return { rows, aheadRows: Math.max(0, rows - base), shares };
}

export function widthOf(fields: readonly string[], bytesPerValue: Readonly<Record<string, number>>): number {
  let width = 0;
  for (const field of fields) width += bytesPerValue[field] ?? 8;
  return width;
}
