/** Splitting a batch: by size, memory and priority before it runs; by bisection when it failed as a whole. */

/** Something to be put into a batch. */
export interface SplitItem {
  readonly id: string;
  readonly items: number;
  readonly bytes: number;
  /** Higher first. */
  readonly priority: number;
}

export interface SplitLimits {
  readonly itemsMax: number;
  readonly bytesMax: number;
}

export interface SplitBatch {
  readonly ids: readonly string[];
  readonly items: number;
  readonly bytes: number;
  /** A single item beyond a limit, which no split can help. */
  readonly oversized: boolean;
}

const byText = (a: string, b: string): number => (a < b ? -1 : a === b ? 0 : 1);

/**
 * Cuts items into batches within both limits, in order of priority, then id: the first batches hold the most urgent, and
 * no item comes in a later batch than one of lower priority. Nothing gives nothing. A partition of the input.
 */
export function splitBatch(items: readonly SplitItem[], limits: SplitLimits): readonly SplitBatch[] {
  const batches: { ids: string[]; items: number; bytes: number; oversized: boolean }[] = [];
  const sorted = [...items].sort((a, b) => b.priority - a.priority || byText(a.id, b.id));
  for (const { id, items: size, bytes } of sorted) {
    const last = batches.at(-1);
    if (last !== undefined && last.items + size <= limits.itemsMax && last.bytes + bytes <= limits.bytesMax) {
      last.ids.push(id);
      last.items += size;
      last.bytes += bytes;
    } else {
      batches.push({ ids: [id], items: size, bytes, oversized: size > limits.itemsMax || bytes > limits.bytesMax });
    }
  }
  return batches;
}

/**
 * A failing batch is run in halves until the poisoned items stand alone; all others succeed. Plain JSON, so that a
 * workflow or an activity can keep it between calls. With one poisoned item among n: at most 2 ceil(log2 n) + 1 calls.
 */
export interface Bisection {
  /** Groups still to be run, next one last. */
  readonly pending: readonly (readonly string[])[];
  readonly succeeded: readonly string[];
  readonly failed: readonly { readonly id: string; readonly error: string }[];
  readonly calls: number;
}

export function startBisection(ids: readonly string[]): Bisection {
  return { pending: ids.length === 0 ? [] : [ids], succeeded: [], failed: [], calls: 0 };
}

/** The items to run now, or null when all is decided. */
export function nextGroup(state: Bisection): readonly string[] | null {
  return state.pending.at(-1) ?? null;
}

/**
 * Records how the group of `nextGroup` ended: `error` is null for success. A group is run as a whole or not at all: after
 * an error none of its items counts as done.
 * @throws Error when nothing is pending.
 */
export function recordGroup(state: Bisection, error: string | null): Bisection {
  const group = state.pending.at(-1);
  if (group === undefined) throw new Error('bisection: expected a pending group, got none');
  const pending = state.pending.slice(0, -1);
  const calls = state.calls + 1;
  if (error === null) return { ...state, pending, calls, succeeded: [...state.succeeded, ...group] };
  if (group.length === 1) return { ...state, pending, calls, failed: [...state.failed, { id: group[0], error }] };
  const middle = Math.ceil(group.length / 2);
  return { ...state, calls, pending: [...pending, group.slice(middle), group.slice(0, middle)] };
}
