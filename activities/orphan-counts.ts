/** Counts the orphans of every delivery whose columns refer to another dataset. */
import type { OrphanCount } from '../domain/decision/quality/orphans.js';
import type { ForeignKey } from '../domain/types/foreign-key.js';
import type { DatasetDefinition } from '../domain/types/pool.js';
import { isFault } from './failure.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { OrphanAsk, SliceResult } from './ports.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** One reference of one item. */
interface Asked extends OrphanAsk {
  readonly itemId: string;
  /** The dataset that refers. */
  readonly from: string;
  readonly reference: ForeignKey;
}

/**
 * By item, in the order of the declarations; items of datasets without references are left out. Each referred dataset is
 * opened once, so that all deliveries are held against one version of it.
 */
export async function countOrphans(
  deps: StageDependencies,
  context: CycleContext,
  results: readonly { readonly itemId: string; readonly slice: Pick<SliceResult, 'path' | 'rows'> | null }[],
): Promise<Readonly<Record<string, readonly OrphanCount[]>>> {
  const items = new Map(context.items.map((item) => [item.id, item]));
  const asked = results.flatMap(({ itemId, slice }): Asked[] => {
    const { dataset, fields } = items.get(itemId)!;
    const references = context.definition.datasets[dataset].references ?? [];
    if (slice === null || slice.rows === 0) return [];
    return references
      .filter(({ columns }) => columns.every((name) => fields.includes(name)))
      .map((reference) => {
        const { columns, keys, text } = reference;
        return {
          id: JSON.stringify([slice.path, text]),
          path: slice.path,
          columns,
          keys,
          itemId,
          from: dataset,
          reference,
        };
      });
  });
  const datasets = [...new Set(asked.map(({ reference }) => reference.dataset))].sort();
  const counts = new Map<string, OrphanCount>();
  for (const dataset of datasets) {
    const here = asked.filter(({ reference }) => reference.dataset === dataset);
    for (const [id, count] of await countIn(deps, context, dataset, here)) counts.set(id, count);
  }
  const found: Record<string, OrphanCount[]> = {};
  for (const { id, itemId } of asked) (found[itemId] ??= []).push(counts.get(id)!);
  return found;
}

async function countIn(
  deps: StageDependencies,
  context: CycleContext,
  dataset: string,
  asked: readonly Asked[],
): Promise<ReadonlyMap<string, OrphanCount>> {
  // Deliveries that share a file share its answer.
  const asks = new Map(asked.map(({ id, path, columns, keys }) => [id, { id, path, columns, keys }]));
  const references = new Map(asked.map(({ id, reference: { text } }) => [id, text]));
  const { datasets } = context.definition;
  const restricted = (columns: DatasetDefinition['columns'], names: readonly string[]): boolean =>
    names.some((name) => Object.hasOwn(columns, name) && columns[name].sensitivity === 'restricted');
  // Findings are read by more than may read a restricted column, on either side.
  const hidden = new Set(
    asked
      .filter(
        ({ from, columns, keys }) =>
          restricted(datasets[from].columns, columns) || restricted(datasets[dataset].columns, keys),
      )
      .map(({ id }) => id),
  );
  try {
    const { contentId, answers } = await deps.data.orphans(
      datasetRef(context, dataset),
      context.asOfMs,
      [...asks.values()],
      cancellation(),
    );
    return new Map(
      answers.map(({ id, examples, ...counted }) => {
        const shown = hidden.has(id) ? [] : examples;
        return [id, { reference: references.get(id)!, dataset, contentId, ...counted, examples: shown }];
      }),
    );
  } catch (error) {
    // What cannot be judged is told; what a retry may mend is retried.
    if (!isFault(error)) throw error;
    const failure = error.message;
    return new Map([...references].map(([id, reference]) => [id, { reference, dataset, failure }]));
  }
}
