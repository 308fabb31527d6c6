/** Stage 5: decide what is handed out, and close the decision with all its effects in one transaction. */
import type { AnalyzeInputs } from '../domain/decision/analyze/analyze.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import type { ClassCounts } from '../domain/analyzers/analyzer.js';
import { weightsTowards } from '../domain/decision/batch/class-quotas.js';
import { describeRoute } from '../domain/decision/quality/reroute.js';
import { correctionsOf, keptCopy } from '../domain/decision/quality/correct.js';
import { describeCorrection } from '../domain/decision/quality/describe-correction.js';
import { coordinate, type CoordinateOutcome } from '../domain/decision/coordinate/coordinate.js';
import type { Grant } from '../domain/decision/batch/grants.js';
import { readReason } from '../domain/decision/batch/read-reasons.js';
import { badReads } from '../domain/decision/quality/quality-check.js';
import type { ItemVerdict, QualityOutcome } from '../domain/decision/quality/quality-inputs.js';
import { newlyAskedRows } from '../domain/decision/analyze/demand.js';
import { needStates } from '../domain/decision/coordinate/need-states.js';
import { predictRead } from '../domain/decision/batch/read-cost.js';
import { sourceSeries, SYSTEM_SERIES } from '../domain/decision/predict/source-loads.js';
import { stepEndMs } from '../domain/decision/steps.js';
import type { WorkItem } from '../domain/decision/work.js';
import { shapeOf, type BatchStageInputs } from './batch.js';
import { coordinateInputs } from './coordinate-inputs.js';
import { chargesOf } from './source-limits.js';
import { movedCredits, readsOf, unused } from './unused-charges.js';
import type { StageDependencies } from './dependencies.js';
import type { SliceResult } from './ports.js';
import { digestOf } from './digest.js';
import type { QualityStageInputs, StoredResult } from './quality-stage.js';
import { lessonsOf } from './lessons.js';
import { loadStage, recordOf } from './stage.js';
import type {
  AskedRequest,
  CacheEntry,
  ClosedDecision,
  Closing,
  CycleContext,
  DecisionRef,
  FileReport,
  NewDelivery,
  StageRecord,
} from './store-ports.js';

/** Everything that the earlier stages left behind. */
interface Earlier {
  readonly analyzed: StageRecord;
  readonly planned: StageRecord;
  readonly checked: StageRecord;
}

export function createCoordinate(deps: StageDependencies) {
  return {
    async coordinate(ref: DecisionRef): Promise<ClosedDecision> {
      const startedMs = deps.now();
      const closed = await deps.closing.closed(ref);
      if (closed !== null) return closed;
      const context = await deps.contextOf(ref);
      const [analyzed, predicted, planned, checked] = await Promise.all([
        loadStage(deps, ref, 'analyze'),
        loadStage(deps, ref, 'predict'),
        loadStage(deps, ref, 'batch'),
        loadStage(deps, ref, 'quality-check'),
      ]);
      const inputs = coordinateInputs(analyzed, planned, checked);
      const outcome = coordinate(inputs);
      // The inputs are the earlier outcomes: their digests say all, a second copy would say nothing more.
      const record = recordOf(deps, 'coordinate', startedMs, {
        inputs: {},
        prior: [analyzed, planned, checked],
        outcome,
        reasons: outcome.ended.map(({ itemId, reason }) => `${itemId}: ${reason}`),
        degraded: false,
      });
      const digest = digestOf(
        [analyzed, predicted, planned, checked, record].map(({ outcomeDigest }) => outcomeDigest),
      );
      const closing = await closingOf(deps, context, { analyzed, planned, checked }, outcome, record, digest);
      return deps.closing.close(ref, closing, deps.now());
    },
  };
}

