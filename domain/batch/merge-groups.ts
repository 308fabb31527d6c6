/**
 * Groups the distinct row sets of one dataset version: a sweep along the most constrained column finds neighbours, the
 * predicate algebra judges each pair, and a cost rule decides whether reading the two as one rectangle gains.
 */
import { MergeTable, NO_DRAW } from './merge-table.js';
import { relateBoxes, type Box, type Relation } from './predicate-algebra.js';
import { sweep, sweepOrder } from './sweep.js';

/** How a member's rows relate to the rows of its read. */
export type MemberRelation = 'equal' | 'contained' | 'overlapping' | 'adjacent' | 'alone';

/** Cost of one read, and of one cell (row x field) read, in one common unit. */
export interface MergeCost {
  readonly perOperation: number;
  readonly perUnit: number;
}

/** A node in its group: its relation to the read and the node that shows it. */
export interface GroupEntry {
  readonly node: number;
  readonly relation: Exclude<MemberRelation, 'alone'>;
  readonly other: number | null;
}

/** Nodes that share a read. */
export interface NodeGroup {
  readonly nodes: readonly number[];
  /** Union of their fields, in the table's `FieldSets`. */
  readonly fields: number;
  /** Their places in the grouping that found them. */
  readonly places: readonly number[];
  readonly grouping: Grouping;
}

/** The nodes of a group with their relations: worked out only where they are told. */
export function entriesOf({ grouping, places }: NodeGroup): GroupEntry[] {
  return grouping.entries(places);
}

const NOBODY = -1;

/** The groups as they grow, by places in the sweep: union-find whose roots know fields and rows; plus who lies within whom. */
export class Grouping {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new Grouping([], MergeTable.held, { perOperation: 0, perUnit: 1 });

  private readonly parent: Int32Array;
  private readonly fields: Int32Array;
  private readonly rows: Float64Array;
  private readonly cells: Float64Array;
  /** Rows that match, of which `rows` are drawn; whether those are all; and the draw, if it is one. */
  private readonly most: Float64Array;
  private readonly takesAll: boolean[];
  private readonly draws: Int32Array;
  private readonly boxes: readonly Box[];
  /** Container of a contained node; the node that it shares rows with, or borders. */
  private readonly within: Int32Array;
  private readonly shares: Int32Array;
  private readonly borders: Int32Array;

  constructor(
    /** Node at each place. */
    private readonly nodes: readonly number[],
    private readonly table: MergeTable,
    private readonly cost: MergeCost,
  ) {
    const { fieldSets } = table;
    this.parent = Int32Array.from(nodes.keys());
    this.fields = Int32Array.from(nodes, (node) => table.fields[node]);
    this.rows = Float64Array.from(nodes, (node) => table.rows[node]);
    this.cells = Float64Array.from(nodes, (node) => table.rows[node] * fieldSets.size(table.fields[node]));
    this.most = Float64Array.from(nodes, (node) => table.most[node]);
    this.takesAll = nodes.map((node) => table.takesAll[node]);
    this.draws = Int32Array.from(nodes, (node) => table.draws[node]);
    this.boxes = nodes.map((node) => table.boxes[node]);
    this.within = new Int32Array(nodes.length).fill(NOBODY);
    this.shares = this.within.slice();
    this.borders = this.within.slice();
  }

  private root(place: number): number {
    let at = place;
    while (this.parent[at] !== at) at = this.parent[at] = this.parent[this.parent[at]];
    return at;
  }

  /** The outermost container of a node. */
  private top(place: number): number {
    let at = place;
    while (this.within[at] !== NOBODY) at = this.within[at];
    return at;
  }

  judge(later: number, earlier: number): void {
    const left = this.root(later);
    const right = this.root(earlier);
    if (left === right) {
      // Of what is contained nothing else is asked.
      if (this.within[later] !== NOBODY && this.within[earlier] !== NOBODY) return;
    } else if (!this.gains(left, right, 0)) return;
    const relation = this.relation(later, earlier);
    if (relation === 'disjoint' || (left !== right && !this.join(left, right, relation))) return;
    if (relation === 'overlapping') link(this.shares, later, earlier);
    else if (relation === 'adjacent') link(this.borders, later, earlier);
    else {
      const [inner, outer] = relation === 'contains' ? [earlier, later] : [later, earlier];
      // Boxes that are equal in disguise could contain each other in a circle; the chain must end.
      if (this.within[inner] === NOBODY && this.top(outer) !== inner) this.within[inner] = outer;
    }
  }

