/**
 * One merged read: retried with heartbeats; when it cannot be done, its requests learn why and the cycle goes on.
 * One that outlasted its cycle calls for the next.
 */
import { CancellationScope, getExternalWorkflowHandle, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { closeOptions, pacedOptions, readOptions } from './activity-options.js';
import { loopWorkflowId, workWaitsSignal, type BatchInput, type PoolInput } from './contract.js';

const { failBatch } = proxyActivities<Activities>(closeOptions);

/** Priority key of reads that serve several models, or the whole pool. */
const POOL_PRIORITY = 3;
/** The lowest: of reads ahead of being asked. */
const AHEAD_PRIORITY = 5;

export async function processBatch(input: BatchInput): Promise<void> {
  const { tenant, pool, decisionId, batchId, model } = input;
  const ref = { tenant, pool, decisionId, batchId };
  const { readBatch } = proxyActivities<Activities>({
    ...pacedOptions(readOptions, input.pacedMs),
    summary: `read ${input.dataset} for ${input.requests} requests`,
    priority: {
      priorityKey: input.ahead === true ? AHEAD_PRIORITY : (model?.priority ?? POOL_PRIORITY),
      fairnessKey: model === null ? `pool:${pool}` : `model:${model.id}`,
      fairnessWeight: model?.weight ?? 1,
    },
  });
  try {
    // Workers of older versions, and histories with them, do not say whether it outlasted its cycle.
    const { outlasted = false } = await readBatch(ref);
    if (outlasted) await wakeLoop(input);
  } catch (error) {
    // A read that is for its cycle alone is ended with it, by it.
    if (isCancellation(error) && input.mayOutlast !== true) throw error;
    let cause: unknown = error;
    while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    await CancellationScope.nonCancellable(async () => {
      const ended = await failBatch({ ...ref, reason });
      if (ended?.outlasted === true) await wakeLoop(input);
    });
    if (isCancellation(error)) throw error;
  }
}

/** Tells the pool's loop that requests are due. One that does not run looks when it starts. */
async function wakeLoop(pool: PoolInput): Promise<void> {
  try {
    await getExternalWorkflowHandle(loopWorkflowId(pool)).signal(workWaitsSignal);
  } catch (error) {
    if (isCancellation(error)) throw error;
  }
}