async function closingOf(
  deps: StageDependencies,
  context: CycleContext,
  earlier: Earlier,
  outcome: CoordinateOutcome,
  record: StageRecord,
  digest: string,
): Promise<Closing> {
  const plan = earlier.planned.outcome as BatchOutcome;
  const planInputs = earlier.planned.inputs as BatchStageInputs;
  const checked = earlier.checked.inputs as QualityStageInputs;
  const { results } = checked;
  const facts = earlier.analyzed.inputs as AnalyzeInputs;
  const { definition, asOfMs, items } = context;
  const deliveries = await deliveriesOf(
    deps,
    context,
    plan,
    checked,
    (earlier.checked.outcome as QualityOutcome).verdicts,
    outcome,
  );
  const demand = demandOf(context, facts);
  const lessons = lessonsOf(context, earlier, outcome);
  const delivered: Record<string, number> = {};
  for (const { model, chargedBytes } of deliveries) delivered[model] = (delivered[model] ?? 0) + chargedBytes;
  return {
    record,
    outcome: outcome.outcome,
    risk: outcome.risk,
    summary: outcome.summary,
    reasons: [...earlier.analyzed.reasons.slice(0, 5), ...record.reasons].slice(0, 20),
    impact: outcome.impact,
    digest,
    deliveries,
    ended: outcome.ended.map(({ itemId, ...end }) => ({ requestId: itemId, ...end })),
    waiting: outcome.waiting,
    needs: needsOf(context, earlier, facts, results, outcome),
    ...answersOf(context, earlier),
    ...(context.trigger === 'backfill' ? {} : { learned: { asOfMs, asked: askedOf(items, deliveries) } }),
    settle: chargesOf(unused(context, plan, checked), planInputs.limits, -1),
    ...lessons,
    metrics: [
      ...lessons.metrics,
      ...Object.entries(demand).map(([subject, value]) => ({
        metric: 'demand',
        subject,
        atMs: stepEndMs(definition, asOfMs),
        value,
      })),
      ...Object.entries(delivered).map(([subject, value]) => ({
        metric: 'charged-bytes',
        subject,
        atMs: asOfMs,
        value,
      })),
    ],
    ...{ credits: movedCredits(plan, checked), leaseUntilMs: deps.now() + definition.cache.lease },
  };
}

/**
 * What was read, as answers to the questions that were put to the reads: a request's own, and what a need's slice would
 * answer a request. A draw by class answers none, and nobody asks for a window of new rows by itself. What was no good, or came
 * from a stand-in, answers nobody else; a cached answer that was no good is taken out.
 */
function answersOf({ items, rests, asOfMs }: CycleContext, earlier: Earlier): Pick<Closing, 'cache' | 'spoiled'> {
  const { results, rerouted = {} } = earlier.checked.inputs as QualityStageInputs;
  const outcome = earlier.checked.outcome as QualityOutcome;
  const planInputs = earlier.planned.inputs as BatchStageInputs;
  const bad = badReads({ ...(earlier.checked.inputs as QualityStageInputs), items }, outcome);
  const refetched = new Map(
    outcome.verdicts.flatMap(({ itemId, routed }) =>
      routed?.kind === 'refetch' && routed.attempt !== null ? [[itemId, rerouted[itemId][routed.attempt]]] : [],
    ),
  );
  const itemOf = new Map(items.map((item) => [item.id, item]));
  const { reads } = earlier.planned.outcome as BatchOutcome;
  const readOf = new Map(reads.flatMap(({ slices }) => slices.map((slice) => [slice.id, slice] as const)));
  const cache = results.flatMap((result): CacheEntry[] => {
    const item = itemOf.get(result.itemId)!;
    const again = refetched.get(item.id);
    if (Object.hasOwn(rests.resting, item.dataset) || (again === undefined && bad.has(item.id))) return [];
    const { slice, contentId } = again ?? result;
    const read = readOf.get(item.id);
    if (slice === null || (again === undefined && (result.served === 'cache' || read === undefined))) return [];
    if (
      item.kind === 'need' &&
      (read === undefined || read.quotas !== null || read.cover !== undefined || item.window != null)
    )
      return [];
    const shape = shapeOf(item.kind === 'need' ? { ...read!, dataset: item.dataset } : item);
    const costMs = rebuildMs(item, slice, planInputs);
    return [{ shape, contentId, asOfMs: again === undefined ? result.asOfMs : asOfMs, slice, costMs }];
  });
  const since = results.filter(({ itemId }) => Object.hasOwn(planInputs.arrived ?? {}, itemId));
  const served = [
    ...planInputs.cacheHits,
    ...since.map((result) => ({ ...result, shape: shapeOf(itemOf.get(result.itemId)!) })),
  ];
  const spoiled = served
    .filter(({ itemId }) => bad.has(itemId))
    .map(({ shape, contentId, asOfMs: at }) => ({ shape, contentId, asOfMs: at }));
  return { cache, spoiled: [...spoiled, ...(planInputs.outdated ?? [])] };
}

