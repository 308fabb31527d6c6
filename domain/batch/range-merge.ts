/**
 * Merges requests for ranges of whole-number keys into batches. A batch reads a rectangle, its fields x its ranges, so
 * merging trades operations and shared cells against cells that nobody asked for. Cost of a plan: `perOperation` for
 * each contiguous range of a batch + `perUnit` for each cell (key x field) read.
 */
import { FieldSets } from './field-sets.js';
import { gapMaxOf, partition, type RangeCost, type RangeNode } from './range-partition.js';
import { bridged, keyCount, pairsOf, uniteAll, type Segments } from './segments.js';

export type { RangeCost } from './range-partition.js';

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

function hiddenFields({ fields, allowedFields }: RangeRequest): readonly string[] {
  if (allowedFields === undefined) return [];
  const allowed = new Set(allowedFields);
  return [...new Set(fields)].filter((field) => !allowed.has(field)).sort();
}

/** One node per distinct question: the same fields, clearance and keys. */
function nodesOf(requests: readonly RangeRequest[], fieldSets: FieldSets): RangeNode[] {
  const nodes = new Map<string, RangeNode>();
  for (const { id, fields, keys, allowedFields } of requests) {
    const set = fieldSets.intern(fields);
    const allowed = allowedFields === undefined ? null : fieldSets.intern(allowedFields);
    const key = `${set}|${allowed ?? ''}|${keys.join()}`;
    const node = nodes.get(key);
    if (node === undefined) nodes.set(key, { key, fields: set, allowed, keys, requests: [id] });
    else node.requests.push(id);
  }
  return [...nodes.values()].sort((a, b) => byText(a.requests[0], b.requests[0]));
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

const sumVolumes = (volumes: readonly ReadVolume[]): ReadVolume => ({
  operations: volumes.reduce((sum, volume) => sum + volume.operations, 0),
  units: volumes.reduce((sum, volume) => sum + volume.units, 0),
});

const volumeOf = (fields: number, keys: Segments): ReadVolume => ({
  operations: keys.length / 2,
  units: fields * keyCount(keys),
});

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
  for (const [dataset, group] of groupBy(accepted, (request) => request.dataset)) {
    const nodes = nodesOf(group, fieldSets);
    bounds.push(boundOf(nodes, fieldSets));
    for (const part of partition(nodes, fieldSets, cost)) {
      const fields = fieldSets.list(part.fields);
      const keys = bridged(part.keys, gapMaxOf(cost, fields.length));
      read.push(volumeOf(fields.length, keys));
      const ids = part.nodes.flatMap((node) => node.requests).sort(byText);
      batches.push({ dataset, fields, ranges: pairsOf(keys), requests: ids });
    }
  }
  batches.sort((a, b) => byText(a.dataset, b.dataset) || byText(a.requests[0], b.requests[0]));
  const asked = accepted.map(({ fields, keys }) => volumeOf(new Set(fields).size, keys));
  return { batches, read: sumVolumes(read), asked: sumVolumes(asked), lowerBound: sumVolumes(bounds), refused };
}
