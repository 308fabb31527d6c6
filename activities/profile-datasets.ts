/** The profiles of the datasets that this cycle's needs read, merged into what is kept of earlier versions. */
import type { DatasetFacts } from '../domain/decision/work.js';
import type { DatasetProfile, KeptProfile } from '../domain/quality/dataset-profile.js';
import { BalanceError } from '../domain/types/errors.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

interface Profiled {
  readonly profiles: Readonly<Record<string, DatasetProfile>>;
  readonly keep: Readonly<Record<string, KeptProfile>>;
  /** Why a dataset has no profile. */
  readonly unprofiled: Readonly<Record<string, string>>;
}

/**
 * Profiles the columns that standing needs read. A cycle of requests alone profiles nothing: nobody waits for it. One that
 * cannot be profiled is served all the same, and told.
 */
export async function profileDatasets(
  deps: StageDependencies,
  context: CycleContext,
  facts: readonly DatasetFacts[],
): Promise<Profiled> {
  const read = facts.flatMap((dataset) => {
    const columns = neededColumns(context, dataset);
    return columns.length === 0 ? [] : [{ id: dataset.id, columns }];
  });
  const kept = await deps.history.keptProfiles(
    context,
    read.map(({ id }) => id),
  );
  const signal = cancellation();
  const profiles: Record<string, DatasetProfile> = {};
  const keep: Record<string, KeptProfile> = {};
  const unprofiled: Record<string, string> = {};
  for (const { id, columns } of read) {
    const ask = {
      columns,
      latenessMs: context.definition.datasets[id].lateness ?? 0,
      kept: Object.hasOwn(kept, id) ? kept[id] : null,
    };
    try {
      const made = await deps.data.profile(datasetRef(context, id), context.asOfMs, ask, signal);
      profiles[id] = made.profile;
      if (made.keep !== null) keep[id] = made.keep;
    } catch (error) {
      if (!(error instanceof BalanceError) || error.kind === 'internal' || error.kind === 'interrupted') throw error;
      unprofiled[id] = error.message;
    }
  }
  return { profiles, keep, unprofiled };
}

/** All that the pool's needs read of a dataset that is read for one of them now: the same columns in every cycle. */
function neededColumns({ definition, items }: CycleContext, { id, bytesPerValue }: DatasetFacts): string[] {
  if (!items.some(({ needId, dataset }) => needId !== null && dataset === id)) return [];
  const names = Object.values(definition.models)
    .flatMap(({ needs }) => needs)
    .filter(({ dataset }) => dataset === id)
    .flatMap(({ fields, classColumn }) => (classColumn === undefined ? fields : [...fields, classColumn]));
  return [...new Set(names)].filter((name) => Object.hasOwn(bytesPerValue, name)).sort();
}
