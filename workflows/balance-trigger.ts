/** What a schedule starts: asks the loop for a cycle and ends with it, so that overlap, catch-up and pause-on-failure mean something. */
import { ApplicationFailure, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { awaitOptions, stageOptions } from './activity-options.js';
import type { CycleResult, TriggerInput } from './contract.js';

const { requestCycle } = proxyActivities<Activities>(stageOptions);
const { awaitDecision } = proxyActivities<Activities>(awaitOptions);

export async function balanceTrigger(input: TriggerInput): Promise<CycleResult> {
  const { tenant, pool } = input;
  const info = workflowInfo();
  // The typed collection has no key for the server's own attribute; the untyped record does.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const scheduled = info.searchAttributes.TemporalScheduledStartTime?.[0];
  const nominalMs = scheduled === undefined ? null : new Date(scheduled as string | Date).getTime();
  const lateMs = nominalMs === null ? 0 : info.startTime.getTime() - nominalMs;
  const backfill = lateMs > input.catchupWindowMs;
  const { decisionId } = await requestCycle({
    tenant,
    pool,
    trigger: backfill ? 'backfill' : 'schedule',
    asOfMs: backfill ? nominalMs : null,
  });
  const closed = await awaitDecision({ tenant, pool, decisionId });
  if (closed.outcome === 'failed' || closed.outcome === 'rejected') {
    throw ApplicationFailure.nonRetryable(`cycle ${decisionId} ${closed.outcome}: ${closed.summary}`, 'CycleFailed');
  }
  return { decisionId, ...closed };
}
