/**
 * Which requests for key ranges share a rectangle. The keys fall into parts too far apart to bridge, solved one by one:
 * exactly when small, else by greedy merging (largest gain first) and moves of single requests.
 */
import { Heap } from 'heap-js';
import type { FieldSets } from './field-sets.js';
import { keyCount, unite, uniteAll, type Segments } from './segments.js';

/** A distinct question of one or more requests. */
export interface RangeNode {
  readonly key: string;
  readonly fields: number;
  /** Fields that its requesters may see, or null for all. */
  readonly allowed: number | null;
  readonly keys: Segments;
  readonly requests: string[];
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

/** Subsets are enumerated up to this many nodes: 2^10 rectangles, 3^10 splits, some milliseconds. */
const EXACT_NODES_MAX = 10;
/** Local moves try every node in every part; beyond this many nodes that hang together only merging is tried. */
const LOCAL_NODES_MAX = 64;
/** Careful planning (enumeration, all pairs, local moves) costs up to a millisecond a node: 2 s at most in all. */
const CAREFUL_NODES_MAX = 2000;
/** Beyond that, each part is compared with this many that follow it in key order, which keeps planning near linear. */
const NEIGHBOURS_MAX = 8;

/** The arithmetic of rectangles under one cost model. */
class Rectangles {
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
  joinedCost(a: RangePart, b: RangePart, most: number): number {
    const fields = this.fieldsOfBoth(a, b);
    if (fields === null) return Infinity;
    const { perOperation } = this.cost;
    const perKey = this.cost.perUnit * this.fieldSets.size(fields);
    let [keys, gaps, end] = [0, 0, -Infinity];
    for (let i = 0, j = 0; i < a.keys.length || j < b.keys.length;) {
      const fromA = j >= b.keys.length || (i < a.keys.length && a.keys[i] <= b.keys[j]);
      const low = fromA ? a.keys[i] : b.keys[j];
      const high = fromA ? a.keys[i + 1] : b.keys[j + 1];
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
  private fieldsOfBoth(a: RangePart, b: RangePart): number | null {
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

/** Sets of nodes whose keys are chained by gaps of at most `gapMax`; nodes without keys stand alone. */
function chained(nodes: readonly RangeNode[], gapMax: number): RangeNode[][] {
  const owner: number[] = [];
  const lows: number[] = [];
  const highs: number[] = [];
  nodes.forEach((node, index) => {
    for (let i = 0; i < node.keys.length; i += 2) {
      owner.push(index);
      lows.push(node.keys[i]);
      highs.push(node.keys[i + 1]);
    }
  });
  const parent = nodes.map((_, index) => index);
  const root = (index: number): number => {
    let at = index;
    while (parent[at] !== at) at = parent[at] = parent[parent[at]];
    return at;
  };
  const order = Uint32Array.from(owner.keys()).sort((a, b) => lows[a] - lows[b]);
  let reach = -Infinity;
  let previous = -1;
  for (const at of order) {
    if (lows[at] - reach <= gapMax)
      parent[Math.max(root(owner[at]), root(previous))] = Math.min(root(owner[at]), root(previous));
    reach = Math.max(reach, highs[at]);
    previous = owner[at];
  }
  const chains = new Map<number, RangeNode[]>();
  nodes.forEach((node, index) => {
    const chain = chains.get(root(index));
    if (chain === undefined) chains.set(root(index), [node]);
    else chain.push(node);
  });
  return [...chains.values()];
}

/** A sum of floats is not exact: only a gain beyond rounding is one. */
const gains = (less: number, more: number): boolean => more - less > 1e-9 * Math.max(1, Math.abs(more));

/** The cheapest partition, by dynamic programming over subsets; among equals the one with the smaller batches. */
function exact(nodes: readonly RangeNode[], rectangles: Rectangles): RangePart[] {
  const count = 1 << nodes.length;
  const parts: (RangePart | null)[] = [null];
  for (let mask = 1; mask < count; mask++) {
    const rest = mask & (mask - 1);
    const node = rectangles.single(nodes[31 - Math.clz32(mask ^ rest)]);
    const others = parts[rest];
    parts.push(rest === 0 ? node : others === null ? null : rectangles.join(node, others));
  }
  const best = new Float64Array(count).fill(Infinity);
  const choice = new Uint32Array(count);
  best[0] = 0;
  for (let mask = 1; mask < count; mask++) {
    const first = mask & -mask;
    const rest = mask ^ first;
    // Every subset of the rest, from none to all, beside the first member.
    for (let subset = 0; ; subset = (subset - rest) & rest) {
      const part = parts[subset | first];
      const total = part === null ? Infinity : part.cost + best[rest ^ subset];
      if (best[mask] === Infinity ? total < Infinity : gains(total, best[mask])) {
        best[mask] = total;
        choice[mask] = subset | first;
      }
      if (subset === rest) break;
    }
  }
  const chosen: RangePart[] = [];
  for (let mask = count - 1; mask !== 0; mask ^= choice[mask]) chosen.push(parts[choice[mask]]!);
  return chosen;
}

interface Candidate {
  readonly gain: number;
  readonly a: number;
  readonly b: number;
}

/** Merges the pair of parts with the largest gain until none gains. Ties end in the parts' numbers. */
function mergeGreedily(start: readonly RangePart[], rectangles: Rectangles): RangePart[] {
  const parts: (RangePart | null)[] = [...start].sort((a, b) => (a.keys[0] ?? 0) - (b.keys[0] ?? 0));
  const neighbours = parts.map(() => new Set<number>());
  const heap = new Heap<Candidate>((x, y) => y.gain - x.gain || x.a - y.a || x.b - y.b);
  const consider = (a: number, b: number): void => {
    const [left, right] = [parts[a], parts[b]];
    if (left === null || right === null || a === b) return;
    neighbours[a].add(b);
    neighbours[b].add(a);
    const apart = left.cost + right.cost;
    const joined = rectangles.joinedCost(left, right, apart);
    if (gains(joined, apart)) heap.push({ gain: apart - joined, a, b });
  };
  const span = rectangles.careful && start.length <= 2 * LOCAL_NODES_MAX ? start.length : NEIGHBOURS_MAX;
  for (let a = 0; a < start.length; a++)
    for (let b = a + 1; b < Math.min(start.length, a + 1 + span); b++) consider(a, b);
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    const [left, right] = [parts[next.a], parts[next.b]];
    if (left === null || right === null) continue;
    const place = parts.push(rectangles.join(left, right)) - 1;
    const around = new Set([...neighbours[next.a], ...neighbours[next.b]]);
    neighbours.push(new Set());
    [parts[next.a], parts[next.b]] = [null, null];
    let considered = 0;
    for (const other of around) {
      if (parts[other] === null || considered >= 4 * span) continue;
      considered++;
      consider(other, place);
    }
  }
  return parts.filter((part) => part !== null);
}

/** Moves single nodes to another part, or to one of their own, while that gains. */
function moveNodes(start: readonly RangePart[], rectangles: Rectangles): RangePart[] {
  let parts = [...start];
  for (let round = 0; round < LOCAL_NODES_MAX; round++) {
    let best: { gain: number; parts: RangePart[] } = { gain: 0, parts };
    parts.forEach((from, at) => {
      for (const node of from.nodes) {
        const left = from.nodes.length === 1 ? null : rectangles.joinAll(from.nodes.filter((other) => other !== node))!;
        const alone = rectangles.single(node);
        const rest = parts.filter((_, index) => index !== at);
        const base = from.cost - (left?.cost ?? 0);
        const remaining = left === null ? [] : [left];
        const offer = (gain: number, next: () => RangePart[]): void => {
          if (gain > best.gain && gains(0, gain)) best = { gain, parts: next() };
        };
        if (left !== null) offer(base - alone.cost, () => [...rest, left, alone]);
        rest.forEach((to, index) => {
          const joined = rectangles.join(to, alone);
          if (joined !== null) offer(base + to.cost - joined.cost, () => [...rest.with(index, joined), ...remaining]);
        });
      }
    });
    if (best.gain === 0) break;
    parts = mergeGreedily(best.parts, rectangles);
  }
  return parts;
}

function solve(nodes: readonly RangeNode[], rectangles: Rectangles): RangePart[] {
  // With the same fields a union is never dearer than its parts, so all that hangs together is one batch.
  if (nodes.every((node) => node.fields === nodes[0].fields)) return [rectangles.uniform(nodes)];
  const { careful } = rectangles;
  if (nodes.length <= (careful ? EXACT_NODES_MAX : 3)) return exact(nodes, rectangles);
  const starts = [sameFields(nodes, rectangles)];
  if (nodes.length <= LOCAL_NODES_MAX) starts.push(nodes.map((node) => rectangles.single(node)));
  const total = (parts: readonly RangePart[]) => parts.reduce((sum, part) => sum + part.cost, 0);
  const solved = starts.map((start) => {
    const merged = mergeGreedily(start, rectangles);
    return careful && nodes.length <= LOCAL_NODES_MAX ? moveNodes(merged, rectangles) : merged;
  });
  return solved.reduce((best, parts) => (gains(total(parts), total(best)) ? parts : best));
}

/** Parts of the same fields that hang together. */
function sameFields(nodes: readonly RangeNode[], rectangles: Rectangles): RangePart[] {
  const bySet = new Map<number, RangeNode[]>();
  for (const node of nodes) {
    const group = bySet.get(node.fields);
    if (group === undefined) bySet.set(node.fields, [node]);
    else group.push(node);
  }
  return [...bySet.values()].flatMap((group) => solveChains(group, rectangles));
}

function solveChains(nodes: readonly RangeNode[], rectangles: Rectangles): RangePart[] {
  // A batch reads at least the fewest fields of its nodes, so no wider gap is ever worth bridging.
  const least = nodes.reduce((fields, node) => Math.min(fields, rectangles.fieldSets.size(node.fields)), Infinity);
  return chained(nodes, gapMaxOf(rectangles.cost, least)).flatMap((chain) => solve(chain, rectangles));
}

/** Partitions the nodes of one dataset into batches of least cost. */
export function partition(nodes: readonly RangeNode[], fieldSets: FieldSets, cost: RangeCost): RangePart[] {
  return solveChains(nodes, new Rectangles(fieldSets, cost, nodes.length <= CAREFUL_NODES_MAX));
}
