/** A dataset of a pool with the source that it is read from. */
import type { DatasetRef } from './ports.js';
import type { CycleContext } from './store-ports.js';

export function datasetRef(
  { tenant, pool, definition }: Pick<CycleContext, 'tenant' | 'pool' | 'definition'>,
  id: string,
): DatasetRef {
  const dataset = definition.datasets[id];
  return {
    tenant,
    pool,
    id,
    definition: dataset,
    sourceId: dataset.source,
    source: definition.sources[dataset.source],
  };
}
