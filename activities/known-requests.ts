/** Questions that came again and again, as they stand now: what may be expected, and read ahead, is chosen from these. */
import {
  asksAll,
  bytesPerRow,
  declaredByMs,
  declaredRuns,
  type DeclaredRun,
} from '../domain/decision/predict/declared-runs.js';
import type { KnownRequest } from '../domain/decision/predict/expected-requests.js';
import { stepMsOf } from '../domain/decision/steps.js';
import type { DatasetFacts } from '../domain/decision/work.js';
import { isFault } from './failure.js';
import { shapeOf } from './batch.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** Questions that are looked at in one cycle: those due soonest. */
const KNOWN_MAX = 512;
/** Runs that were never asked whose rows one cycle counts: a scan of the dataset answers them all. */
const COUNTED_MAX = 64;

export async function knownRequests(
  deps: StageDependencies,
  context: CycleContext,
  datasets: readonly DatasetFacts[],
): Promise<KnownRequest[]> {
  const { definition, asOfMs, items } = context;
  if (definition.cache.prefetch === 0) return [];
  const habits = await deps.recurrences.known(context, asOfMs, KNOWN_MAX);
  const declared = await declaredRequests(deps, context, datasets);
  const known = [...habits.filter(({ shape }) => !declared.some((one) => one.shape === shape)), ...declared].filter(
    (one) => mayAsk(definition, one),
  );
  if (known.length === 0) return [];
  const asks = known.map(({ shape, maxAgeMs }) => {
    return { shape, minAsOfMs: asOfMs - (maxAgeMs ?? 0), contentId: null };
  });
  const cached = new Map((await deps.plans.cached(context, asks, asOfMs)).map((hit) => [hit.shape, hit.asOfMs]));
  const now = new Set(items.filter(({ kind }) => kind === 'request').map(shapeOf));
  return known.map((one): KnownRequest => {
    const { shape, dataset, askedMs, maxAgeMs, coveredUntilMs } = one;
    const foundMs = cached.get(shape);
    const freshUntilMs = foundMs === undefined ? -Infinity : foundMs + (maxAgeMs ?? 0);
    const untilMs = Math.max(coveredUntilMs ?? -Infinity, freshUntilMs);
    return {
      ...one,
      source: definition.datasets[dataset].source,
      askedMs: now.has(shape) && askedMs.at(-1) !== asOfMs ? [...askedMs, asOfMs] : askedMs,
      coveredUntilMs: Number.isFinite(untilMs) ? untilMs : null,
    };
  });
}

/** Runs that will ask while a result of now is fresh enough for them, with what came of earlier expectations. */
async function declaredRequests(
  deps: StageDependencies,
  context: CycleContext,
  datasets: readonly DatasetFacts[],
): Promise<Omit<KnownRequest, 'source'>[]> {
  const { definition, asOfMs } = context;
  const due = declaredRuns(definition).flatMap((run) => {
    const byMs = declaredByMs(run, asOfMs, stepMsOf(definition));
    return byMs === null ? [] : [{ run, shape: shapeOf(run), declaredByMs: byMs }];
  });
  if (due.length === 0) return [];
  const seen = await deps.recurrences.ofShapes(
    context,
    asOfMs,
    due.map(({ shape }) => shape),
  );
  const known = new Map(seen.map((one) => [one.shape, one]));
  const factsOf = new Map(datasets.map((dataset) => [dataset.id, dataset]));
  const wasAsked = (shape: string): boolean => (known.get(shape)?.askedMs.length ?? 0) > 0;
  const open = due.filter(({ run, shape }) => !wasAsked(shape) && run.rows === null && !asksAll(run));
  const counted = await countedRows(
    deps,
    context,
    open.map(({ run }) => run).filter(({ dataset }) => factsOf.has(dataset)),
  );
  return due.flatMap(({ run, shape, declaredByMs: byMs }) => {
    const facts = factsOf.get(run.dataset);
    const before = known.get(shape);
    if (before !== undefined && wasAsked(shape)) return [{ ...before, declaredByMs: byMs }];
    if (facts === undefined) return [];
    const { model, dataset, fields, where, rows, seed, maxAgeMs } = run;
    const isOpen = rows === null && !asksAll(run);
    const matching = isOpen ? counted.get(run.id) : facts.rows;
    const resultRows = Math.min(rows ?? matching ?? facts.rows, facts.rows);
    const { right, wrong, coveredUntilMs } = before ?? { right: 0, wrong: 0, coveredUntilMs: null };
    return [
      {
        ...{ shape, model, dataset, fields, where, rows, seed, maxAgeMs, askedMs: [], declaredByMs: byMs },
        ...{ resultRows, resultBytes: resultRows * bytesPerRow(run, facts), coveredUntilMs, right, wrong },
        ...(matching === undefined ? { uncounted: true as const } : {}),
      },
    ];
  });
}

/**
 * Rows that match each of these runs now, by run. What is beyond the bound, or of a source that does not answer, is left
 * out: nothing is read ahead of a run whose size nobody knows.
 */
async function countedRows(
  deps: StageDependencies,
  context: CycleContext,
  runs: readonly DeclaredRun[],
): Promise<ReadonlyMap<string, number>> {
  const some = runs.slice(0, COUNTED_MAX);
  const datasets = [...new Set(some.map(({ dataset }) => dataset))].sort();
  const answers = await Promise.all(
    datasets.map(async (dataset) => {
      const asks = some
        .filter((run) => run.dataset === dataset)
        .map(({ id, where, fields }) => ({ id, where, fields, classColumn: null }));
      try {
        return await deps.data.measure(datasetRef(context, dataset), context.asOfMs, asks, cancellation());
      } catch (error) {
        if (!isFault(error)) throw error;
        return [];
      }
    }),
  );
  return new Map(answers.flat().map(({ id, rows }) => [id, rows]));
}

/** Whether the model that asked last is still declared, and may still read what it asked. */
function mayAsk(
  { datasets, models }: CycleContext['definition'],
  { model, dataset, fields, where }: Omit<KnownRequest, 'source'>,
): boolean {
  if (!Object.hasOwn(datasets, dataset) || !Object.hasOwn(models, model)) return false;
  const { columns } = datasets[dataset];
  return [...fields, ...where.map(({ column }) => column)].every(
    (column) => columns[column]?.sensitivity !== 'restricted' || models[model].mayRead.includes(`${dataset}.${column}`),
  );
}
