/** What a decision's deliveries teach later ones, and whom it asks for more data. */
import type { AnalyzeInputs, AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import { dueAsks } from '../domain/decision/coordinate/ask.js';
import { correctionsOf, keptCopy } from '../domain/decision/quality/correct.js';
import type { CoordinateOutcome } from '../domain/decision/coordinate/coordinate.js';
import { countedRows, deliveryMetrics, historyKey, misspeltOf } from '../domain/decision/quality/delivery-metrics.js';
import type { QualityOutcome } from '../domain/decision/quality/quality-inputs.js';
import { needQuestion, nextReference } from '../domain/decision/quality/reference.js';
import type { QualityStageInputs } from './quality-stage.js';
import { matchedMetrics } from './supply-inputs.js';
import type { Closing, CycleContext, NewCorrection, StageRecord } from './store-ports.js';

export type Lessons = Pick<Closing, 'metrics' | 'references' | 'strategy' | 'corrections' | 'circuits' | 'asks'>;

/** A backfill repeats the past: what it corrects is recorded, and it teaches nothing. */
export function lessonsOf(
  context: CycleContext,
  stages: { readonly analyzed: StageRecord; readonly checked: StageRecord },
  outcome: CoordinateOutcome,
): Lessons {
  const { verdicts, strategy = null, circuits = {} } = stages.checked.outcome as QualityOutcome;
  const items = new Map(context.items.map((item) => [item.id, item]));
  const done = verdicts.flatMap((judged) =>
    correctionsOf(judged).map((correction, step) => ({ itemId: judged.itemId, correction, step })),
  );
  const corrections = done.map(({ itemId, correction, step }): NewCorrection => {
    const { issue, action, applied, verdict, predictedDelta, measuredDelta, standardError } = correction;
    const { reason, effect, predictedEffect, cost } = correction;
    const { needId, dataset } = items.get(itemId)!;
    const taken = { requestId: itemId, step, needId, dataset, issue, action, applied, verdict };
    const measured = { predictedDelta, measuredDelta, standardError, effect, predictedEffect, cost };
    return { ...taken, ...measured, reason };
  });
  if (context.trigger === 'backfill')
    return { metrics: [], references: [], strategy: null, corrections, circuits: {}, asks: [] };
  return {
    metrics: [
      ...metricsOf(context, stages),
      ...matchedMetrics(ownOnly(context), (stages.analyzed.inputs as AnalyzeInputs).facts),
    ],
    references: referencesOf(context, stages, outcome),
    strategy,
    corrections,
    circuits,
    asks: asksOf(context, stages),
  };
}

/** Without the items of datasets that rest: what their stand-ins hold is no history of theirs. */
function ownOnly(context: CycleContext): CycleContext {
  const { resting } = context.rests;
  return { ...context, items: context.items.filter(({ dataset }) => !Object.hasOwn(resting, dataset)) };
}

type Stages = Parameters<typeof lessonsOf>[1];

/** The figures of what was read, as it was read: a history of corrected figures would hide that the source is ill. */
function metricsOf(context: CycleContext, { analyzed, checked }: Stages): Closing['metrics'] {
  const known = checked.inputs as QualityStageInputs;
  const { results } = known;
  const available = countedRows((analyzed.inputs as AnalyzeInputs).facts);
  const items = new Map(ownOnly(context).items.map((item) => [item.id, item]));
  return results.flatMap(({ itemId, slice }) => {
    const item = items.get(itemId);
    if (item?.needId == null || slice === null) return [];
    const { needId } = item;
    return deliveryMetrics(item, slice, context.asOfMs, available[itemId], misspeltOf(item, known)).map((one) => ({
      ...historyKey(needId, one),
      atMs: context.asOfMs,
      value: one.value,
    }));
  });
}

function referencesOf(
  context: CycleContext,
  { analyzed, checked }: Stages,
  outcome: CoordinateOutcome,
): Closing['references'] {
  const { references = {}, samples = {}, treated = {} } = checked.inputs as QualityStageInputs;
  const facts = new Map((analyzed.inputs as AnalyzeInputs).facts.map((fact) => [fact.itemId, fact]));
  const verdicts = new Map((checked.outcome as QualityOutcome).verdicts.map((one) => [one.itemId, one]));
  const items = new Map(context.items.map((item) => [item.id, item]));
  return outcome.deliver.flatMap(({ itemId, use, verdict }) => {
    const item = items.get(itemId)!;
    // What its model was trained on is declared: no delivery changes that.
    if (item.needId === null || use !== 'slice' || item.reference !== undefined) return [];
    const judged = verdicts.get(itemId)!;
    // Rows of another source are no measure of the next ones of this.
    if (judged.routed !== undefined) return [];
    // What is handed out is what is remembered: of a corrected delivery its corrected rows.
    const copy = keptCopy(treated, judged);
    const sample = copy === null ? samples[itemId] : copy.sample;
    const reference = nextReference(references[item.needId] ?? null, {
      asOfMs: context.asOfMs,
      decisionId: context.decisionId,
      question: needQuestion(item),
      verdict,
      findings: judged.findings,
      sample: sample?.own ?? null,
      population: facts.get(itemId)?.classCounts ?? null,
    });
    return reference === null ? [] : [{ needId: item.needId, reference }];
  });
}

function asksOf(context: CycleContext, { analyzed, checked }: Stages): Closing['asks'] {
  const { analysis } = analyzed.outcome as AnalyzeOutcome;
  const { asked = {}, nowMs = context.openedMs } = checked.inputs as QualityStageInputs;
  const owners = Object.fromEntries(
    Object.entries(context.definition.datasets).map(([id, { owner }]) => [id, owner ?? null]),
  );
  const rowOf = new Map(context.items.flatMap(({ id, needId }) => (needId === null ? [] : [[needId, id] as const])));
  return dueAsks(analysis.findings, owners, asked, nowMs).map((ask) => ({
    ...ask,
    requestId: rowOf.get(ask.needId)!,
  }));
}
