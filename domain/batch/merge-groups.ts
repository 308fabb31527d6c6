/**
 * Groups the distinct row sets of one dataset version: a sweep along the most constrained column finds neighbours, the
 * predicate algebra judges each pair, and a cost rule decides whether reading the two as one rectangle gains.
 */
import type { Literal, Predicate } from '../types/predicate.js';
import type { FieldSets } from './field-sets.js';
import { relateBoxes, storageOrder, type Box } from './predicate-algebra.js';
import type { MergeRequest } from './read-request.js';

/** How a member's rows relate to the rows of its read. */
export type MemberRelation = 'equal' | 'contained' | 'overlapping' | 'adjacent' | 'alone';

/** One distinct set of rows, with everybody who asks for it. */
export interface MergeNode<R extends MergeRequest> {
  readonly key: string;
  readonly box: Box;
  readonly where: Predicate;
  /** In the bucket's `FieldSets`. */
  fields: number;
  /** Expected rows; only ratios matter. */
  rows: number;
  readonly requests: R[];
}

/** A node in its group: its relation to the read and the node that shows it. */
export interface GroupEntry<R extends MergeRequest> {
  readonly node: MergeNode<R>;
  readonly relation: Exclude<MemberRelation, 'alone'>;
  readonly other: MergeNode<R> | null;
}
export interface NodeGroup<R extends MergeRequest> {
  readonly nodes: readonly GroupEntry<R>[];
}

/** Neighbours each node is compared with: the latest to start and the furthest to reach. Bounds the sweep to O(n). */
const NEIGHBOURS_MAX = 16;

interface Interval {
  readonly index: number;
  /** Null reaches without end. */
  readonly low: Literal | null;
  readonly high: Literal | null;
}

function intervalOn({ box }: { readonly box: Box }, column: string, index: number): Interval {
  const constraint = box.get(column);
  if (constraint === undefined) return { index, low: null, high: null };
  const { among, low, high } = constraint;
  if (among !== null && among.length > 0) return { index, low: among[0], high: among[among.length - 1] };
  return { index, low: low?.value ?? null, high: high?.value ?? null };
}

function sweepColumn(nodes: readonly { readonly box: Box }[]): string {
  const counts = new Map<string, number>();
  for (const node of nodes) for (const column of node.box.keys()) counts.set(column, (counts.get(column) ?? 0) + 1);
  let best = '';
  for (const [column, count] of counts) {
    const most = counts.get(best) ?? 0;
    if (count > most || (count === most && column < best)) best = column;
  }
  return best;
}

const startsBefore = (a: Interval, b: Interval): number => {
  if (a.low === null || b.low === null) return Number(a.low !== null) - Number(b.low !== null) || a.index - b.index;
  return storageOrder(a.low, b.low) || a.index - b.index;
};
const reachesTo = (active: Interval, low: Literal | null): boolean => {
  if (active.high === null || low === null) return true;
  if (storageOrder(active.high, low) >= 0) return true;
  // Consecutive whole numbers border each other.
  return typeof active.high === 'number' && typeof low === 'number' && low - active.high <= 1;
};
const reachesFurther = (a: Interval, b: Interval): boolean =>
  a.high === null ? b.high !== null : b.high !== null && storageOrder(a.high, b.high) > 0;

/** Calls `judge` for every pair of neighbours, later one first. */
function sweep(intervals: readonly Interval[], judge: (later: number, earlier: number) => void): void {
  let recent: Interval[] = [];
  let furthest: Interval[] = [];
  for (const interval of intervals) {
    recent = recent.filter((other) => reachesTo(other, interval.low));
    furthest = furthest.filter((other) => reachesTo(other, interval.low));
    const seen = new Set<number>();
    for (const other of [...furthest, ...recent]) {
      if (seen.has(other.index)) continue;
      seen.add(other.index);
      judge(interval.index, other.index);
    }
    recent.push(interval);
    if (recent.length > NEIGHBOURS_MAX) recent.shift();
    const place = furthest.findIndex((other) => reachesFurther(interval, other));
    furthest.splice(place === -1 ? furthest.length : place, 0, interval);
    if (furthest.length > NEIGHBOURS_MAX) furthest.pop();
  }
}

/** The groups as they grow: union-find whose roots know fields and rows; plus who lies within whom. */
class Grouping<R extends MergeRequest> {
  private readonly parent: number[];
  private readonly fields: number[];
  private readonly rows: number[];
  private readonly cells: number[];
  /** Container of a contained node; the node that it shares rows with, or borders. */
  private readonly within: (number | null)[];
  private readonly shares: (number | null)[];
  private readonly borders: (number | null)[];

  constructor(
    private readonly nodes: readonly MergeNode<R>[],
    private readonly fieldSets: FieldSets,
    private readonly cost: { readonly perOperation: number; readonly perUnit: number },
  ) {
    this.parent = nodes.map((_, index) => index);
    this.fields = nodes.map((node) => node.fields);
    this.rows = nodes.map((node) => node.rows);
    this.cells = nodes.map((node) => node.rows * fieldSets.size(node.fields));
    this.within = nodes.map(() => null);
    this.shares = nodes.map(() => null);
    this.borders = nodes.map(() => null);
  }

