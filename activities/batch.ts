/** Stage 3: gather limits, budgets, cached results and history; plan; keep plan, batches and charges in one transaction. */
import type { AnalyzeInputs, AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import { planBatch, type BatchOutcome } from '../domain/decision/batch/batch.js';
import type { BatchInputs, ResourceLimit } from '../domain/decision/batch/batch-inputs.js';
import { cohortReason, cohortRules } from '../domain/decision/batch/cohorts.js';
import type { PoolDefinition } from '../domain/types/pool.js';
import { stepMsOf } from '../domain/decision/steps.js';
import type { ExpectedRequest } from '../domain/decision/predict/expected-requests.js';
import type { PredictOutcome } from '../domain/decision/predict/predict.js';
import { prefetchReasons } from '../domain/decision/batch/prefetch.js';
import type { WorkItem } from '../domain/decision/work.js';
import { formatBytes, formatDuration } from '../domain/types/units.js';
import type { BatchAnswer, StageDependencies } from './dependencies.js';
import type { ReadUnderWay } from '../domain/decision/batch/under-way.js';
import { READ_WAIT_MS_MAX } from '../domain/decision/batch/read-wait.js';
import { answer, plannedBatches } from './planned-reads.js';
import { digestOf } from './digest.js';
import { contractDigest } from './slice-contract.js';
import { chargesOf, sourceLimits } from './source-limits.js';
import { loadStage, recordOf } from './stage.js';
import type { CacheHit, Closing, CycleContext, DecisionRef, RequestPromise } from './store-ports.js';

export interface BatchStageInputs extends Omit<
  BatchInputs,
  'items' | 'facts' | 'datasets' | 'refused' | 'criticality' | 'resample' | 'predictions' | 'surges' | 'expected'
> {
  readonly cacheHits: readonly (CacheHit & { readonly itemId: string })[];
  /** Cached results that were counted under another contract: what is read now takes their place. Absent: none. */
  readonly outdated?: Closing['spoiled'];
  /** Items that reads of earlier cycles were made for, with those reads: they have ended. Absent: none. */
  readonly arrived?: Readonly<Record<string, string>>;
  /** Datasets whose stand-ins are read: nothing is read ahead of them. Absent: none. */
  readonly resting?: readonly string[];
}

export function createBatch(deps: StageDependencies) {
  return {
    async batch(ref: DecisionRef): Promise<BatchAnswer> {
      const startedMs = deps.now();
      const [stored, context, analyzed, predicted] = await Promise.all([
        deps.stages.find(ref, 'batch'),
        deps.contextOf(ref),
        loadStage(deps, ref, 'analyze'),
        loadStage(deps, ref, 'predict'),
      ]);
      if (stored !== null) return answer(context, stored);
      const { expected } = predicted.outcome as PredictOutcome;
      const inputs = await gather(deps, context, analyzed.inputs as AnalyzeInputs, expected, startedMs);
      const outcome = planBatch(
        planInputs(
          inputs,
          analyzed.inputs as AnalyzeInputs,
          analyzed.outcome as AnalyzeOutcome,
          predicted.outcome as PredictOutcome,
        ),
      );
      const record = recordOf(deps, 'batch', startedMs, {
        inputs,
        prior: [analyzed, predicted],
        outcome,
        reasons: reasonsOf(outcome),
        degraded: false,
      });
      const first = await deps.plans.savePlan(
        ref,
        record,
        plannedBatches(context, outcome, inputs),
        chargesOf(sumOf(outcome.charges, outcome.prefetch.charges), inputs.limits, 1),
        deps.now(),
        promisesOf(context, expected, outcome),
      );
      // Another attempt of this activity may have planned meanwhile, from other budgets: its plan is the one that is charged.
      return answer(context, first ? record : await loadStage(deps, ref, 'batch'));
    },
  };
}

/** The plan's inputs, from what is stored of three stages: replay uses the same function. */
export function planInputs(
  inputs: BatchStageInputs,
  analyzed: AnalyzeInputs,
  analysis: AnalyzeOutcome,
  predicted: Pick<PredictOutcome, 'predictions' | 'surges' | 'expected'>,
): BatchInputs {
  return {
    // A decision of a version that did not store them.
    ...{
      sources: {},
      exclusive: [],
      readCosts: {},
      readLimits: { msMax: READ_MS_MAX, bytesMax: READ_MEMORY_BYTES_MAX },
    },
    ...inputs,
    items: analyzed.items,
    facts: analyzed.facts,
    datasets: analyzed.datasets,
    refused: [...analysis.refusals, ...analysis.waiting].map(({ itemId }) => itemId),
    criticality: analysis.criticality,
    resample: analysis.resample,
    predictions: predicted.predictions,
    surges: predicted.surges,
    expected: predicted.expected.filter(({ dataset }) => inputs.resting?.includes(dataset) !== true),
  };
}

/** A read that takes longer holds its requests up, and loses more when its worker dies: far below the activity's timeout. */
const READ_MS_MAX = 30_000;
/** Memory of one read: four at once leave half of the engine's default for everything else. */
const READ_MEMORY_BYTES_MAX = 256 * 1024 ** 2;

async function gather(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
  expected: readonly ExpectedRequest[],
  nowMs: number,
): Promise<BatchStageInputs> {
  const { definition, items, asOfMs } = context;
  const limits = await limitsOf(deps, context, nowMs);
  const needs = await deps.history.needs(
    context,
    items.flatMap(({ needId }) => (needId === null ? [] : [needId])),
    asOfMs,
  );
  const { arrived, underWay } = await earlierReads(deps, context);
  const { hits: cacheHits, outdated } = await findHits(deps, context, analyzed);
  const { reads = {} } = definition;
  const { timeMax = READ_MS_MAX, memoryMax = READ_MEMORY_BYTES_MAX, waitMax = READ_WAIT_MS_MAX } = reads;
  return {
    nowMs,
    asOfMs,
    sources: Object.fromEntries(
      Object.entries(definition.sources).map(
        ([
          id,
          {
            limits: { scansAtOnce },
            windows = null,
          },
        ]) => [id, { scansAtOnce, windows }],
      ),
    ),
    exclusive: Object.entries(definition.datasets).flatMap(([id, { access }]) => (access === 'exclusive' ? [id] : [])),
    readCosts: costsOf(context, (await deps.plans.learned(context, 'read-cost')) as BatchInputs['readCosts']),
    weighsSamples: true,
    readLimits: { msMax: timeMax, bytesMax: memoryMax },
    readWaitMs: waitMax,
    credits: ((await deps.plans.learned(context, 'credits')).flows ?? {}) as BatchInputs['credits'],
    windowMs: definition.window,
    // A slice of the past is not asked of the hours to come.
    levelled: context.trigger !== 'backfill',
    namesForecasts: true,
    windowsPerStep: definition.clock.kind === 'replay' ? 1 : Math.max(1, stepMsOf(definition) / definition.window),
    ...sharersOf(definition),
    limits,
    attempts: Object.fromEntries(
      items.filter(({ attempts }) => attempts > 1).map(({ id, attempts }) => [id, attempts]),
    ),
    aheadRows: Object.fromEntries(
      items.flatMap((item) =>
        item.needId === null || !needs[item.needId]?.aheadRows ? [] : [[item.id, needs[item.needId].aheadRows]],
      ),
    ),
    hits: [...cacheHits.map(({ itemId }) => itemId), ...Object.keys(arrived)],
    cacheHits,
    ...(Object.keys(arrived).length === 0 ? {} : { arrived }),
    ...(underWay.length === 0 ? {} : { underWay }),
    readingShapes: readingOf(context, cacheHits, expected),
    prefetchBytesMax: definition.cache.prefetch,
    ...(outdated.length === 0 ? {} : { outdated }),
    ...(Object.keys(context.rests.resting).length === 0 ? {} : { resting: Object.keys(context.rests.resting) }),
  };
}

/**
 * What reads of earlier cycles mean for this one: which of them have ended that items of it wait for, and which are under way.
 * A result whose file was evicted meanwhile is none: it is read again. So is one of a dataset that has come to rest: its
 * stand-in is read.
 */
async function earlierReads(
  deps: StageDependencies,
  context: CycleContext,
): Promise<Required<Pick<BatchStageInputs, 'arrived'>> & { readonly underWay: readonly ReadUnderWay[] }> {
  const readIds = [...new Set(context.items.flatMap(({ readId }) => readId ?? []))].sort();
  // In this order: what ends in between is seen as under way, and waited for once more.
  const underWay = await deps.batches.underWay(context);
  const going = new Set(underWay.map(({ id }) => id));
  const ended = await deps.batches.ended(
    context,
    readIds.filter((id) => !going.has(id)),
  );
  const readOf = new Map(ended.map((read) => [read.plan.batchId, read]));
  const arrived: [string, string][] = [];
  for (const { id, dataset, readId } of context.items) {
    const read = readId === undefined ? undefined : readOf.get(readId);
    if (read === undefined || Object.hasOwn(context.rests.resting, dataset)) continue;
    const slice = read.result?.slices.find((one) => one.id === id);
    if (slice === undefined || (await deps.cacheFiles.has(slice.path, slice.fileBytes)))
      arrived.push([id, read.plan.batchId]);
  }
  return { arrived: Object.fromEntries(arrived), underWay };
}

/** What reads take: where a dataset rests, those of its stand-in. */
function costsOf({ rests: { resting } }: CycleContext, costs: BatchInputs['readCosts']): BatchInputs['readCosts'] {
  const others = Object.entries(costs).filter(([id]) => !Object.hasOwn(resting, id));
  const standIns = Object.entries(resting).flatMap(([id, { standIn }]) =>
    Object.hasOwn(costs, standIn) ? [[id, costs[standIn]] as const] : [],
  );
  return Object.fromEntries([...others, ...standIns]);
}

/** How the models share, alone and in cohorts. */
function sharersOf(definition: PoolDefinition): Pick<BatchStageInputs, 'models' | 'cohorts'> {
  const models = Object.entries(definition.models).map(([id, { weight, priority, cohort }]) => {
    return [id, { weight, priority, ...(cohort === undefined ? {} : { cohort }) }] as const;
  });
  const cohorts = definition.cohorts === undefined ? {} : { cohorts: cohortRules(definition) };
  return { models: Object.fromEntries(models), ...cohorts };
}

/** What this cycle may take of each limited resource. */
async function limitsOf(deps: StageDependencies, context: CycleContext, nowMs: number): Promise<ResourceLimit[]> {
  const { definition } = context;
  const rates = sourceLimits(definition);
  const tokens = await deps.plans.tokens(context, rates, nowMs);
  return [
    ...rates.map((rate) => ({ ...rate, available: tokens[rate.resource] })),
    ...(await quotaLimits(deps, context, nowMs)),
    ...Object.entries(definition.resources).map(([resource, amount]) => ({
      resource,
      source: null,
      available: amount,
      perSecond: 0,
      burst: amount,
    })),
  ];
}

/** What is left of each source's quota: its bytes less what left it in the period before now, or is planned to. */
async function quotaLimits(deps: StageDependencies, context: CycleContext, nowMs: number): Promise<ResourceLimit[]> {
  const limits: ResourceLimit[] = [];
  for (const [source, { limits: declared }] of Object.entries(context.definition.sources)) {
    if (declared.quota === undefined) continue;
    const { bytes, per } = declared.quota;
    const taken = await deps.plans.bytesSince(context, source, nowMs - per);
    const perSecond = (bytes / per) * 1_000;
    limits.push({ resource: `quota:${source}`, source, available: bytes - taken, perSecond, burst: bytes });
  }
  return limits;
}

/** The question that a result answers, whatever the time: dataset, fields, rows, picks. */
export function shapeOf(item: Pick<WorkItem, 'dataset' | 'fields' | 'where' | 'rows' | 'seed'>): string {
  return digestOf([item.dataset, item.fields, item.where, item.rows, item.seed]);
}

/**
 * Results that answer a request without a read: where it says how old data may be, one that is fresh enough; where it
 * does not, one of the same content since which no row arrived, as it is what a read would give: of a read that was in
 * flight when the request came, for example. A pin needs the same content.
 */
async function findHits(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: AnalyzeInputs,
): Promise<{ readonly hits: (CacheHit & { itemId: string })[]; readonly outdated: Closing['spoiled'] }> {
  const datasets = new Map(analyzed.datasets.map((dataset) => [dataset.id, dataset]));
  const asking = context.items.filter(
    ({ kind, dataset, readId }) => kind === 'request' && readId === undefined && datasets.has(dataset),
  );
  const asks = asking.map((item) => ({
    shape: shapeOf(item),
    minAsOfMs:
      item.maxAgeMs === null
        ? Math.min(context.asOfMs, datasets.get(item.dataset)!.newestEventMs ?? 0)
        : context.asOfMs - item.maxAgeMs,
    contentId: item.maxAgeMs === null || item.datasetVersion !== null ? datasets.get(item.dataset)!.contentId : null,
  }));
  // Newest last, so that it is the one a shape (and a pinned content) finds.
  const cached = [...(await deps.plans.cached(context, asks, context.asOfMs))].sort((a, b) => a.asOfMs - b.asOfMs);
  const found = new Map(
    cached.flatMap((hit) => [
      [hit.shape, hit],
      [`${hit.shape} ${hit.contentId}`, hit],
    ]),
  );
  const hits: (CacheHit & { itemId: string })[] = [];
  const outdated = new Map<string, Closing['spoiled'][number]>();
  for (const [index, item] of asking.entries()) {
    const { shape, minAsOfMs, contentId } = asks[index];
    const hit = found.get(contentId === null ? shape : `${shape} ${contentId}`);
    if (hit === undefined || hit.asOfMs < minAsOfMs) continue;
    // Promises may be newer than the result: its figures were counted under others, and it is read again.
    if (hit.slice.contract !== contractDigest(context.definition.datasets[item.dataset], item.fields))
      outdated.set(shape, { shape, contentId: hit.contentId, asOfMs: hit.asOfMs });
    else if (await deps.cacheFiles.has(hit.slice.path, hit.slice.fileBytes)) hits.push({ ...hit, itemId: item.id });
  }
  return { hits, outdated: [...outdated.values()] };
}

/** Those of the expected questions that this cycle reads anyway. */
function readingOf(
  { items }: CycleContext,
  hits: readonly { readonly itemId: string }[],
  expected: readonly ExpectedRequest[],
): string[] {
  const cached = new Set(hits.map(({ itemId }) => itemId));
  const reading = new Set(items.filter(({ id, kind }) => kind === 'request' && !cached.has(id)).map(shapeOf));
  return expected.map(({ shape }) => shape).filter((shape) => reading.has(shape));
}

function promisesOf(
  { asOfMs }: CycleContext,
  expected: readonly ExpectedRequest[],
  { prefetch }: BatchOutcome,
): RequestPromise[] {
  const read = new Set(prefetch.reads.flatMap(({ requests }) => requests.map(({ shape }) => shape)));
  return expected.map((request) => {
    const { shape, model, dataset, fields, where, rows, seed, maxAgeMs, fromMs, untilMs, probability, basis } = request;
    return {
      ...{ shape, model, dataset, asOfMs, fromMs, untilMs, probability, basis, read: read.has(shape) },
      ...{ ask: { fields, where, rows, seed, maxAgeMs }, resultRows: request.resultRows, bytes: request.resultBytes },
    };
  });
}

function sumOf(
  a: Readonly<Record<string, number>>,
  b: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...new Set([...Object.keys(a), ...Object.keys(b)])].map((key) => [key, (a[key] ?? 0) + (b[key] ?? 0)]),
  );
}