/** What a read of its own would take: what the cache saves with the next use. */
function rebuildMs({ dataset, fields }: WorkItem, { rows }: SliceResult, { readCosts }: BatchStageInputs): number {
  return predictRead(readCosts[dataset], [{ rows, fields }])?.ms ?? 0;
}

/** What was newly asked: rows of each model and dataset, bytes of each source and of all. */
function demandOf({ items, trigger }: CycleContext, facts: AnalyzeInputs): Readonly<Record<string, number>> {
  const rowsOf = new Map(facts.facts.map((fact) => [fact.itemId, fact.rows]));
  const demand: Record<string, number> = {};
  const ask = (series: string, amount: number): void => void (demand[series] = (demand[series] ?? 0) + amount);
  const datasetOf = new Map(facts.datasets.map((dataset) => [dataset.id, dataset]));
  for (const item of items) {
    // A slice of the past was counted in its own time.
    if (trigger === 'backfill') continue;
    const rows = newlyAskedRows(item, rowsOf.get(item.id));
    ask(`${item.model}/${item.dataset}`, rows);
    const dataset = datasetOf.get(item.dataset);
    if (dataset === undefined) continue;
    const bytes = rows * item.fields.reduce((sum, field) => sum + (dataset.bytesPerValue[field] ?? 8), 0);
    ask(sourceSeries(dataset.source), bytes);
    ask(SYSTEM_SERIES, bytes);
  }
  return demand;
}

/** The questions that were answered, each once. A pinned one names a version: it will not be asked of another. */
function askedOf(items: readonly WorkItem[], deliveries: readonly NewDelivery[]): AskedRequest[] {
  const itemOf = new Map(items.map((item) => [item.id, item]));
  const asked = new Map<string, AskedRequest>();
  for (const { requestId, served, asOfMs, slice } of deliveries) {
    const item = itemOf.get(requestId)!;
    if (item.kind === 'need' || item.datasetVersion !== null) continue;
    const { model, dataset, fields, where, rows, seed, maxAgeMs } = item;
    const shape = shapeOf(item);
    asked.set(shape, {
      ...{ shape, model, dataset, ask: { fields, where, rows, seed, maxAgeMs } },
      ...{ resultRows: slice.rows, resultBytes: slice.bytes, times: (asked.get(shape)?.times ?? 0) + 1 },
      cachedAsOfMs: served === 'cache' ? asOfMs : null,
    });
  }
  return [...asked.values()];
}

/** What becomes of the standing needs. A repeat of the past leaves what they are owed as it is. */
function needsOf(
  { items, trigger }: CycleContext,
  { planned, checked }: Earlier,
  { facts }: AnalyzeInputs,
  results: readonly StoredResult[],
  { deliver }: CoordinateOutcome,
): Closing['needs'] {
  const { grants, waiting } = planned.outcome as BatchOutcome;
  const routed = (checked.outcome as QualityOutcome).verdicts.filter((one) => one.routed !== undefined);
  const elsewhere = new Set(routed.map(({ itemId }) => itemId));
  // Of a window that was served from elsewhere, what comes into it later is told from what matched.
  const own = results.filter(({ itemId }) => !elsewhere.has(itemId));
  const rowsRead = new Map(own.map(({ itemId, slice }) => [itemId, slice?.rows ?? 0]));
  const states = needStates({ items, facts, grants, waiting }, deliver, rowsRead);
  const asBefore = { owedRows: null, shortCycles: null, askedRows: null };
  return trigger === 'backfill' ? states.map((state) => ({ ...state, ...asBefore })) : states;
}