  /** What the algebra tells of two boxes; of those that constrain one column each, the most, some comparisons tell it. */
  private relation(later: number, earlier: number): Relation {
    const { soleColumn, intervalLow, intervalHigh } = this.table;
    const a = this.nodes[later];
    const b = this.nodes[earlier];
    const column = soleColumn[a];
    if (column === NOBODY || soleColumn[b] === NOBODY) return relateBoxes(this.boxes[later], this.boxes[earlier]);
    if (column !== soleColumn[b]) return 'overlapping';
    const [aLow, aHigh, bLow, bHigh] = [intervalLow[a], intervalHigh[a], intervalLow[b], intervalHigh[b]];
    if (Number.isNaN(aLow) || Number.isNaN(bLow)) return relateBoxes(this.boxes[later], this.boxes[earlier]);
    if (aLow <= bLow && bHigh <= aHigh) return aLow === bLow && aHigh === bHigh ? 'equal' : 'contains';
    if (bLow <= aLow && aHigh <= bHigh) return 'contained';
    if (aHigh < bLow) return bLow - aHigh === 1 ? 'adjacent' : 'disjoint';
    if (bHigh < aLow) return aLow - bHigh === 1 ? 'adjacent' : 'disjoint';
    return 'overlapping';
  }

  /** Whether one read of two groups costs no more than two, if its rows are so many more than those of the larger. */
  private gains(left: number, right: number, added: number): boolean {
    const fields = this.table.fieldSets.union(this.fields[left], this.fields[right]);
    const rows = Math.max(this.rows[left], this.rows[right]) + added;
    const saved = this.cells[left] + this.cells[right] - rows * this.table.fieldSets.size(fields);
    return saved * this.cost.perUnit + this.cost.perOperation >= 0;
  }

  /** Joins two groups when that gains. */
  private join(left: number, right: number, relation: Relation): boolean {
    const less = Math.min(this.rows[left], this.rows[right]);
    const [outer, inner] = relation === 'contained' ? [right, left] : [left, right];
    const added = less - this.common(outer, inner, relation);
    if (added > 0 && !this.gains(left, right, added)) return false;
    const keep = Math.min(left, right);
    const gone = Math.max(left, right);
    const isWithin = relation !== 'overlapping' && relation !== 'adjacent';
    this.parent[gone] = keep;
    this.fields[keep] = this.table.fieldSets.union(this.fields[left], this.fields[right]);
    this.rows[keep] = Math.max(this.rows[left], this.rows[right]) + added;
    this.cells[keep] = this.rows[keep] * this.table.fieldSets.size(this.fields[keep]);
    this.most[keep] = isWithin ? this.most[outer] : this.most[outer] + this.most[inner];
    this.draws[keep] = relation === 'equal' && this.draws[left] === this.draws[right] ? this.draws[left] : NO_DRAW;
    this.takesAll[keep] = this.takesEvery(outer, inner, relation);
    return true;
  }

  private takesEvery(outer: number, inner: number, relation: Relation): boolean {
    const [ofOuter, ofInner] = [this.takesAll[outer], this.takesAll[inner]];
    if (relation === 'equal') return ofOuter || ofInner;
    return ofOuter && (relation === 'contains' || relation === 'contained' || ofInner);
  }

