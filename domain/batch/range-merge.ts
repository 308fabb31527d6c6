/**
 * Merges requests for ranges of whole-number keys into batches. A batch reads a rectangle, its fields x its ranges, so
 * merging trades operations and shared cells against cells that nobody asked for. Cost of a plan: `perOperation` for
 * each contiguous range of a batch + `perUnit` for each cell (key x field) read.
 */
import { FieldSets } from './field-sets.js';
import { partition } from './range-partition.js';
import { gapMaxOf, type RangeCost, type RangeNode, type RangePart } from './range-rectangles.js';
import { bridged, keyCount, pairsOf, uniteAll, type Segments } from './segments.js';

export type { RangeCost } from './range-rectangles.js';

/** A parsed request: its keys as segments. */
export interface RangeRequest {
  readonly id: string;
  readonly dataset: string;
  readonly fields: readonly string[];
  readonly keys: Segments;
  /** Fields that the requester may see; absent: all. */
  readonly allowedFields?: readonly string[];
}

export interface RangeBatch {
  readonly dataset: string;
  /** Sorted. No member is barred from any of them, so a batch may be handed out whole. */
  readonly fields: readonly string[];
  /** Half-open, sorted, apart. */
  readonly ranges: readonly (readonly [number, number])[];
  /** Request ids, sorted. Each accepted request is in exactly one batch. */
  readonly requests: readonly string[];
}

/** Contiguous ranges read, and cells (key x field) read. */
export interface ReadVolume {
  readonly operations: number;
  readonly units: number;
}

export interface RangeMergeResult {
  readonly batches: readonly RangeBatch[];
  readonly read: ReadVolume;
  /** One read per request and range: what no merging costs. */
  readonly asked: ReadVolume;
  /**
   * Units: the measure of the union of all cells; no plan reads fewer. Operations: connected components of the union of
   * keys; no plan that reads only keys asked for has fewer (bridging a gap may).
   */
  readonly lowerBound: ReadVolume;
  readonly refused: readonly { readonly request: string; readonly reason: string }[];
}

const byText = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

const NO_FIELDS: readonly string[] = [];

function hiddenFields({ fields, allowedFields }: RangeRequest): readonly string[] {
  if (allowedFields === undefined) return NO_FIELDS;
  const allowed = new Set(allowedFields);
  return [...new Set(fields)].filter((field) => !allowed.has(field)).sort();
}

/** One node per distinct question: the same fields, clearance and keys. In the order of their first requests, which are in order of id. */
function nodesOf(requests: readonly RangeRequest[], fieldSets: FieldSets): RangeNode[] {
  const nodes = new Map<string, RangeNode>();
  for (const [at, { fields, keys, allowedFields }] of requests.entries()) {
    const set = fieldSets.intern(fields);
    const allowed = allowedFields === undefined ? null : fieldSets.intern(allowedFields);
    const question = `${set}|${allowed ?? ''}|${keys.join()}`;
    const node = nodes.get(question);
    if (node === undefined) nodes.set(question, { fields: set, allowed, keys, requests: [at] });
    else node.requests.push(at);
  }
  return [...nodes.values()];
}

function boundOf(nodes: readonly RangeNode[], fieldSets: FieldSets): ReadVolume {
  const bySet = groupBy(nodes, (node) => String(node.fields));
  const perField = new Map<string, Segments[]>();
  for (const group of bySet.values()) {
    const keys = uniteAll(group.map((node) => node.keys));
    for (const field of fieldSets.list(group[0].fields)) perField.set(field, [...(perField.get(field) ?? []), keys]);
  }
  const perFieldKeys = [...perField.values()].map(uniteAll);
  return {
    operations: uniteAll(perFieldKeys).length / 2,
    units: perFieldKeys.reduce((sum, keys) => sum + keyCount(keys), 0),
  };
}

function sumVolumes(volumes: readonly ReadVolume[]): ReadVolume {
  let [operations, units] = [0, 0];
  for (const volume of volumes) {
    operations += volume.operations;
    units += volume.units;
  }
  return { operations, units };
}

function volumeOf(fields: number, keys: Segments): ReadVolume {
  return { operations: keys.length / 2, units: fields * keyCount(keys) };
}

/**
 * Plans batches for `requests` (ids are unique). Optimal where at most ten distinct requests of one dataset hang
 * together, and wherever all ask for the same fields; otherwise greedy merging with local search.
 * A request for hidden fields is refused; one without keys is in a batch without ranges. Order is irrelevant.
 */
export function mergeRanges(requests: readonly RangeRequest[], cost: RangeCost): RangeMergeResult {
  const sorted = [...requests].sort((a, b) => byText(a.id, b.id));
  const refused: { request: string; reason: string }[] = [];
  const accepted = sorted.filter((request) => {
    const hidden = hiddenFields(request);
    if (hidden.length > 0) refused.push({ request: request.id, reason: `may not see ${hidden.join(', ')}` });
    return hidden.length === 0;
  });
  const fieldSets = new FieldSets();
  const batches: RangeBatch[] = [];
  const read: ReadVolume[] = [];
  const bounds: ReadVolume[] = [];
  const datasets = [...groupBy(accepted, (request) => request.dataset)].sort((a, b) => byText(a[0], b[0]));
  for (const [dataset, group] of datasets) {
    const nodes = nodesOf(group, fieldSets);
    bounds.push(boundOf(nodes, fieldSets));
    const parts = partition(nodes, fieldSets, cost).map((part) => ({ part, requests: requestsOf(part) }));
    for (const { part, requests: members } of parts.sort((a, b) => a.requests[0] - b.requests[0])) {
      const fields = fieldSets.list(part.fields);
      const keys = bridged(part.keys, gapMaxOf(cost, fields.length));
      read.push(volumeOf(fields.length, keys));
      batches.push({ dataset, fields, ranges: pairsOf(keys), requests: members.map((at) => group[at].id) });
    }
  }
  const asked = accepted.map(({ fields, keys }) => volumeOf(fieldSets.size(fieldSets.intern(fields)), keys));
  return { batches, read: sumVolumes(read), asked: sumVolumes(asked), lowerBound: sumVolumes(bounds), refused };
}

/** In their order. */
function requestsOf({ nodes }: RangePart): readonly number[] {
  if (nodes.length === 1) return nodes[0].requests;
  return Array.from(Uint32Array.from(nodes.flatMap((node) => node.requests)).sort());
}
