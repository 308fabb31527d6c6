/** What a batch of key ranges is and costs: rectangles of fields x keys, alone, together, and growing. */
import type { FieldSets } from './field-sets.js';
import { SegmentList } from './segment-list.js';
import { keyCount, unite, uniteAll, type Segments } from './segments.js';

/** A distinct question of one or more requests. */
export interface RangeNode {
  readonly fields: number;
  /** Fields that its requesters may see, or null for all. */
  readonly allowed: number | null;
  readonly keys: Segments;
  /** Places of the requests that ask it, ascending. */
  readonly requests: number[];
}

/** Requests that share a batch, and the rectangle that it must cover. */
export interface RangePart {
  readonly nodes: readonly RangeNode[];
  readonly fields: number;
  readonly allowed: number | null;
  readonly keys: Segments;
  readonly cost: number;
}

export interface RangeCost {
  readonly perOperation: number;
  readonly perUnit: number;
}

/** Widest gap, in keys, that is no dearer to read for `fields` fields than a new operation. */
export function gapMaxOf(cost: RangeCost, fields: number): number {
  const gap = cost.perOperation / (cost.perUnit * fields);
  return Number.isNaN(gap) ? 0 : gap;
}

/** Numbers in the segments of a part up to which they are copied when it grows. */
const FLAT_KEYS_MAX = 128;

/** Fields, and what their readers may see. */
type Rectangle = Pick<RangePart, 'fields' | 'allowed'>;

/** A part while parts are merged. */
export interface Growing extends Rectangle {
  readonly cost: number;
  /** Its keys: while there are few, as they are, and in a list of its own afterwards. */
  readonly keys: Segments;
  readonly list: SegmentList | null;
  /** What it was before, or the two that it was made of. */
  readonly of: RangePart | readonly [Growing, Growing];
}

/** The keys of the larger as a list, and those of the other; one has a list. */
function largerFirst(a: Growing, b: Growing): [SegmentList, Segments] {
  if (a.list === null) return [b.list!, a.keys];
  if (b.list === null) return [a.list, b.keys];
  return a.list.length >= b.list.length ? [a.list, b.list.segments] : [b.list, a.list.segments];
}

/** The parts that it was made of, from left to right. */
function partsIn(whole: Growing): RangePart[] {
  const parts: RangePart[] = [];
  const open = [whole];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if ('nodes' in next.of) parts.push(next.of);
    else open.push(next.of[1], next.of[0]);
  }
  return parts;
}

/** It as it is in the end. */
export function partOf(grown: Growing): RangePart {
  if ('nodes' in grown.of) return grown.of;
  const { fields, allowed, keys, list, cost } = grown;
  const nodes = partsIn(grown).flatMap((part) => part.nodes);
  return { nodes, fields, allowed, cost, keys: list === null ? keys : list.segments };
}

/** The arithmetic of rectangles under one cost model. */
export class Rectangles {
  constructor(
    readonly fieldSets: FieldSets,
    readonly cost: RangeCost,
    readonly careful: boolean,
  ) {}

  /** Cost of reading all keys, each gap bridged or paid for as a new operation, whichever is cheaper. */
  costOf(fields: number, keys: Segments): number {
    if (keys.length === 0) return 0;
    const perKey = this.cost.perUnit * this.fieldSets.size(fields);
    let gaps = 0;
    for (let i = 2; i < keys.length; i += 2) gaps += Math.min(this.cost.perOperation, perKey * (keys[i] - keys[i - 1]));
    return this.cost.perOperation + perKey * keyCount(keys) + gaps;
  }

  /**
   * What `join(a, b)` would cost, without making it: Infinity when it must not be, or as soon as it is sure to cost more
   * than `most`. Most pairs that are compared never join.
   */
  joinedCost(a: Growing, b: Growing, most: number): number {
    const fields = this.fieldsOfBoth(a, b);
    if (fields === null) return Infinity;
    const { perOperation } = this.cost;
    const perKey = this.cost.perUnit * this.fieldSets.size(fields);
    if (a.list === null && b.list === null) return this.unitedCost(a.keys, b.keys, perKey, most);
    const [list, keys] = largerFirst(a, b);
    return perOperation + list.cost(perKey) + (keys.length === 0 ? 0 : list.added(keys, perKey));
  }

