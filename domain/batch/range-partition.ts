/**
 * Which requests for key ranges share a rectangle. The keys fall into parts too far apart to bridge, solved one by one:
 * exactly when small, else by greedy merging (largest gain first) and moves of single requests.
 */
import { Heap } from 'heap-js';
import type { FieldSets } from './field-sets.js';
import {
  gapMaxOf,
  partOf,
  Rectangles,
  type Growing,
  type RangeCost,
  type RangeNode,
  type RangePart,
} from './range-rectangles.js';

/** Subsets are enumerated up to this many nodes: 2^10 rectangles, 3^10 splits, some milliseconds. */
const EXACT_NODES_MAX = 10;
/** Local moves try every node in every part; beyond this many nodes that hang together only merging is tried. */
const LOCAL_NODES_MAX = 64;
/** Careful planning (enumeration, all pairs, local moves) costs up to a millisecond a node: 2 s at most in all. */
const CAREFUL_NODES_MAX = 2000;
/** Beyond that, each part is compared with this many that follow it in key order, which keeps planning near linear. */
const NEIGHBOURS_MAX = 8;

/** The indices of some numbers, in ascending order of the numbers; equal ones in their own order. */
function orderOf(values: Float64Array): ArrayLike<number> {
  const count = values.length;
  let [least, most] = [Infinity, -Infinity];
  for (let i = 0; i < count; i++) {
    if (values[i] < least) least = values[i];
    if (values[i] > most) most = values[i];
  }
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  if (!((most - least + 1) * count <= Number.MAX_SAFE_INTEGER)) return order.sort((a, b) => values[a] - values[b]);
  // Sorted as numbers, which needs no call for each comparison: value first, then index.
  const codes = values.map((value, i) => (value - least) * count + i).sort();
  for (let i = 0; i < count; i++) order[i] = codes[i] % count;
  return order;
}

/** Sets of nodes whose keys are chained by gaps of at most `gapMax`; nodes without keys stand alone. */
function chained(nodes: readonly RangeNode[], gapMax: number): RangeNode[][] {
  let count = 0;
  for (const { keys } of nodes) count += keys.length / 2;
  const owner = new Uint32Array(count);
  const lows = new Float64Array(count);
  const highs = new Float64Array(count);
  let filled = 0;
  for (let n = 0; n < nodes.length; n++) {
    const { keys } = nodes[n];
    for (let i = 0; i < keys.length; i += 2) {
      owner[filled] = n;
      lows[filled] = keys[i];
      highs[filled++] = keys[i + 1];
    }
  }
  const parent = Uint32Array.from({ length: nodes.length }, (_, n) => n);
  const order = orderOf(lows);
  let reach = -Infinity;
  let previous = -1;
  for (let place = 0; place < count; place++) {
    const at = order[place];
    if (lows[at] - reach <= gapMax) {
      const [a, b] = [rootOf(parent, owner[at]), rootOf(parent, previous)];
      if (a < b) parent[b] = a;
      else parent[a] = b;
    }
    if (highs[at] > reach) reach = highs[at];
    previous = owner[at];
  }
  const chains: RangeNode[][] = [];
  const chainOf = new Int32Array(nodes.length).fill(-1);
  for (let n = 0; n < nodes.length; n++) {
    const root = rootOf(parent, n);
    if (chainOf[root] < 0) chainOf[root] = chains.push([]) - 1;
    chains[chainOf[root]].push(nodes[n]);
  }
  return chains;
}

/** The root of a tree of a union-find, its paths halved (Tarjan and van Leeuwen, 1984). */
function rootOf(parent: Uint32Array, index: number): number {
  let at = index;
  while (parent[at] !== at) at = parent[at] = parent[parent[at]];
  return at;
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
  /** Cost of the two as one. */
  readonly joined: number;
  readonly a: number;
  readonly b: number;
}

/** Merges the pair of parts with the largest gain until none gains. Ties end in the parts' numbers. */
function mergeGreedily(start: readonly RangePart[], rectangles: Rectangles): RangePart[] {
  const parts: (Growing | null)[] = [...start]
    .sort((a, b) => (a.keys[0] ?? 0) - (b.keys[0] ?? 0))
    .map((part) => rectangles.growing(part));
  const heap = new Heap<Candidate>((x, y) => y.gain - x.gain || x.a - y.a || x.b - y.b);
  const span = rectangles.careful && start.length <= 2 * LOCAL_NODES_MAX ? start.length : NEIGHBOURS_MAX;
  for (let a = 0; a < start.length; a++)
    for (let b = a + 1; b < Math.min(start.length, a + 1 + span); b++) consider(parts, a, b, rectangles, heap);
  /** Parts that each one was compared with, beside those next to it at the start. */
  const compared: (number[] | undefined)[] = [];
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    const [left, right] = [parts[next.a], parts[next.b]];
    if (left === null || right === null) continue;
    const place = parts.push(rectangles.grown(left, right, next.joined)) - 1;
    [parts[next.a], parts[next.b]] = [null, null];
    const around = new Set<number>();
    for (const at of [next.a, next.b]) {
      if (at < start.length)
        for (let other = Math.max(0, at - span); other <= Math.min(start.length - 1, at + span); other++)
          if (parts[other] !== null) around.add(other);
      for (const other of compared[at] ?? []) if (parts[other] !== null) around.add(other);
      compared[at] = undefined;
    }
    let considered = 0;
    for (const other of around) {
      if (considered++ >= 4 * span) break;
      (compared[other] ??= []).push(place);
      (compared[place] ??= []).push(other);
      consider(parts, other, place, rectangles, heap);
    }
  }
  return parts.filter((part) => part !== null).map(partOf);
}

/** Keeps the pair of parts as a candidate if joining them gains. */
function consider(
  parts: readonly (Growing | null)[],
  a: number,
  b: number,
  rectangles: Rectangles,
  heap: Heap<Candidate>,
): void {
  const [left, right] = [parts[a]!, parts[b]!];
  const apart = left.cost + right.cost;
  const joined = rectangles.joinedCost(left, right, apart);
  if (gains(joined, apart)) heap.push({ gain: apart - joined, joined, a, b });
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