async function deliveriesOf(
  deps: StageDependencies,
  context: CycleContext,
  plan: BatchOutcome,
  { results, treated = {}, rerouted = {}, shares = {} }: QualityStageInputs,
  verdicts: readonly ItemVerdict[],
  outcome: CoordinateOutcome,
): Promise<NewDelivery[]> {
  const items = new Map(context.items.map((item) => [item.id, item]));
  const grants = new Map(plan.grants.map((grant) => [grant.itemId, grant]));
  const resultOf = new Map(results.map((result) => [result.itemId, result]));
  const verdictOf = new Map(verdicts.map((verdict) => [verdict.itemId, verdict]));
  const fallbacks = outcome.deliver
    .filter(({ use }) => use === 'last-good')
    .map(({ itemId }) => items.get(itemId)!.needId!);
  const history = await deps.history.needs(context, fallbacks, context.asOfMs - 1);
  return outcome.deliver.map(({ itemId, use, verdict, score }): NewDelivery => {
    const item = items.get(itemId)!;
    const grant = grants.get(itemId)!;
    const result = resultOf.get(itemId)!;
    const judged = verdictOf.get(itemId)!;
    const last = use === 'last-good' ? history[item.needId!].lastGood! : null;
    const further = readsOf(treated, itemId).reduce((sum, { chargedBytes }) => sum + chargedBytes, 0);
    const elsewhere = judged.routed?.attempt ?? null;
    const copy = elsewhere === null ? keptCopy(treated, judged) : null;
    const route = elsewhere === null ? null : rerouted[itemId][elsewhere];
    const fresh = route?.slice ?? copy?.file ?? result.slice!;
    // What another file has in the place of what was drawn; null: it is what was drawn.
    const classCounts = copy !== null ? copy.slice.classCounts : route !== null ? fresh.classCounts : null;
    const mix = { shares: shares[itemId], classCounts };
    return {
      id: deliveryId(itemId),
      requestId: itemId,
      model: item.model,
      dataset: item.dataset,
      needId: item.needId,
      slice: last?.slice ?? fresh,
      chargedBytes: last === null ? (route ?? result).chargedBytes + further : 0,
      contentId: last?.contentId ?? (route ?? result).contentId,
      asOfMs: last?.asOfMs ?? (route === null ? result.asOfMs : context.asOfMs),
      upToMs: item.window == null ? null : (grant.upToMs ?? item.window.toMs),
      verdict,
      score: last?.score ?? score,
      served: last !== null ? 'last-good' : route === null ? result.served : 'read',
      report: reportOf(item, grant, judged, last === null ? fileReport(grant, judged, mix) : standIn(last.told)),
    };
  });
}

/** One delivery for each request: its id is the request's. */
function deliveryId(requestId: string): string {
  return requestId;
}

/** What the model is told about its data: verdict, scores, findings, the mix and its weights, what is missing. */
function reportOf(item: WorkItem, grant: Grant, judged: ItemVerdict, file: FileReport): object {
  return {
    verdict: judged.verdict,
    reason: judged.reason,
    dimensions: judged.dimensions,
    findings: judged.findings,
    asked: grant.asked,
    granted: grant.rows,
    aheadRows: grant.aheadRows,
    classColumn: item.classColumn,
    classShortfall: grant.shortfall,
    grantReason: grant.reason,
    ...(grant.share === undefined ? {} : { readReason: readReason(grant.share, grant.bytes) }),
    ...file,
  };
}

/** Of a fresh file. Where it has other rows than were drawn, its class weights are those of the rows that it has. */
function fileReport(
  { quotas, weights, cover }: Grant,
  judged: ItemVerdict,
  { shares, classCounts }: { readonly shares?: ClassCounts; readonly classCounts: ClassCounts | null },
): FileReport {
  const { routed } = judged;
  const done = routed?.attempt == null ? correctionsOf(judged) : [];
  const resting = routed?.attempt == null ? (judged.notCorrected ?? []) : [];
  const [correction, ...furtherCorrections] = done;
  return {
    corrections: [
      ...(quotas === null ? [] : ['stratified draw towards the class target']),
      ...(cover === undefined ? [] : ['rows of each declared segment drawn first']),
      ...done.map(describeCorrection),
      ...resting.map((why) => `not tried: ${why}`),
      ...(routed === undefined ? [] : [describeRoute(routed)]),
    ],
    ...(correction === undefined ? {} : { correction }),
    ...(furtherCorrections.length === 0 ? {} : { furtherCorrections }),
    ...(routed === undefined ? {} : { routed }),
    classQuotas: quotas,
    classWeights:
      weights === null || shares === undefined || classCounts === null ? weights : weightsTowards(shares, classCounts),
  };
}

/** Of a file that stands in: what was said of it when it was fresh. */
function standIn(told: FileReport): FileReport {
  return { ...told, corrections: ['last good delivery in place of the quarantined one', ...told.corrections] };
}
