/** One pass of the loop over one immutable snapshot: the numbered stages on one screen. */
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  condition,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  startChild,
  upsertSearchAttributes,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { BatchAnswer, BatchRef } from '../activities/dependencies.js';
import type { LeftReads } from '../activities/batch-ports.js';

import { READS_IN_FLIGHT_MAX, type Outcome, type Stage } from '../domain/decision/stages.js';
import { closeOptions, pacedOptions, stageOptions } from './activity-options.js';
import {
  searchAttributes,
  type BatchInput,
  type CycleInput,
  type CycleResult,
  type DecisionInput,
} from './contract.js';
import { processBatch } from './process-batch.js';

const { openDecision, analyze, predict, batch, coordinate } = proxyActivities<Activities>(stageOptions);
const { abandonDecision } = proxyActivities<Activities>(closeOptions);

export async function balanceCycle(input: CycleInput): Promise<CycleResult> {
  const { tenant, pool, decisionId } = input;
  const ref = { tenant, pool, decisionId };
  const { trigger, asOfMs, slice, released } = input;
  const asked = { trigger, asOfMs, ...(slice === undefined ? {} : { slice }) };
  const details: string[] = [];
  try {
    // 0. The decision row opens before the first effect; what is due is claimed for this cycle.
    const { workflowId, runId } = workflowInfo();
    const why = released === undefined ? {} : { released };
    const opened = await openDecision({ ...ref, ...asked, workflowId, runId, ...why });
    details.push(opened.summary);
    upsertSearchAttributes([{ key: searchAttributes.models, value: [...opened.models] }]);

    // 1. What does each model need, and how far is the data from it?
    enter('analyze');
    details.push((await analyze(ref)).summary);

    // 2. What comes next?
    enter('predict');
    details.push((await predict(ref)).summary);

    // 3. Which requests can be one read, and who gets how much of what is scarce? Then read.
    enter('batch');
    const plan = await batch(ref);
    details.push(plan.summary);
    const pacedMs = plan.pacedMs === undefined ? {} : { pacedMs: plan.pacedMs };
    for (const read of plan.overdue ?? []) await beginAgain({ ...ref, ...read });
    const left = await processBatches({ ...ref, ...pacedMs }, plan.batches, plan);

    // 4. Is the result good enough to hand out?
    enter('quality-check');
    // It may read once more what is not: as slowly.
    const { qualityCheck } = proxyActivities<Activities>(pacedOptions(stageOptions, plan.pacedMs));
    details.push((await qualityCheck({ ...ref, ...left })).summary);

    // 5. Deliver, respond, release: one transaction closes the decision with its deliveries and outbox rows.
    enter('coordinate');
    const closed = await coordinate(ref);

    // What is likely to be asked next is read beside whatever comes now: nobody waits for it. Cycles that were recorded
    // before this existed answered without `prefetches`, and replay as they ran.
    for (const read of plan.prefetches ?? []) await readAhead({ ...ref, ...pacedMs }, read);
    return end(closed.outcome, closed.summary);
  } catch (error) {
    const cancelled = isCancellation(error);
    const reason = rootMessage(error);
    const closed = await CancellationScope.nonCancellable(() =>
      abandonDecision({ ...ref, outcome: cancelled ? 'cancelled' : 'failed', reason, asked }),
    );
    end(closed.outcome, closed.summary);
    throw error;
  }

  function enter(stage: Stage): void {
    upsertSearchAttributes([{ key: searchAttributes.stage, value: stage }]);
    setCurrentDetails([...details, `*${stage}* …`].join('\n\n'));
  }

  function end(outcome: Outcome, summary: string): CycleResult {
    upsertSearchAttributes([
      { key: searchAttributes.stage, value: 'closed' },
      { key: searchAttributes.outcome, value: outcome },
    ]);
    setCurrentDetails([...details, `**${outcome}**: ${summary}`].join('\n\n'));
    return { decisionId, outcome, summary };
  }
}

type PacedInput = DecisionInput & Pick<BatchInput, 'pacedMs'>;

