/** Order of operations that depend on each other: topological order, named cycles, critical path. */

export interface DependencyNode {
  readonly id: string;
  /** Ids that must be done first. Repeats are allowed. */
  readonly after: readonly string[];
  /** Time that it takes itself, any unit, at least 0. Absent: 1. */
  readonly weight?: number;
}

export type DependencyOrder =
  | {
      readonly kind: 'ordered';
      /** Every id after all that it depends on; ids that are free at the same time in order of id. */
      readonly order: readonly string[];
      /** Earliest start of each id when nothing but its dependencies holds it up; in the sequence of `order`. */
      readonly earliestStart: readonly number[];
      /** One longest chain, first to last, and its length: no schedule is shorter. */
      readonly criticalPath: readonly string[];
      readonly criticalLength: number;
    }
  /** `cycle` lists each member once, so that each is needed by the one before it and the first by the last. */
  | { readonly kind: 'cycle'; readonly cycle: readonly string[] }
  | { readonly kind: 'unknown-dependency'; readonly id: string; readonly missing: string };

/**
 * Sorts by Kahn's algorithm (Kahn, CACM 1962) with the smallest id first among the free ones, level by level, and
 * finds the critical path in the same pass. O(nodes log nodes + dependencies). The order of the input never matters.
 * @throws Error for two nodes with one id (a programmer's error: ids are keys).
 */
export function orderDependencies(nodes: readonly DependencyNode[]): DependencyOrder {
  const sorted = [...nodes].sort((a, b) => (a.id < b.id ? -1 : 1));
  const index = new Map(sorted.map(({ id }, i) => [id, i]));
  if (index.size !== sorted.length) throw new Error('dependency graph: two nodes have the same id');
  const needs = new Int32Array(sorted.length);
  const firstEdge = new Int32Array(sorted.length + 1);
  for (const [i, { id, after }] of sorted.entries()) {
    needs[i] = after.length;
    for (const need of after) {
      const j = index.get(need);
      if (j === undefined) return { kind: 'unknown-dependency', id, missing: need };
      firstEdge[j + 1]++;
    }
  }
  for (let i = 0; i < sorted.length; i++) firstEdge[i + 1] += firstEdge[i];
  const edges = new Int32Array(firstEdge[sorted.length]);
  const cursor = firstEdge.slice();
  for (const [i, { after }] of sorted.entries()) for (const need of after) edges[cursor[index.get(need)!]++] = i;
  return walk(sorted, needs, firstEdge, edges, index);
}

function walk(
  sorted: readonly DependencyNode[],
  needs: Int32Array,
  firstEdge: Int32Array,
  edges: Int32Array,
  index: ReadonlyMap<string, number>,
): DependencyOrder {
  const count = sorted.length;
  const start = new Float64Array(count);
  const cause = new Int32Array(count).fill(-1);
  const order: number[] = [];
  let last = -1;
  let length = 0;
  let level = Array.from(sorted.keys()).filter((i) => needs[i] === 0);
  while (level.length > 0) {
    const next: number[] = [];
    for (const i of level) {
      order.push(i);
      const end = start[i] + (sorted[i].weight ?? 1);
      if (last < 0 || end > length) [last, length] = [i, end];
      for (let e = firstEdge[i]; e < firstEdge[i + 1]; e++) {
        const j = edges[e];
        if (cause[j] < 0 || end > start[j]) [start[j], cause[j]] = [end, i];
        if (--needs[j] === 0) next.push(j);
      }
    }
    level = next.sort((a, b) => a - b);
  }
  if (order.length < count) return { kind: 'cycle', cycle: findCycle(sorted, needs, index) };
  const criticalPath: string[] = [];
  for (let i = last; i >= 0; i = cause[i]) criticalPath.push(sorted[i].id);
  return {
    kind: 'ordered',
    order: order.map((i) => sorted[i].id),
    earliestStart: order.map((i) => start[i]),
    criticalPath: criticalPath.reverse(),
    criticalLength: length,
  };
}

/** Whoever still waits has a dependency that still waits too: following the smallest one must come back. */
function findCycle(sorted: readonly DependencyNode[], needs: Int32Array, index: ReadonlyMap<string, number>): string[] {
  const seenAt = new Map<number, number>();
  const path: number[] = [];
  for (let i = needs.findIndex((left) => left > 0); !seenAt.has(i);) {
    seenAt.set(i, path.length);
    path.push(i);
    i = Math.min(...sorted[i].after.map((need) => index.get(need)!).filter((j) => needs[j] > 0));
  }
  const back = Math.min(
    ...sorted[path[path.length - 1]].after.map((need) => index.get(need)!).filter((j) => needs[j] > 0),
  );
  const cycle = path.slice(seenAt.get(back)).map((i) => sorted[i].id);
  // Smallest id first, so that the same cycle has one name.
  const first = cycle.indexOf(cycle.reduce((least, id) => (id < least ? id : least)));
  return [...cycle.slice(first), ...cycle.slice(0, first)];
}
