/** The limits that a pool declares, by the names under which they are shared: `bytes:SOURCE`, `rows:SOURCE`, or a resource of the pool. */
import type { PoolDefinition } from './pool.js';

/** Amounts as they are declared: a second for bytes and rows, for each cycle of a resource. A source's quota is not shared by name. */
export function declaredLimits({
  sources,
  resources,
}: Pick<PoolDefinition, 'sources' | 'resources'>): Map<string, number> {
  const found = new Map<string, number>();
  for (const [source, { limits }] of Object.entries(sources)) {
    if (limits.bytesPerSecond !== undefined) found.set(`bytes:${source}`, limits.bytesPerSecond);
    if (limits.rowsPerSecond !== undefined) found.set(`rows:${source}`, limits.rowsPerSecond);
  }
  for (const [resource, amount] of Object.entries(resources)) found.set(resource, amount);
  return found;
}
