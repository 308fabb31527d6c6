/** Stage 4: gather what was read or found in the cache, and what could stand in; gate every delivery. */
import { costKey } from '../domain/decision/quality/correction-cost.js';
import { contentsOf } from '../domain/decision/quality/content-findings.js';
import { QUALITY_RULES, qualityCheck, qualityReasons } from '../domain/decision/quality/quality-check.js';
import type { QualityInputs, QualityOutcome } from '../domain/decision/quality/quality-inputs.js';
import { declarationOf } from '../domain/decision/quality/circuit.js';
import type { AnalyzeInputs, AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import type { BatchStageInputs } from './batch.js';
import { waitsForLeft, type ReadUnderWay } from '../domain/decision/batch/under-way.js';
import type { WaitReason, WorkItem } from '../domain/decision/work.js';
import type { StageDependencies, StageSummary } from './dependencies.js';
import { countOrphans } from './orphan-counts.js';
import { gatherEvidence } from './quality-evidence.js';
import { rerouteItems } from './quality-reroute.js';
import { treatSlices } from './quality-treatment.js';
import type { QualityStageInputs, StoredResult } from './quality-stage.js';
import { pacedMsOf } from './source-limits.js';
import { loadStage, recordOf } from './stage.js';
import type { BatchOutcome as BatchRow, LeftReads } from './batch-ports.js';
import type { ActionOn, CycleContext, DecisionRef, NeedState, StageRecord } from './store-ports.js';

/**
 * Reads of further rows have ended so long after the stage began, other tries after twice that: of its two minutes
 * (`stageOptions`) the rest is for judging. What the limits of the sources make the planned reads take comes on top, once
 * for each of both (`pacedOptions`).
 */
const FURTHER_READS_MS = 50_000;

export function createQualityCheck(deps: StageDependencies) {
  return {
    async qualityCheck(input: DecisionRef & { left?: LeftReads }): Promise<StageSummary> {
      const { left, ...ref } = input;
      const startedMs = deps.now();
      const [stored, context, analyzed, planned] = await Promise.all([
        deps.stages.find(ref, 'quality-check'),
        deps.contextOf(ref),
        loadStage(deps, ref, 'analyze'),
        loadStage(deps, ref, 'batch'),
      ]);
      if (stored !== null) return { summary: summarise(stored.outcome as QualityOutcome) };
      const { items } = analyzed.inputs as AnalyzeInputs;
      if (left !== undefined) await deps.batches.leave(ref, left, startedMs);
      const known = await gather(deps, context, analyzed, planned, left, startedMs);
      const { grants, reads } = planned.outcome as BatchOutcome;
      const partMs = FURTHER_READS_MS + pacedMsOf(context, reads);
      const treated = await treatSlices(deps, context, { ...known, items }, grants, startedMs + partMs);
      const corrected = { ...known, treated };
      const endMs = startedMs + 2 * partMs;
      const { rerouted, untried } = await rerouteItems(deps, context, { ...corrected, items }, grants, endMs);
      const inputs = {
        ...corrected,
        ...(Object.keys(rerouted).length === 0 ? {} : { rerouted }),
        ...(Object.keys(untried).length === 0 ? {} : { untried }),
      };
      const outcome = qualityCheck({ ...inputs, items });
      const degraded = inputs.results.some(({ slice }) => slice === null);
      await deps.stages.save(
        ref,
        recordOf(deps, 'quality-check', startedMs, {
          inputs,
          prior: [analyzed, planned],
          outcome,
          reasons: [...leftReasons(inputs), ...qualityReasons(outcome, inputs)],
          degraded,
        }),
      );
      return { summary: summarise(outcome) };
    },
  };
}

/** What the cycle does not wait for, once for each read. */
function leftReasons({ underWay = [] }: QualityStageInputs): string[] {
  return [...new Set(underWay.map(({ reason }) => `not waited for: ${reason}`))];
}

function summarise({ verdicts }: QualityOutcome): string {
  const count = (verdict: string) => verdicts.filter((one) => one.verdict === verdict).length;
  return `**quality-check**: ${count('pass')} pass, ${count('degrade')} degrade, ${count('quarantine')} quarantine`;
}

async function gather(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: StageRecord,
  planned: StageRecord,
  left: LeftReads | undefined,
  nowMs: number,
): Promise<QualityStageInputs> {
  const planInputs = planned.inputs as BatchStageInputs;
  const plan = planned.outcome as BatchOutcome;
  const { arrived = {} } = planInputs;
  const rows = await deps.batches.all(context);
  const earlier = await deps.batches.ended(context, [...new Set(Object.values(arrived))].sort());
  const underWay = waitsForEnd(rows, left, planInputs, context, nowMs);
  const waits = new Set(underWay.map(({ itemId }) => itemId));
  const since = earlier.flatMap((row) => resultsOf(row).filter(({ itemId }) => arrived[itemId] === row.plan.batchId));
  const read = new Map([...rows.flatMap(resultsOf), ...since].map((result) => [result.itemId, result] as const));
  const hits = new Map(planInputs.cacheHits.map((hit) => [hit.itemId, hit]));
  const granted = plan.grants.filter(({ itemId }) => !waits.has(itemId));
  const results = granted.map(({ itemId }): StoredResult => {
    const hit = hits.get(itemId);
    if (hit !== undefined)
      return {
        itemId,
        served: 'cache',
        asOfMs: hit.asOfMs,
        contentId: hit.contentId,
        slice: { ...hit.slice, id: itemId },
        failure: null,
        chargedBytes: 0,
      };
    return (
      read.get(itemId) ?? {
        itemId,
        served: 'read',
        asOfMs: context.asOfMs,
        contentId: '',
        slice: null,
        failure: notRead(arrived[itemId]),
        chargedBytes: 0,
      }
    );
  });
  const needIds = context.items.flatMap(({ needId }) => (needId === null ? [] : [needId]));
  const orphans = await countOrphans(deps, context, results);
  const contents = contentsOf(context.items, (analyzed.outcome as AnalyzeOutcome).analysis.findings);
  const history = await deps.history.needs(context, needIds, context.asOfMs - 1);
  return {
    rules: QUALITY_RULES,
    asOfMs: context.asOfMs,
    nowMs: context.openedMs,
    seed: context.decisionId,
    strategy: await deps.history.strategy(context),
    asked: await deps.history.asks(context, needIds),
    costs: await deps.history.costs(context, actionsOn(context)),
    gains: await deps.history.gains(context, actionsOn(context)),
    results,
    ...(underWay.length === 0 ? {} : { underWay }),
    granted: { ...grantedRows(context, analyzed, granted, results), ...readRows(earlier, results) },
    minRows: Object.fromEntries(granted.map(({ itemId, minRows }) => [itemId, minRows])),
    datasets: promisesOf(context),
    lastGood: await stillThere(deps, context, history),
    ways: waysBeyond(context),
    ...(await gatherEvidence(deps, context, analyzed, plan, results)),
    ...(Object.keys(contents).length === 0 ? {} : { contents }),
    ...(Object.keys(orphans).length === 0 ? {} : { orphans }),
    ...knownCircuits(context, analyzed.inputs as AnalyzeInputs, analyzed.outcome as AnalyzeOutcome),
  };
}

/** Where else the rows of each dataset could come from, and who is asked for better ones. */
function waysBeyond({ definition, trigger }: CycleContext): QualityInputs['ways'] {
  const ways = Object.entries(definition.datasets).map(
    ([id, { fallback = null, owner = null }]) => [id, { fallback, owner, mayAsk: trigger !== 'backfill' }] as const,
  );
  return Object.fromEntries(ways);
}

/** What the datasets promise. */
function promisesOf({ definition }: CycleContext): QualityInputs['datasets'] {
  return Object.fromEntries(
    Object.entries(definition.datasets).map(([id, promised]) => {
      const { columns, maxDuplicateFraction, maxInconsistentFraction, eventTime, key, dependencies } = promised;
      const declared = {
        ...(key === undefined ? {} : { key }),
        ...(dependencies === undefined ? {} : { dependencies }),
        ...(maxInconsistentFraction === undefined ? {} : { maxInconsistentFraction }),
      };
      return [id, { columns, maxDuplicateFraction, eventTime, ...declared }];
    }),
  );
}

/** What is known of the datasets of this cycle that have a stand-in. A repeat of the past neither rests them nor judges them. */
function knownCircuits(
  { definition: { datasets }, items, trigger, rests, circuits }: CycleContext,
  { failures }: AnalyzeInputs,
  { waiting }: AnalyzeOutcome,
): Pick<QualityInputs, 'circuits'> {
  const used = [...new Set(items.map(({ dataset }) => dataset))].sort();
  const stood = used.filter((id) => Object.hasOwn(datasets, id) && datasets[id].fallback !== undefined);
  if (trigger === 'backfill' || stood.length === 0) return {};
  const waits = new Set(waiting.map(({ itemId }) => itemId));
  const silent = new Set(failures.flatMap(({ dataset, transient }) => (transient ? [dataset] : [])));
  const known = stood.map((id) => {
    const rest = Object.hasOwn(rests.resting, id) ? rests.resting[id] : null;
    const declared = rest === null ? datasets : { ...datasets, [id]: rest.own };
    return [
      id,
      {
        ...{ of: declarationOf(declared, id), standIn: datasets[id].fallback! },
        before: Object.hasOwn(circuits, id) ? circuits[id] : null,
        rests: rest === null ? null : rest.reason,
        // New rows that are held were not asked for.
        unread: !silent.has(id)
          ? 0
          : items.filter((item) => item.dataset === id && waits.has(item.id) && rest?.held.includes(item.id) !== true)
              .length,
      },
    ] as const;
  });
  return { circuits: Object.fromEntries(known) };
}

/** The actions that may be taken on the slices of each dataset. */
function actionsOn({ items }: CycleContext): ActionOn[] {
  const pairs = items.flatMap(({ dataset, corrections = [] }) => corrections.map((action) => ({ dataset, action })));
  return [...new Map(pairs.map((pair) => [costKey(pair.dataset, pair.action), pair])).values()];
}

/**
 * Rows that each item must hold. Who wanted every row that matches is told when it got a part. How many match was not
 * counted for all: a read that found fewer than were granted found every one.
 */
function grantedRows(
  { items }: CycleContext,
  analyzed: StageRecord,
  grants: BatchOutcome['grants'],
  results: readonly StoredResult[],
): Readonly<Record<string, number>> {
  const wantsAll = new Set(items.filter((item) => item.rows === null).map(({ id }) => id));
  const { facts } = analyzed.inputs as AnalyzeInputs;
  const counted = new Set(facts.filter(({ exact }) => exact).map(({ itemId }) => itemId));
  const found = new Map(results.map(({ itemId, slice }) => [itemId, slice?.rows ?? Infinity]));
  return Object.fromEntries(
    grants.map(({ itemId, rows, asked }) => {
      const all = found.get(itemId) ?? Infinity;
      if (!counted.has(itemId) && all < rows) return [itemId, all];
      return [itemId, wantsAll.has(itemId) ? asked : rows];
    }),
  );
}

/** Of what an earlier cycle planned to read: so many rows as it planned, or every row that matched then. */
function readRows(earlier: readonly BatchRow[], results: readonly StoredResult[]): Readonly<Record<string, number>> {
  const slices = new Map(earlier.flatMap(({ plan }) => plan.slices.map((slice) => [slice.id, slice] as const)));
  return Object.fromEntries(
    results.flatMap(({ itemId, slice }) => {
      const planned = slices.get(itemId);
      return planned === undefined || slice === null ? [] : [[itemId, planned.rows ?? slice.rows]];
    }),
  );
}

/** Why those wait whose reads the cycle goes on without. */
function waitsForEnd(
  rows: readonly BatchRow[],
  left: LeftReads | undefined,
  { underWay = [] }: BatchStageInputs,
  { decisionId }: DecisionRef,
  nowMs: number,
): WaitReason[] {
  const running = rows.flatMap(({ plan, outlastedMs: sinceMs }): ReadUnderWay[] => {
    if (sinceMs === null) return [];
    const { batchId: id, source, dataset, asOfMs, slices, foreseenEndMs: endMs = sinceMs, joinable = false } = plan;
    return [{ joinable, id, decisionId, source, dataset, asOfMs, slices, sinceMs, endMs }];
  });
  const notBegun = new Set(left?.notBegun);
  const unbegun = rows.filter(({ plan, result }) => result === null && notBegun.has(plan.batchId));
  return waitsForLeft(
    running,
    unbegun.flatMap(({ plan }) => plan.slices.map(({ id }) => id)),
    underWay,
    nowMs,
  );
}

/**
 * The newest good delivery of each need whose file still exists: one that was evicted cannot stand in, nor can one of
 * another question: it may have columns that the model may not read any more.
 */
async function stillThere(
  deps: StageDependencies,
  { items }: CycleContext,
  history: Readonly<Record<string, NeedState>>,
): Promise<QualityInputs['lastGood']> {
  const found: { needId: string; asOfMs: number; digest: string }[] = [];
  const questionOf = ({ dataset, fields, where }: Pick<WorkItem, 'dataset' | 'fields' | 'where'>): string =>
    JSON.stringify([dataset, fields, where]);
  const itemOf = new Map(items.map((item) => [item.needId, item]));
  for (const [needId, { lastGood }] of Object.entries(history)) {
    if (lastGood === null || questionOf(lastGood.asked) !== questionOf(itemOf.get(needId)!)) continue;
    if (!(await deps.cacheFiles.has(lastGood.slice.path, lastGood.slice.fileBytes))) continue;
    found.push({ needId, asOfMs: lastGood.asOfMs, digest: lastGood.slice.digest });
  }
  return found;
}

/** @param readId the read of an earlier cycle that should have had it; undefined: one of this cycle */
function notRead(readId: string | undefined): NonNullable<StoredResult['failure']> {
  return readId === undefined
    ? { type: 'NotRead', reason: 'its cycle made no read for it', resource: 'stage:batch' }
    : { type: 'NotRead', reason: `the read ${readId} left no rows for it`, resource: `read:${readId}` };
}

/** The slices of one read, each charged its part of what the read took: in proportion to its own bytes. */
function resultsOf({ plan, result, error }: BatchRow): StoredResult[] {
  if (result === null) {
    const failure = { type: 'SourceFailed', reason: error ?? 'the read did not end' };
    return plan.slices.map(({ id }) => ({
      itemId: id,
      served: 'read',
      asOfMs: plan.asOfMs,
      contentId: '',
      slice: null,
      failure,
      chargedBytes: 0,
    }));
  }
  const own = result.slices.reduce((sum, { bytes }) => sum + bytes, 0);
  const served = result.slices.length > 1 ? 'merged' : 'read';
  return [
    ...result.slices.map((slice): StoredResult => ({
      itemId: slice.id,
      served,
      asOfMs: plan.asOfMs,
      contentId: result.contentId,
      slice,
      failure: null,
      chargedBytes: own === 0 ? 0 : (result.bytesRead * slice.bytes) / own,
    })),
    ...result.failures.map(({ id, type, reason }): StoredResult => ({
      itemId: id,
      served,
      asOfMs: plan.asOfMs,
      contentId: result.contentId,
      slice: null,
      failure: { type, reason },
      chargedBytes: 0,
    })),
  ];
}