  private unitedCost(a: Segments, b: Segments, perKey: number, most: number): number {
    const { perOperation } = this.cost;
    let [keys, gaps, end] = [0, 0, -Infinity];
    for (let i = 0, j = 0; i < a.length || j < b.length;) {
      const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
      const low = fromA ? a[i] : b[j];
      const high = fromA ? a[i + 1] : b[j + 1];
      if (fromA) i += 2;
      else j += 2;
      if (low > end) {
        if (end !== -Infinity) gaps += Math.min(perOperation, perKey * (low - end));
        keys += high - low;
        end = high;
      } else if (high > end) {
        keys += high - end;
        end = high;
      }
      if (perOperation + perKey * keys + gaps > most) return Infinity;
    }
    return keys === 0 ? 0 : perOperation + perKey * keys + gaps;
  }

  single(node: RangeNode): RangePart {
    const { fields, allowed, keys } = node;
    return { nodes: [node], fields, allowed, keys, cost: this.costOf(fields, keys) };
  }

  /** Both in one rectangle, or null when that would hold a field that a member may not see. */
  join(a: RangePart, b: RangePart): RangePart | null {
    const fields = this.fieldsOfBoth(a, b);
    if (fields === null) return null;
    const allowed = this.meet(a.allowed, b.allowed);
    const keys = unite(a.keys, b.keys);
    return { nodes: [...a.nodes, ...b.nodes], fields, allowed, keys, cost: this.costOf(fields, keys) };
  }

  growing(part: RangePart): Growing {
    const { fields, allowed, cost, keys } = part;
    if (keys.length <= FLAT_KEYS_MAX) return { fields, allowed, cost, keys, list: null, of: part };
    return { fields, allowed, cost, keys: [], list: new SegmentList(keys, this.cost.perOperation), of: part };
  }

  /** Both as one part that may grow further; neither is asked for afterwards. */
  grown(a: Growing, b: Growing, cost: number): Growing {
    const fields = this.fieldsOfBoth(a, b)!;
    const allowed = this.meet(a.allowed, b.allowed);
    const both = { fields, allowed, cost, of: [a, b] as const };
    if (a.list === null && b.list === null) {
      const keys = unite(a.keys, b.keys);
      if (keys.length <= FLAT_KEYS_MAX) return { ...both, keys, list: null };
      return { ...both, keys: [], list: new SegmentList(keys, this.cost.perOperation) };
    }
    const [list, keys] = largerFirst(a, b);
    list.add(keys);
    return { ...both, keys: [], list };
  }

  /** All of one field set, whatever their number, in one rectangle. */
  uniform(nodes: readonly RangeNode[]): RangePart {
    const { fields } = nodes[0];
    const allowed = nodes.reduce<number | null>((all, node) => this.meet(all, node.allowed), null);
    const keys = uniteAll(nodes.map((node) => node.keys));
    return { nodes, fields, allowed, keys, cost: this.costOf(fields, keys) };
  }

  joinAll(nodes: readonly RangeNode[]): RangePart | null {
    return nodes
      .slice(1)
      .reduce<RangePart | null>(
        (part, node) => (part === null ? null : this.join(part, this.single(node))),
        this.single(nodes[0]),
      );
  }

  /** Fields of both, or null when a member of one may not see a field of the other. */
  private fieldsOfBoth(a: Rectangle, b: Rectangle): number | null {
    const fields = this.fieldSets.union(a.fields, b.fields);
    const allowed = this.meet(a.allowed, b.allowed);
    return allowed !== null && this.fieldSets.union(fields, allowed) !== allowed ? null : fields;
  }

  /** Clearance of both. */
  private meet(a: number | null, b: number | null): number | null {
    if (a === null || b === null || a === b) return a ?? b;
    const other = new Set(this.fieldSets.list(b));
    return this.fieldSets.intern(this.fieldSets.list(a).filter((field) => other.has(field)));
  }
}
