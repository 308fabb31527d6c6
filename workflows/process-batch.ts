/** One merged read: retried with heartbeats; when it cannot be done, its requests learn why and the cycle goes on. */
import { CancellationScope, isCancellation, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { closeOptions, pacedOptions, readOptions } from './activity-options.js';
import type { BatchInput } from './contract.js';

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
    await readBatch(ref);
  } catch (error) {
    if (isCancellation(error)) throw error;
    let cause: unknown = error;
    while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    await CancellationScope.nonCancellable(() => failBatch({ ...ref, reason }));
  }
}
