/** What changes between two definitions of a pool, path by path. */
import type { PoolDefinition } from '../../domain/types/pool.js';

export interface Change {
  /** Dotted path, for example `models.ops-board.weight`. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Leaf changes in path order; lists are compared as wholes unless their entries have ids. Null: nothing was there. */
export function diffDefinitions(before: PoolDefinition | null, after: PoolDefinition): Change[] {
  return diff('', before ?? {}, after).sort((a, b) => (a.path < b.path ? -1 : 1));
}

function diff(path: string, before: unknown, after: unknown): Change[] {
  if (same(before, after)) return [];
  const left = keyed(before);
  const right = keyed(after);
  if (left === null || right === null) return [leaf(path, before, after)];
  return [...new Set([...Object.keys(left), ...Object.keys(right)])].flatMap((key) =>
    diff(path === '' ? key : `${path}.${key}`, left[key], right[key]),
  );
}

function leaf(path: string, before: unknown, after: unknown): Change {
  if (before === undefined) return { path, kind: 'added', after };
  if (after === undefined) return { path, kind: 'removed', before };
  return { path, kind: 'changed', before, after };
}

/** Records by key; lists of things with ids by id; null for leaves. */
function keyed(value: unknown): Record<string, unknown> | null {
  if (Array.isArray(value)) {
    const entries: unknown[] = value;
    const withIds = entries.every(
      (entry) => typeof entry === 'object' && entry !== null && typeof (entry as { id?: unknown }).id === 'string',
    );
    return withIds && entries.length > 0
      ? Object.fromEntries(entries.map((entry) => [(entry as { id: string }).id, entry]))
      : null;
  }
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
}

/** jsonb keeps no order of keys: compared by content. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (
    typeof a !== 'object' ||
    typeof b !== 'object' ||
    a === null ||
    b === null ||
    Array.isArray(a) !== Array.isArray(b)
  )
    return false;
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return keys.every((key) => same(left[key], right[key]));
}
