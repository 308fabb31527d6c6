/** Further tries at what would be kept back: the source read again where that may help, then the dataset that stands in for it. */
import type { BatchInputs } from '../domain/decision/batch/batch-inputs.js';
import type { Grant } from '../domain/decision/batch/grants.js';
import { qualityCheck } from '../domain/decision/quality/quality-check.js';
import type { QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import { predictRead } from '../domain/decision/batch/read-cost.js';
import { sliceOf } from '../domain/decision/batch/reads.js';
import { isRoutable, routeRound } from '../domain/decision/quality/reroute.js';
import type { WorkItem } from '../domain/decision/work.js';
import { BalanceError } from '../domain/types/errors.js';
import { predicateColumns } from '../domain/types/predicate.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetRef } from './ports.js';
import type { QualityStageInputs, StoredReroute, StoredResult } from './quality-stage.js';
import { readPaced } from './read-batch.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** Items that are tried again in one decision at most: each try is a read of its own. */
const REROUTED_MAX = 100;
/** No try begins later than this after the first: the stage has two minutes, and one read may wait for its source's limits. */
const REROUTING_MS = 30_000;

/** The tries by item; an item for which nothing can be tried has none. */
export async function rerouteItems(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
  grants: readonly Grant[],
): Promise<Readonly<Record<string, readonly StoredReroute[]>>> {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const results = new Map(inputs.results.map((result) => [result.itemId, result]));
  const grantOf = new Map(grants.map((grant) => [grant.itemId, grant]));
  const bad = qualityCheck(inputs).verdicts.filter((judged) => isRoutable(items.get(judged.itemId)!, judged));
  const rerouted: Record<string, readonly StoredReroute[]> = {};
  const untilMs = deps.now() + REROUTING_MS;
  for (const judged of bad.slice(0, REROUTED_MAX)) {
    if (deps.now() > untilMs) break;
    const item = items.get(judged.itemId)!;
    const asked = { item, grant: grantOf.get(item.id)! };
    const again = await refetch(deps, context, asked, results.get(item.id)!);
    const tries = again === null ? [] : [again];
    const { routed } = routeRound({ ...inputs, rerouted: { [item.id]: tries } }, item, judged);
    const other = routed === undefined ? await fallback(deps, context, asked) : null;
    if (other !== null) tries.push(other);
    if (tries.length > 0) rerouted[item.id] = tries;
  }
  return rerouted;
}

interface Asked {
  readonly item: WorkItem;
  readonly grant: Grant;
}

/**
 * Reads the source again, past the cache, where it may give something else: the first result was cached, or the content
 * changed since. A read that failed was tried again by itself.
 */
async function refetch(
  deps: StageDependencies,
  context: CycleContext,
  asked: Asked,
  { slice, served, contentId }: StoredResult,
): Promise<StoredReroute | null> {
  if (slice === null) return null;
  const dataset = datasetRef(context, asked.item.dataset);
  if (served !== 'cache' && (await contentNow(deps, context, dataset)) === contentId) return null;
  return attempt(deps, context, 'refetch', dataset, asked);
}

/** The content as it is now; null where it cannot be told: then a read would not get far either. */
async function contentNow(deps: StageDependencies, context: CycleContext, dataset: DatasetRef): Promise<string | null> {
  try {
    return (await deps.data.describe(dataset, context.asOfMs, cancellation())).contentId;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** Reads the declared stand-in, measured by what the item's own dataset promises. */
async function fallback(deps: StageDependencies, context: CycleContext, asked: Asked): Promise<StoredReroute | null> {
  const { datasets, models } = context.definition;
  const { item } = asked;
  const promised = datasets[item.dataset];
  if (promised.fallback === undefined || !Object.hasOwn(datasets, promised.fallback)) return null;
  const other = datasetRef(context, promised.fallback);
  const { columns } = other.definition;
  const used = [
    ...item.fields,
    ...predicateColumns(item.where),
    ...(item.classColumn === null ? [] : [item.classColumn]),
  ];
  const forbidden = used.filter(
    (column) =>
      Object.hasOwn(columns, column) &&
      columns[column].sensitivity === 'restricted' &&
      !models[item.model]?.mayRead.includes(`${other.id}.${column}`),
  );
  if (forbidden.length > 0) {
    const failure = `model ${item.model} may not read ${[...new Set(forbidden)].join(', ')} of ${other.id}`;
    return { ...nothing('fallback', other), failure };
  }
  const { source, path, format, table, access, key } = other.definition;
  const definition = { ...promised, source, path, format, table, access, key: promised.key ?? key };
  return attempt(deps, context, 'fallback', { ...other, definition }, asked);
}

function nothing(kind: StoredReroute['kind'], { id, sourceId }: DatasetRef): StoredReroute {
  return { kind, dataset: id, source: sourceId, slice: null, failure: null, contentId: '', rows: 0, chargedBytes: 0 };
}

/** One read, under the limits of its source. A source that fails is a try that failed; the cycle goes on. */
async function attempt(
  deps: StageDependencies,
  context: CycleContext,
  kind: StoredReroute['kind'],
  dataset: DatasetRef,
  { item, grant }: Asked,
): Promise<StoredReroute> {
  const read = {
    ...{ id: `${kind} ${item.id}`, dataset, asOfMs: context.asOfMs },
    ...{ contentId: null, slices: [sliceOf(item, grant)] },
  };
  const charged = { source: dataset.sourceId, predictedBytes: grant.bytes, predictedRows: grant.rows };
  const costs = (await deps.plans.learned(context, 'read-cost')) as BatchInputs['readCosts'];
  const predicted = predictRead(costs[dataset.id], [{ rows: grant.rows, fields: item.fields }]);
  const foreseen = predicted === null ? null : { ms: predicted.ms, msTail: predicted.msTail };
  try {
    const { result, startedMs, endedMs } = await readPaced(deps, context, read, charged);
    const [slice = null] = result.slices;
    return {
      ...nothing(kind, dataset),
      ...(item.window == null ? {} : { leastRows: grant.rows }),
      ...{ slice, failure: result.failures.at(0)?.reason ?? null, contentId: result.contentId },
      ...{ rows: result.rowsRead, chargedBytes: result.bytesRead },
      cost: { foreseen, took: { ms: endedMs - startedMs, bytes: result.bytesRead } },
    };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...nothing(kind, dataset), failure: error.message, cost: { foreseen, took: null } };
  }
}

/** What its source, its declaration or its data is to blame for. */
function isFault(error: unknown): error is BalanceError {
  return error instanceof BalanceError && error.kind !== 'internal' && error.kind !== 'interrupted';
}