/** Starts a read that outlives its cycle. */
async function readAhead(ref: PacedInput, read: BatchRef): Promise<void> {
  await startChild(processBatch, {
    workflowId: `balance-batch/${ref.tenant}/${ref.pool}/${read.batchId}`,
    args: [{ ...ref, ...read, ahead: true }],
    staticSummary: `${read.requests} expected requests on ${read.dataset} ahead of time`,
    parentClosePolicy: ParentClosePolicy.ABANDON,
  });
}

/** Begins a read of an earlier cycle that should have ended, unless it runs: its workflow may have been terminated. */
async function beginAgain(read: BatchInput): Promise<void> {
  try {
    await startChild(processBatch, {
      workflowId: `balance-batch/${read.tenant}/${read.pool}/${read.batchId}`,
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
      args: [read],
      staticSummary: `${read.requests} requests on ${read.dataset}, again`,
      parentClosePolicy: ParentClosePolicy.ABANDON,
    });
  } catch (error) {
    if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
  }
}

/** A read that its cycle need not wait for lives on when that ends; one that nobody wants any more ends by itself. */
const OUTLASTING = {
  parentClosePolicy: ParentClosePolicy.ABANDON,
  cancellationType: ChildWorkflowCancellationType.ABANDON,
} as const;

/**
 * Children in a bounded sliding window, in the order of the plan; one that comes after others waits for their end (they
 * are before it in the plan, so that some lane has them). A failed batch fails its requests, not the cycle.
 *
 * With `waitMs`, reads that may outlast the cycle hold it up no longer than that, and those that are foreseen to take longer
 * (which have lanes of their own) not at all. What then runs goes on by itself; what has not begun never does.
 * @returns reads that have not ended; absent: all have
 */
async function processBatches(
  ref: PacedInput,
  batches: readonly BatchRef[],
  { waitMs, longLanes = 0 }: Pick<BatchAnswer, 'waitMs' | 'longLanes'>,
): Promise<{ readonly left?: LeftReads }> {
  const ended = new Map<string, Promise<unknown>>();
  const begun = new Set<string>();
  const open = new Set(batches.map(({ batchId }) => batchId));
  let goesOn = false;
  const read = async ({ after, long: _long, ...item }: BatchRef): Promise<void> => {
    // Plans of older versions name no order: nothing is awaited, and their histories replay.
    for (const before of after ?? []) await ended.get(before);
    begun.add(item.batchId);
    await executeChild(processBatch, {
      workflowId: `balance-batch/${ref.tenant}/${ref.pool}/${item.batchId}`,
      args: [{ ...ref, ...item }],
      staticSummary: `${item.requests} ${item.requests === 1 ? 'request' : 'requests'} on ${item.dataset} as one read`,
      ...(item.mayOutlast === true ? OUTLASTING : {}),
    });
    open.delete(item.batchId);
  };
  const lane = async (queue: BatchRef[]): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
      if (goesOn && item.mayOutlast === true) continue;
      const done = read(item);
      ended.set(item.batchId, done);
      await (item.mayOutlast === true ? Promise.race([done, condition(() => goesOn)]) : done);
    }
  };
  const lanes = (queue: BatchRef[], most: number): Promise<unknown> =>
    Promise.all(Array.from({ length: Math.min(most, queue.length) }, () => lane(queue)));
  const reading = lanes(
    batches.filter(({ long }) => long !== true),
    READS_IN_FLIGHT_MAX,
  );
  if (waitMs === undefined) return reading.then(() => ({}));
  const long = lanes(
    batches.filter((item) => item.long === true),
    longLanes,
  );
  let over = false;
  const end = (): void => void (over = true);
  void reading.then(end, end);
  // What goes on by itself may fail when nobody here waits for it any more.
  void long.catch(() => undefined);
  if (!batches.every((item) => item.long === true)) await condition(() => over, waitMs);
  goesOn = true;
  await reading;
  const ids = [...open];
  const left = { running: ids.filter((id) => begun.has(id)), notBegun: ids.filter((id) => !begun.has(id)) };
  return ids.length === 0 ? {} : { left };
}

/** The innermost message: what the failed activity said, not that it failed. */
function rootMessage(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}
