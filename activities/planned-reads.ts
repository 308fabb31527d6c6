/** The reads of a plan as they are stored, and as the workflow schedules them. */
import type { BatchOutcome } from '../domain/decision/batch/batch.js';
import { READ_WAIT_MS_MAX } from '../domain/decision/batch/read-wait.js';
import { mayOutlast, readEnds } from '../domain/decision/batch/under-way.js';
import { READS_IN_FLIGHT_MAX } from '../domain/decision/stages.js';
import { formatBytes } from '../domain/types/units.js';
import type { BatchInputs } from '../domain/decision/batch/batch-inputs.js';
import type { BatchAnswer, BatchRef, UnderWayRef } from './dependencies.js';
import { isPaced } from './pacing.js';
import { pacedMsOf } from './source-limits.js';
import type { CycleContext, DecisionRef, PlannedBatch, StageRecord } from './store-ports.js';

/** The reads of a plan as they are stored: those that were asked for, then those ahead of being asked. */
export function plannedBatches(
  context: CycleContext,
  outcome: BatchOutcome,
  { limits, nowMs }: Pick<BatchInputs, 'limits' | 'nowMs'>,
): PlannedBatch[] {
  const { asOfMs } = context;
  const ends = readEnds(outcome.reads, limits);
  const asked = outcome.reads.map((read, index): PlannedBatch => {
    const { ordinal, dataset, source, contentId, slices, predicted, timing } = read;
    return {
      ...{ batchId: batchId(context, ordinal), ordinal, source, dataset, contentId, asOfMs, slices },
      ...{ predictedBytes: read.predictedBytes, predictedRows: read.predictedRows, askedBytes: read.askedBytes },
      predictedMs: predicted?.ms ?? null,
      predictedMemoryBytes: predicted?.memoryBytes ?? null,
      predictedStartMs: timing.startMs,
      aloneMs: predicted?.aloneMs ?? null,
      foreseenEndMs: nowMs + ends[index],
      ...(slices.length > 1 || isPaced(context.definition, read) ? { joinable: true as const } : {}),
    };
  });
  const ahead = outcome.prefetch.reads.map((read, index): PlannedBatch => {
    const ordinal = asked.length + index;
    return {
      batchId: batchId(context, ordinal),
      ordinal,
      source: read.source,
      dataset: read.dataset,
      contentId: null,
      asOfMs,
      slices: read.requests.map(({ shape, fields, where, rows, seed }) => {
        return { id: shape, fields, where, rows, seed, classColumn: null, quotas: null };
      }),
      predictedBytes: read.bytes,
      predictedRows: read.rows,
      askedBytes: 0,
      ...{ predictedMs: null, predictedMemoryBytes: null, predictedStartMs: null, aloneMs: null },
      prefetch: { predictedRows: read.rows },
    };
  });
  return [...asked, ...ahead];
}

function batchId({ decisionId }: DecisionRef, ordinal: number): string {
  return `${decisionId}:${ordinal}`;
}

/** What the workflow needs to schedule the reads. */
export function answer(context: CycleContext, planned: StageRecord): BatchAnswer {
  const outcome = planned.outcome as BatchOutcome;
  const inputs = planned.inputs as BatchInputs;
  const itemOf = new Map(context.items.map((item) => [item.id, item]));
  const { underWay = [], nowMs, readWaitMs: waitMs = READ_WAIT_MS_MAX } = inputs;
  const longLanes = Math.max(0, READS_IN_FLIGHT_MAX - underWay.length);
  const ends = readEnds(outcome.reads, inputs.limits);
  const batches = outcome.reads.map((read, index): BatchRef => {
    const { ordinal, dataset, slices, after } = read;
    const models = new Set(slices.map((slice) => itemOf.get(slice.id)!.model));
    const [id] = models;
    const model = models.size === 1 ? context.definition.models[id] : undefined;
    const long = ends[index] > waitMs;
    // While as many are under way as one cycle runs at once, no further one joins them by being slow.
    const leaves =
      mayOutlast(read, itemOf) && !Object.hasOwn(context.rests.resting, dataset) && (long || longLanes > 0);
    return {
      batchId: batchId(context, ordinal),
      dataset,
      requests: slices.length,
      model: model === undefined ? null : { id: id, priority: model.priority, weight: model.weight },
      ...(after.length === 0 ? {} : { after: after.map((before) => batchId(context, before)) }),
      ...(leaves ? { mayOutlast: true } : {}),
      ...(leaves && long ? { long: true } : {}),
    };
  });
  const { asked, planned: read, grants, waiting, reads, prefetch } = outcome;
  const prefetches = prefetch.reads.map(({ dataset, requests }, index): BatchRef => {
    return { batchId: batchId(context, reads.length + index), dataset, requests: requests.length, model: null };
  });
  const overdue = underWay
    .filter(({ endMs }) => endMs < nowMs)
    .map(({ id, decisionId, dataset, slices, sinceMs, endMs }): UnderWayRef => {
      const read = {
        batchId: id,
        decisionId,
        dataset,
        requests: slices.length,
        model: null,
        mayOutlast: true,
      } as const;
      return { ...read, pacedMs: Math.max(0, endMs - sinceMs) };
    });
  const pacedMs = pacedMsOf(context, plannedBatches(context, outcome, inputs));
  return {
    summary: `**batch**: ${grants.length} granted as ${reads.length} reads (${formatBytes(read.bytes)} of ${formatBytes(asked.bytes)} asked), ${waiting.length} wait`,
    batches,
    ...(prefetches.length === 0 ? {} : { prefetches }),
    ...(pacedMs === 0 ? {} : { pacedMs }),
    ...(batches.some((one) => one.mayOutlast) ? { waitMs, longLanes } : {}),
    ...(overdue.length === 0 ? {} : { overdue }),
  };
}
