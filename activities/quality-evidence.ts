/** What the quality check knows besides contracts: references, samples of what was read, what is usual of each figure. */
import type { AnalyzeInputs, AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import { deliveryMetrics, historyKey } from '../domain/decision/quality/delivery-metrics.js';
import type { ItemSample, QualityInputs, UsualMetric } from '../domain/decision/quality/quality-inputs.js';
import { needQuestion, type NeedReference } from '../domain/decision/quality/reference.js';
import type { WorkItem } from '../domain/decision/work.js';
import { HISTORY_MAX, learnUsual } from '../domain/quality/usual.js';
import type { StageDependencies } from './dependencies.js';
import type { SampleAsk } from './ports.js';
import type { StoredResult } from './quality-stage.js';
import { cancellation } from './stage.js';
import type { CycleContext, StageRecord } from './store-ports.js';

export type Evidence = Required<Pick<QualityInputs, 'shares' | 'available' | 'references' | 'samples' | 'usual'>>;

/** Gathers the evidence on the slices of standing needs. One-off requests have no history of their own. */
export async function gatherEvidence(
  deps: StageDependencies,
  context: CycleContext,
  analyzed: StageRecord,
  plan: BatchOutcome,
  results: readonly StoredResult[],
): Promise<Evidence> {
  const facts = analyzed.inputs as AnalyzeInputs;
  const needs = new Map(
    context.items.flatMap((item) =>
      item.needId === null ? [] : [[item.id, { ...item, needId: item.needId }] as const],
    ),
  );
  const known = await deps.history.references(
    context,
    [...needs.values()].map(({ needId }) => needId),
  );
  const references = Object.fromEntries(
    [...needs.values()].flatMap((item) => {
      const reference = known[item.needId] as NeedReference | undefined;
      return reference?.question === needQuestion(item) ? [[item.needId, reference] as const] : [];
    }),
  );
  const available = Object.fromEntries(facts.facts.map(({ itemId, rows }) => [itemId, rows]));
  const looked = results.flatMap((result) => {
    const item = needs.get(result.itemId);
    return item === undefined || result.slice === null ? [] : [{ item, slice: result.slice }];
  });
  const plain = new Set(plan.grants.filter(({ quotas }) => quotas === null).map(({ itemId }) => itemId));
  const signal = cancellation();
  const samples = await Promise.all(
    looked
      .filter(({ item, slice }) => plain.has(item.id) && slice.rows > 0)
      .map(async ({ item, slice }): Promise<readonly [string, ItemSample]> => {
        const ask = sampleAsk(context, item, references[item.needId]);
        return [item.id, await deps.sliceFiles.sample(slice, ask, signal)];
      }),
  );
  return {
    shares: (analyzed.outcome as AnalyzeOutcome).resample,
    available,
    references,
    samples: Object.fromEntries(samples),
    usual: await usualOf(deps, context, looked, available),
  };
}

/** How the slice of an item is sampled. Keys and event times move on by themselves. */
export function sampleAsk(context: CycleContext, item: WorkItem, reference: NeedReference | undefined): SampleAsk {
  const { eventTime, key = [] } = context.definition.datasets[item.dataset];
  const moving = eventTime === undefined ? key : [...key, eventTime];
  return { fields: item.fields, moving, reference: reference?.sample ?? null };
}

/** What is usual of every figure of these slices: learned here, so that the record keeps four numbers of each and not a week of values. */
async function usualOf(
  deps: StageDependencies,
  context: CycleContext,
  looked: readonly {
    readonly item: WorkItem & { readonly needId: string };
    readonly slice: NonNullable<StoredResult['slice']>;
  }[],
  available: Readonly<Record<string, number>>,
): Promise<Evidence['usual']> {
  const asked = looked.flatMap(({ item, slice }) =>
    deliveryMetrics(item, slice, context.asOfMs, available[item.id]).map(({ metric, column }) => ({
      item,
      metric,
      column,
    })),
  );
  const histories = await deps.history.metrics(
    context,
    asked.map(({ item, ...key }) => historyKey(item.needId, key)),
    context.asOfMs,
    HISTORY_MAX,
  );
  const usual: Record<string, UsualMetric[]> = {};
  for (const [index, { item, metric, column }] of asked.entries()) {
    const learned = learnUsual(metric, histories[index], context.asOfMs);
    if (learned !== null) (usual[item.id] ??= []).push({ metric, column, usual: learned });
  }
  return usual;
}