  private root(index: number): number {
    let at = index;
    while (this.parent[at] !== at) at = this.parent[at] = this.parent[this.parent[at]];
    return at;
  }

  /** The outermost container of a node. */
  private top(index: number): number {
    let at = index;
    for (let next = this.within[at]; next !== null; next = this.within[at]) at = next;
    return at;
  }

  judge(later: number, earlier: number): void {
    const relation = relateBoxes(this.nodes[later].box, this.nodes[earlier].box);
    if (relation === 'disjoint' || !this.join(later, earlier, relation)) return;
    if (relation === 'overlapping') {
      this.shares[later] ??= earlier;
      this.shares[earlier] ??= later;
    } else if (relation === 'adjacent') {
      this.borders[later] ??= earlier;
      this.borders[earlier] ??= later;
    } else {
      const [inner, outer] = relation === 'contains' ? [earlier, later] : [later, earlier];
      // Boxes that are equal in disguise could contain each other in a circle; the chain must end.
      if (this.top(outer) !== inner && this.within[inner] === null) this.within[inner] = outer;
    }
  }

  /**
   * Joins two groups when one read of both costs no more than two. The rows of the union: the larger for containment,
   * half of the smaller on top when all that is known is that they share rows, the sum when they only border.
   */
  private join(a: number, b: number, relation: string): boolean {
    const [left, right] = [this.root(a), this.root(b)];
    if (left === right) return true;
    const fields = this.fieldSets.union(this.fields[left], this.fields[right]);
    const less = Math.min(this.rows[left], this.rows[right]);
    const added = relation === 'overlapping' ? less / 2 : relation === 'adjacent' ? less : 0;
    const rows = Math.max(this.rows[left], this.rows[right]) + added;
    const cells = rows * this.fieldSets.size(fields);
    const saved = this.cells[left] + this.cells[right] - cells;
    if (saved * this.cost.perUnit + this.cost.perOperation < 0) return false;
    const [keep, gone] = left < right ? [left, right] : [right, left];
    this.parent[gone] = keep;
    this.fields[keep] = fields;
    this.rows[keep] = rows;
    this.cells[keep] = cells;
    return true;
  }

  groups(predicatesMax: number): NodeGroup<R>[] {
    const byRoot = new Map<number, number[]>();
    this.nodes.forEach((_, index) => {
      const root = this.root(index);
      const members = byRoot.get(root);
      if (members === undefined) byRoot.set(root, [index]);
      else members.push(index);
    });
    return [...byRoot.values()].flatMap((indices) => this.cut(indices, predicatesMax));
  }

  /** Cuts one group into reads of at most `predicatesMax` predicates; what is contained stays with its container. */
  private cut(indices: readonly number[], predicatesMax: number): NodeGroup<R>[] {
    const outer = indices.filter((index) => this.within[index] === null);
    const slot = new Map(outer.map((index, place) => [index, Math.floor(place / predicatesMax)]));
    const slots: number[][] = Array.from({ length: Math.ceil(outer.length / predicatesMax) }, () => []);
    for (const index of indices) slots[slot.get(this.top(index))!].push(index);
    return slots.map((members) => {
      const here = new Set(members);
      const single = members.filter((index) => this.within[index] === null).length === 1;
      return { nodes: members.map((index) => this.entry(index, here, single)) };
    });
  }

  private entry(index: number, here: ReadonlySet<number>, single: boolean): GroupEntry<R> {
    const node = this.nodes[index];
    if (this.within[index] !== null) return { node, relation: 'contained', other: this.nodes[this.top(index)] };
    if (single) return { node, relation: 'equal', other: null };
    const shared = this.shares[index];
    if (shared !== null && here.has(shared)) return { node, relation: 'overlapping', other: this.nodes[shared] };
    const border = this.borders[index];
    if (border !== null && here.has(border)) return { node, relation: 'adjacent', other: this.nodes[border] };
    // Its neighbour fell behind a cut: it shares rows with the read through others.
    return { node, relation: 'overlapping', other: null };
  }
}

/** Groups the nodes of one dataset version; the result does not depend on their order. */
export function groupNodes<R extends MergeRequest>(
  nodes: readonly MergeNode<R>[],
  fieldSets: FieldSets,
  cost: { readonly perOperation: number; readonly perUnit: number },
  predicatesMax: number,
): NodeGroup<R>[] {
  const sorted = [...nodes].sort((a, b) => (a.key < b.key ? -1 : 1));
  const column = sweepColumn(sorted);
  const intervals = sorted.map((node, index) => intervalOn(node, column, index)).sort(startsBefore);
  const ordered = intervals.map((interval) => sorted[interval.index]);
  const grouping = new Grouping(ordered, fieldSets, cost);
  sweep(
    intervals.map((interval, index) => ({ ...interval, index })),
    (later, earlier) => grouping.judge(later, earlier),
  );
  return grouping.groups(predicatesMax);
}
