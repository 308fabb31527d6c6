/** The profiles of the datasets that this cycle's needs read, merged into what is kept of earlier versions. */
import type { ProfiledText } from '../domain/quality/content-profile.js';
import type { DatasetProfile, KeptProfile } from '../domain/quality/dataset-profile.js';
import type { DatasetDefinition } from '../domain/types/pool.js';
import { formatDuration } from '../domain/types/units.js';
import { isFault } from './failure.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetState } from './ports.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** A dataset of this cycle, as it was described. */
export interface DescribedDataset {
  readonly id: string;
  readonly state: DatasetState;
}

interface Profiled {
  readonly profiles: Readonly<Record<string, DatasetProfile>>;
  readonly keep: Readonly<Record<string, KeptProfile>>;
  /** Why a dataset has no profile. */
  readonly unprofiled: Readonly<Record<string, string>>;
}

/** What profiles may take of one `analyze` stage, which may take two minutes: everybody waits for it. */
export const PROFILING_MS = 20_000;
/** After so long a dataset that took longer is tried again: at most one part in 180 of the time goes into such tries. */
const AGAIN_MS = 3_600_000;
/** Datasets that are remembered for having taken too long. */
const SLOW_MAX = 10_000;

/** When a dataset that took too long is tried again (ms), by tenant, pool and dataset. */
export type SlowProfiles = Map<string, number>;

/**
 * Profiles the columns that standing needs read. A cycle of requests alone profiles nothing: nobody waits for it. One that
 * cannot be profiled is served all the same, and told: so is one that takes longer than its share of `budgetMs`, which is
 * then left alone for an hour.
 */
export async function profileDatasets(
  deps: StageDependencies,
  context: CycleContext,
  described: readonly DescribedDataset[],
  slow: SlowProfiles,
  budgetMs = PROFILING_MS,
): Promise<Profiled> {
  const read = described.flatMap(({ id, state }) => {
    const columns = neededColumns(context, id, state);
    return columns.length === 0 ? [] : [{ id, columns, state }];
  });
  const kept = await deps.history.keptProfiles(
    context,
    read.map(({ id }) => id),
  );
  const cancelled = cancellation();
  const profiles: Record<string, DatasetProfile> = {};
  const keep: Record<string, KeptProfile> = {};
  const unprofiled: Record<string, string> = {};
  const untilMs = deps.now() + budgetMs;
  // Those that go on from what is kept take little, and leave the others more.
  const known = (id: string): number => (Object.hasOwn(kept, id) ? 0 : 1);
  const ordered = [...read].sort((a, b) => known(a.id) - known(b.id) || (a.id < b.id ? -1 : 1));
  for (const [at, { id, columns, state }] of ordered.entries()) {
    const key = JSON.stringify([context.tenant, context.pool, id]);
    const againMs = slow.get(key) ?? 0;
    if (againMs > deps.now()) {
      unprofiled[id] = `its profile took too long; it is tried again from ${new Date(againMs).toISOString()} on`;
      continue;
    }
    const shareMs = Math.max(0, Math.floor((untilMs - deps.now()) / (ordered.length - at)));
    const ask = {
      columns,
      latenessMs: context.definition.datasets[id].lateness ?? 0,
      kept: Object.hasOwn(kept, id) ? kept[id] : null,
      described: state,
    };
    const late = AbortSignal.timeout(shareMs);
    try {
      const signal = AbortSignal.any([cancelled, late]);
      const made = await deps.data.profile(datasetRef(context, id), context.asOfMs, ask, signal);
      profiles[id] = withoutFigures(made.profile, context.definition.datasets[id].columns);
      if (made.keep !== null) keep[id] = made.keep;
    } catch (error) {
      if (error === late.reason && !cancelled.aborted) {
        unprofiled[id] = `its profile took longer than ${formatDuration(shareMs)}`;
        if (slow.size >= SLOW_MAX) slow.clear();
        slow.set(key, deps.now() + AGAIN_MS);
        continue;
      }
      if (!isFault(error)) throw error;
      unprofiled[id] = error.message;
    }
  }
  return { profiles, keep, unprofiled };
}

/** All that the pool's needs may read of a dataset that is read for one of them now: the same columns in every cycle. */
function neededColumns({ definition, items }: CycleContext, id: string, state: DatasetState): string[] {
  if (!items.some(({ needId, dataset }) => needId !== null && dataset === id)) return [];
  const { columns } = definition.datasets[id];
  const names = Object.values(definition.models).flatMap(({ needs, mayRead }) =>
    needs
      .filter(({ dataset }) => dataset === id)
      .flatMap(({ fields, classColumn }) => (classColumn === undefined ? fields : [...fields, classColumn]))
      .filter((name) => !isRestricted(columns, name) || mayRead.includes(`${id}.${name}`)),
  );
  return [...new Set(names)].filter((name) => state.columns.some((column) => column.name === name)).sort();
}

function isRestricted(columns: DatasetDefinition['columns'], name: string): boolean {
  return Object.hasOwn(columns, name) && columns[name].sensitivity === 'restricted';
}

/** The profile as everybody who may see the decision may see it: no value of a restricted column. */
function withoutFigures(profile: DatasetProfile, columns: DatasetDefinition['columns']): DatasetProfile {
  const none = { min: null, median: null, max: null, mean: null };
  const shown = Object.entries(profile.columns).map(([name, column]) => [
    name,
    isRestricted(columns, name) ? { ...column, ...none } : column,
  ]);
  const hide = <Facts extends object>(of: Readonly<Record<string, Facts>>, key: keyof Facts): Record<string, Facts> =>
    Object.fromEntries(
      Object.entries(of).map(([name, facts]) => [
        name,
        isRestricted(columns, name) ? { ...facts, [key]: null } : facts,
      ]),
    );
  return {
    ...profile,
    columns: Object.fromEntries(shown) as DatasetProfile['columns'],
    ...(profile.vectors === undefined ? {} : { vectors: hide(profile.vectors, 'norms') }),
    ...(profile.texts === undefined ? {} : { texts: hideLengths(hide(profile.texts, 'lengths'), columns) }),
  };
}

/** Neither those of the rows that came, nor of those before. */
function hideLengths(
  texts: NonNullable<DatasetProfile['texts']>,
  columns: DatasetDefinition['columns'],
): NonNullable<DatasetProfile['texts']> {
  const without = (part: ProfiledText['latest']): ProfiledText['latest'] => {
    if (part === null) return null;
    const { rows, empty, languageTexts, languages } = part;
    return { rows, empty, languageTexts, languages };
  };
  return Object.fromEntries(
    Object.entries(texts).map(([name, text]) => [
      name,
      isRestricted(columns, name) ? { ...text, latest: without(text.latest), before: without(text.before) } : text,
    ]),
  );
}
