/** Further tries at what would be kept back: the source read again where that may help, then the dataset that stands in for it. */
import type { BatchInputs } from '../domain/decision/batch/batch-inputs.js';
import type { Grant } from '../domain/decision/batch/grants.js';
import { qualityCheck } from '../domain/decision/quality/quality-check.js';
import type { Judged, QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import { predictRead } from '../domain/decision/batch/read-cost.js';
import { sliceOf } from '../domain/decision/batch/reads.js';
import { isRoutable, nameOf, routeRound } from '../domain/decision/quality/reroute.js';
import { forbiddenColumns, standInFor } from '../domain/decision/quality/stand-in.js';
import type { WorkItem } from '../domain/decision/work.js';
import { formatDuration } from '../domain/types/units.js';
import { isFault } from './failure.js';
import { datasetRef } from './dataset-ref.js';
import type { StageDependencies } from './dependencies.js';
import type { DatasetRef } from './ports.js';
import { evidenceOfTries } from './quality-evidence.js';
import type { QualityStageInputs, StoredReroute, StoredResult } from './quality-stage.js';
import { readFurther } from './read-further.js';
import { cancellation } from './stage.js';
import type { CycleContext } from './store-ports.js';

/** Items that are tried again in one decision at most: each try is a read of its own. */
export const REROUTED_MAX = 100;
/** No try begins later than this after the first: the stage has two minutes, and one read may wait for its source's limits. */
export const REROUTING_MS = 30_000;

/** The tries by item, and why one that had a chance was not made. */
export type Tries = Required<Pick<QualityStageInputs, 'rerouted' | 'untried'>>;

/**
 * Tries again what would be kept back: first where it was read, then what stands in for that.
 *
 * @param endMs when the last try must have ended
 */
export async function rerouteItems(
  deps: StageDependencies,
  context: CycleContext,
  inputs: QualityStageInputs & Pick<QualityInputs, 'items'>,
  grants: readonly Grant[],
  endMs: number,
): Promise<Tries> {
  const items = new Map(inputs.items.map((item) => [item.id, item]));
  const results = new Map(inputs.results.map((result) => [result.itemId, result]));
  const grantOf = new Map(grants.map((grant) => [grant.itemId, grant]));
  const first = new Map(qualityCheck(inputs).verdicts.map((judged) => [judged.itemId, judged]));
  const contents = new Map<string, Promise<string | null>>();
  const rerouted: Record<string, StoredReroute[]> = {};
  const untried: Record<string, string> = {};
  const tried = new Set<string>();
  const untilMs = deps.now() + REROUTING_MS;
  // Neither tries nor time may be enough for all: who came first when rows were shared out comes first here.
  const scoreOf = ({ itemId }: Judged): number => grantOf.get(itemId)!.score;
  let bad = [...first.values()]
    .filter((judged) => isRoutable(items.get(judged.itemId)!, judged))
    .sort((a, b) => scoreOf(b) - scoreOf(a) || (a.itemId < b.itemId ? -1 : 1));
  for (const other of [changed, standIn]) {
    const made: Made[] = [];
    for (const { itemId } of bad) {
      const item = items.get(itemId)!;
      const found = await other(deps, context, item, results.get(itemId)!, contents);
      if (found === null) continue;
      const held = whyHeld(tried, itemId, deps.now() > untilMs);
      if (held === null) tried.add(itemId);
      const grant = grantOf.get(itemId)!;
      if (held === null) made.push({ item, grant, reroute: await attempt(deps, context, found, item, grant, endMs) });
      else untried[itemId] = `${nameOf({ kind: found.kind, dataset: found.dataset.id })}: not tried, ${held}`;
    }
    for (const { item, reroute } of await withEvidence(deps, context, made, inputs.references))
      (rerouted[item.id] ??= []).push(reroute);
    const judged = routeRound({ ...inputs, rerouted }, first);
    bad = bad.filter(({ itemId }) => judged.get(itemId)?.routed === undefined);
  }
  return { rerouted, untried };
}

interface Made {
  readonly item: WorkItem;
  readonly grant: Grant;
  readonly reroute: StoredReroute;
}

/** The tries with the rest of what they are judged by. */
async function withEvidence(
  deps: StageDependencies,
  context: CycleContext,
  made: readonly Made[],
  references: QualityInputs['references'],
): Promise<readonly Made[]> {
  const read = made.flatMap(({ item, grant, reroute: { slice } }) => (slice === null ? [] : [{ item, grant, slice }]));
  const evidence = (await evidenceOfTries(deps, context, read, references)).values();
  return made.map((one) =>
    one.reroute.slice === null ? one : { ...one, reroute: { ...one.reroute, evidence: evidence.next().value! } },
  );
}

/** Why a try is not made; null where it is. */
function whyHeld(tried: ReadonlySet<string>, itemId: string, late: boolean): string | null {
  if (late) return `${formatDuration(REROUTING_MS)} had gone by with other tries`;
  if (tried.has(itemId) || tried.size < REROUTED_MAX) return null;
  return `${REROUTED_MAX} others of this decision were`;
}

/** What may be read in the place of what was; `forbidden`: why it must not be. */
interface Other {
  readonly kind: StoredReroute['kind'];
  readonly dataset: DatasetRef;
  readonly forbidden?: string;
}
type Finder = (
  deps: StageDependencies,
  context: CycleContext,
  item: WorkItem,
  result: StoredResult,
  contents: Map<string, Promise<string | null>>,
) => Promise<Other | null>;

/**
 * The source again, past the cache, where it may give something else: the first result was cached, or the content changed
 * since. A read that failed was tried again by itself.
 */
const changed: Finder = async (deps, context, item, { slice, served, contentId }, contents) => {
  if (slice === null) return null;
  const dataset = datasetRef(context, item.dataset);
  if (served !== 'cache') {
    if (!contents.has(dataset.id)) contents.set(dataset.id, contentNow(deps, context, dataset));
    if ((await contents.get(dataset.id)!) === contentId) return null;
  }
  return { kind: 'refetch', dataset };
};

/** The content as it is now; null where it cannot be told: then a read would not get far either. */
async function contentNow(deps: StageDependencies, context: CycleContext, dataset: DatasetRef): Promise<string | null> {
  try {
    return (await deps.data.describe(dataset, context.asOfMs, cancellation())).contentId;
  } catch (error) {
    if (isFault(error)) return null;
    throw error;
  }
}

/** The declared stand-in, to be measured by what the item's own dataset promises. */
const standIn: Finder = (_, context, item) => {
  const { datasets, models, sources } = context.definition;
  const promised = datasets[item.dataset];
  if (Object.hasOwn(context.rests.resting, item.dataset)) {
    // The stand-in was read first: the dataset itself is what is left.
    const { own } = context.rests.resting[item.dataset];
    const dataset = { ...datasetRef(context, item.dataset), definition: own };
    return Promise.resolve({
      kind: 'fallback',
      dataset: { ...dataset, sourceId: own.source, source: sources[own.source] },
    });
  }
  if (promised.fallback === undefined || !Object.hasOwn(datasets, promised.fallback)) return Promise.resolve(null);
  const other = datasetRef(context, promised.fallback);
  const forbidden = forbiddenColumns(item, other.id, other.definition, models);
  const definition = standInFor(promised, other.definition);
  const reason = `model ${item.model} may not read ${forbidden.join(', ')} of ${other.id}`;
  return Promise.resolve({
    ...{ kind: 'fallback', dataset: { ...other, definition } },
    ...(forbidden.length === 0 ? {} : { forbidden: reason }),
  });
};

function nothing(kind: StoredReroute['kind'], { id, sourceId }: DatasetRef): StoredReroute {
  return { kind, dataset: id, source: sourceId, slice: null, failure: null, contentId: '', rows: 0, chargedBytes: 0 };
}

/** One read, under the limits of its source. A source that fails is a try that failed; the cycle goes on. */
async function attempt(
  deps: StageDependencies,
  context: CycleContext,
  { kind, dataset, forbidden }: Other,
  item: WorkItem,
  grant: Grant,
  endMs: number,
): Promise<StoredReroute> {
  if (forbidden !== undefined) return { ...nothing(kind, dataset), failure: forbidden };
  const read = {
    ...{ id: `${kind} ${item.id}`, dataset, asOfMs: context.asOfMs },
    ...{ contentId: null, slices: [sliceOf(item, grant)] },
  };
  const charged = { source: dataset.sourceId, predictedBytes: grant.bytes, predictedRows: grant.rows };
  const costs = (await deps.plans.learned(context, 'read-cost')) as BatchInputs['readCosts'];
  const predicted = predictRead(costs[dataset.id], [{ rows: grant.rows, fields: item.fields }]);
  const foreseen = predicted === null ? null : { ms: predicted.ms, msTail: predicted.msTail };
  try {
    const { result, tookMs } = await readFurther(deps, context, read, charged, endMs);
    const [slice = null] = result.slices;
    return {
      ...nothing(kind, dataset),
      ...(item.window == null ? {} : { leastRows: grant.rows }),
      ...{ slice, failure: result.failures.at(0)?.reason ?? null, contentId: result.contentId },
      ...{ rows: result.rowsRead, chargedBytes: result.bytesRead },
      cost: { foreseen, took: { ms: tookMs, bytes: result.bytesRead } },
    };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...nothing(kind, dataset), failure: error.message, cost: { foreseen, took: null } };
  }
}
