/** How a cycle runs the reads of its plan: those that it waits for, those that may outlast it, those ahead of being asked. */
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ChildWorkflowCancellationType,
  condition,
  executeChild,
  ParentClosePolicy,
  startChild,
  WorkflowIdReusePolicy,
} from '@temporalio/workflow';
import type { LeftReads } from '../activities/batch-ports.js';
import type { BatchAnswer, BatchRef } from '../activities/dependencies.js';
import { READS_IN_FLIGHT_MAX } from '../domain/decision/stages.js';
import type { BatchInput, DecisionInput } from './contract.js';
import { processBatch } from './process-batch.js';

type PacedInput = DecisionInput & Pick<BatchInput, 'pacedMs'>;

/** Starts a read that outlives its cycle. */
export async function readAhead(ref: PacedInput, read: BatchRef): Promise<void> {
  await startChild(processBatch, {
    workflowId: `balance-batch/${ref.tenant}/${ref.pool}/${read.batchId}`,
    args: [{ ...ref, ...read, ahead: true }],
    staticSummary: `${read.requests} expected requests on ${read.dataset} ahead of time`,
    parentClosePolicy: ParentClosePolicy.ABANDON,
  });
}

/** Begins a read of an earlier cycle that should have ended, unless it runs: its workflow may have been terminated. */
export async function beginAgain(read: BatchInput): Promise<void> {
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
export async function processBatches(
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
    if (goesOn && item.mayOutlast === true) return;
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