  /**
   * Rows that two groups have in common. Of every row: the smaller for containment, half of the smaller when all that is
   * known is that they share some, none when they only border. Of samples: those of one draw are nested in equal rows;
   * in others they have what chance gives them, and in rows that only overlap too little to count on.
   */
  private common(outer: number, inner: number, relation: Relation): number {
    const less = Math.min(this.rows[outer], this.rows[inner]);
    const all = this.takesAll[outer];
    if (relation === 'adjacent') return 0;
    if (relation === 'overlapping') return all && this.takesAll[inner] ? less / 2 : 0;
    const isNested = this.draws[outer] !== NO_DRAW && this.draws[outer] === this.draws[inner];
    if (all || (relation === 'equal' && (this.takesAll[inner] || isNested))) return less;
    return Math.min(less, Math.floor(this.rows[inner] * (this.rows[outer] / this.most[outer])));
  }

  groups(predicatesMax: number): NodeGroup[] {
    const count = this.parent.length;
    const memberOf: (number[] | undefined)[] = new Array<undefined>(count).fill(undefined);
    const roots: number[] = [];
    for (let place = 0; place < count; place++) {
      const root = this.root(place);
      const members = memberOf[root];
      if (members === undefined) {
        memberOf[root] = [place];
        roots.push(root);
      } else members.push(place);
    }
    const groups: NodeGroup[] = [];
    for (const root of roots) this.cut(memberOf[root]!, predicatesMax, groups);
    return groups;
  }

  /** Cuts one group into reads of at most `predicatesMax` predicates; what is contained stays with its container. */
  private cut(places: readonly number[], predicatesMax: number, into: NodeGroup[]): void {
    const outer = places.length <= predicatesMax ? [] : places.filter((place) => this.within[place] === NOBODY);
    if (outer.length <= predicatesMax) {
      into.push(this.groupOf(places));
      return;
    }
    const slot = new Map(outer.map((place, index) => [place, Math.floor(index / predicatesMax)]));
    const slots: number[][] = Array.from({ length: Math.ceil(outer.length / predicatesMax) }, () => []);
    for (const place of places) slots[slot.get(this.top(place))!].push(place);
    for (const members of slots) into.push(this.groupOf(members));
  }

  private groupOf(places: readonly number[]): NodeGroup {
    const { fieldSets, fields } = this.table;
    const nodes: number[] = [];
    let union = fields[this.nodes[places[0]]];
    for (const place of places) {
      const node = this.nodes[place];
      nodes.push(node);
      union = fieldSets.union(union, fields[node]);
    }
    return { nodes, fields: union, places, grouping: this };
  }

  entries(places: readonly number[]): GroupEntry[] {
    const here = new Set(places);
    const single = places.filter((place) => this.within[place] === NOBODY).length === 1;
    return places.map((place) => this.entry(place, here, single));
  }

  private entry(place: number, here: ReadonlySet<number>, single: boolean): GroupEntry {
    const node = this.nodes[place];
    if (this.within[place] !== NOBODY) return { node, relation: 'contained', other: this.nodes[this.top(place)] };
    if (single) return { node, relation: 'equal', other: null };
    if (here.has(this.shares[place])) return { node, relation: 'overlapping', other: this.nodes[this.shares[place]] };
    if (here.has(this.borders[place])) return { node, relation: 'adjacent', other: this.nodes[this.borders[place]] };
    // Its neighbour fell behind a cut: it shares rows with the read through others.
    return { node, relation: 'overlapping', other: null };
  }
}

/** Links two places that are linked to nobody yet. */
function link(links: Int32Array, a: number, b: number): void {
  if (links[a] === NOBODY) links[a] = b;
  if (links[b] === NOBODY) links[b] = a;
}

/** Groups the nodes of one dataset version; the result does not depend on their order. */
export function groupNodes(
  nodes: readonly number[],
  table: MergeTable,
  cost: MergeCost,
  predicatesMax: number,
): NodeGroup[] {
  const boxes: Box[] = [];
  const keys: string[] = [];
  for (const node of nodes) {
    boxes.push(table.boxes[node]);
    keys.push(table.keys[node]);
  }
  const order = sweepOrder(boxes, keys);
  const sorted: number[] = [];
  for (let place = 0; place < nodes.length; place++) sorted.push(nodes[order.order[place]]);
  const grouping = new Grouping(sorted, table, cost);
  sweep(order, grouping);
  return grouping.groups(predicatesMax);
}