function reasonsOf(outcome: BatchOutcome): string[] {
  return [
    outcome.ahead.reason,
    ...outcome.reads
      .slice(0, 20)
      .map(
        ({ dataset, slices, askedBytes, predictedBytes, reason, predicted, timing }) =>
          `${slices.length} ${slices.length === 1 ? 'request' : 'requests'} on ${dataset} as one read: ${formatBytes(askedBytes)} asked, ${formatBytes(predictedBytes)} read` +
          (predicted === null ? '' : `, ${formatDuration(predicted.ms)} foreseen`) +
          (reason === null ? '' : `; ${reason}`) +
          (timing.waitsFor === null
            ? ''
            : `; starts ${timing.startMs === null ? 'later' : `after ${formatDuration(timing.startMs)}`}: ${timing.waitsFor}`),
      ),
    ...(outcome.allocation?.allocations.map(({ id, reason }) => `${id}: ${reason}`) ?? []),
    ...(outcome.cohorts ?? []).map(cohortReason),
    ...prefetchReasons(outcome.prefetch),
    ...Object.entries(outcome.credits).map(
      ([id, balance]) =>
        `${id} ${balance < 0 ? 'owes the others' : 'is owed'} ${Math.abs(balance).toFixed(2)} of a full bucket`,
    ),
    ...outcome.waiting.slice(0, 50).map(({ itemId, reason }) => `${itemId} waits: ${reason}`),
  ];
}
