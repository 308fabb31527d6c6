/** What the declared limits of a pool's sources are in numbers, and what reads take of them. */
import type { ResourceLimit } from '../domain/decision/batch/batch-inputs.js';
import type { PoolDefinition } from '../domain/types/pool.js';
import type { BudgetCharge, PlannedBatch } from './store-ports.js';

/** Per-second limits of the sources, with what one window may take at once. */
export function sourceLimits(definition: PoolDefinition): Omit<ResourceLimit, 'available'>[] {
  const seconds = definition.window / 1000;
  return Object.entries(definition.sources).flatMap(([source, { limits }]) => {
    const of = (name: string, perSecond: number | undefined) =>
      perSecond === undefined ? [] : [{ resource: `${name}:${source}`, source, perSecond, burst: perSecond * seconds }];
    return [...of('bytes', limits.bytesPerSecond), ...of('rows', limits.rowsPerSecond)];
  });
}

/** Amounts as charges of the limits they count for (sign 1), or as what is given back (-1). */
export function chargesOf(
  amounts: Readonly<Record<string, number>>,
  limits: readonly Omit<ResourceLimit, 'available'>[],
  sign: 1 | -1,
): BudgetCharge[] {
  return (
    limits
      // A quota is counted from the reads themselves.
      .filter(
        ({ source, resource }) => source !== null && !resource.startsWith('quota:') && (amounts[resource] ?? 0) !== 0,
      )
      .map(({ resource, perSecond, burst }) => ({ resource, perSecond, burst, amount: sign * amounts[resource] }))
  );
}

/**
 * How long the reads of a plan take at least under the limits of their sources, were they to begin with empty buckets: the
 * longest of any source (ms).
 */
export function pacedMsOf(
  context: { readonly definition: PoolDefinition },
  reads: readonly Pick<PlannedBatch, 'source' | 'predictedBytes' | 'predictedRows'>[],
): number {
  return Math.max(
    0,
    ...sourceLimits(context.definition).map(({ source, resource, perSecond }) => {
      const own = reads.filter((read) => read.source === source);
      const amount = own.reduce(
        (sum, { predictedBytes, predictedRows }) =>
          sum + (resource === `rows:${source}` ? predictedRows : predictedBytes),
        0,
      );
      return Math.ceil((amount / perSecond) * 1_000);
    }),
  );
}
