/** What the quality check knows besides contracts: references, samples of what was read, what is usual of each figure. */
import type { AnalyzeInputs, AnalyzeOutcome } from '../domain/decision/analyze/analyze.js';
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import type { Grant } from '../domain/decision/batch/grants.js';
import { countedRows, deliveryMetrics, historyKey, misspeltOf } from '../domain/decision/quality/delivery-metrics.js';
import type { ItemSample, QualityInputs, Reroute, UsualMetric } from '../domain/decision/quality/quality-inputs.js';
import type { NeedReference } from '../domain/decision/quality/reference.js';
import type { WorkItem } from '../domain/decision/work.js';
import { HISTORY_MAX, learnUsual } from '../domain/quality/usual.js';
import type { StageDependencies } from './dependencies.js';
import { keptReferences } from './need-references.js';
import { countOrphans } from './orphan-counts.js';
import type { SampleAsk, SliceResult } from './ports.js';
import type { StoredResult } from './quality-stage.js';
import { cancellation } from './stage.js';
import type { CycleContext, StageRecord } from './store-ports.js';

export type Evidence = Required<Pick<QualityInputs, 'shares' | 'available' | 'references' | 'samples' | 'usual'>> &
  Pick<QualityInputs, 'unreferenced'>;

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
  const { unreferenced = {} } = facts;
  const references = Object.fromEntries(
    Object.entries(await keptReferences(deps, context)).filter(([needId]) => !Object.hasOwn(unreferenced, needId)),
  );
  const available = countedRows(facts.facts);
  const looked = results.flatMap((result) => {
    const item = needs.get(result.itemId);
    return item === undefined || result.slice === null ? [] : [{ item, slice: result.slice }];
  });
  const drawn = new Map(plan.grants.map((grant) => [grant.itemId, grant]));
  const samples = await Promise.all(
    looked.map(async ({ item, slice }): Promise<readonly (readonly [string, ItemSample])[]> => {
      const sample = await sampleOf(deps, context, item, drawn.get(item.id)!, slice, references);
      return sample === null ? [] : [[item.id, sample]];
    }),
  );
  const sampled = Object.fromEntries(samples.flat());
  return {
    shares: (analyzed.outcome as AnalyzeOutcome).resample,
    available,
    references,
    ...(Object.keys(unreferenced).length === 0 ? {} : { unreferenced }),
    samples: sampled,
    usual: await usualOf(deps, context, looked, available, { references, samples: sampled }),
  };
}

type Drawn = Pick<Grant, 'quotas' | 'cover' | 'rows'>;

/**
 * What a slice looks like; null where it is not compared: of one-off requests, of draws by class, without rows; and of
 * draws by segment that are held against a plain pick of another dataset, or have not the need's size: their mix is another.
 */
async function sampleOf(
  deps: StageDependencies,
  context: CycleContext,
  item: WorkItem,
  { quotas, cover, rows }: Drawn,
  slice: SliceResult,
  references: QualityInputs['references'] = {},
): Promise<ItemSample | null> {
  const isOdd = quotas !== null || (cover !== undefined && (item.reference !== undefined || rows !== item.rows));
  if (item.needId === null || isOdd || slice.rows === 0) return null;
  const reference = Object.hasOwn(references, item.needId) ? references[item.needId] : undefined;
  const ask = sampleAsk(context, item, reference);
  return deps.sliceFiles.sample(slice, ask, cancellation());
}

/** A further try at an item that gave rows. */
export interface TriedSlice {
  readonly item: WorkItem;
  readonly grant: Drawn;
  readonly slice: SliceResult;
}

/** What further tries are judged by besides contracts, in their order; at most one of each item. */
export async function evidenceOfTries(
  deps: StageDependencies,
  context: CycleContext,
  tries: readonly TriedSlice[],
  references: QualityInputs['references'],
): Promise<readonly NonNullable<Reroute['evidence']>[]> {
  const ofNeeds = tries.flatMap(({ item, slice }) =>
    item.needId === null ? [] : [{ item: { ...item, needId: item.needId }, slice }],
  );
  const [orphans, usual, samples] = await Promise.all([
    countOrphans(
      deps,
      context,
      tries.map(({ item: { id }, slice }) => ({ itemId: id, slice })),
    ),
    usualOf(deps, context, ofNeeds, {}, {}),
    Promise.all(tries.map(({ item, grant, slice }) => sampleOf(deps, context, item, grant, slice, references))),
  ]);
  const counted = new Map(Object.entries(orphans));
  const known = new Map(Object.entries(usual));
  return tries.map(({ item: { id } }, index) => ({
    ...{ sample: samples[index], orphans: counted.get(id) ?? [], usual: known.get(id) ?? [] },
  }));
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
  available: Readonly<Partial<Record<string, number>>>,
  seen: Pick<QualityInputs, 'references' | 'samples'>,
): Promise<Evidence['usual']> {
  const asked = looked.flatMap(({ item, slice }) =>
    deliveryMetrics(item, slice, context.asOfMs, available[item.id], misspeltOf(item, seen)).map(
      ({ metric, column }) => ({
        item,
        metric,
        column,
      }),
    ),
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
