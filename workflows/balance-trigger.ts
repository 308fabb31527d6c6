/** What a schedule starts: asks the loop for a cycle and ends with it, so that overlap, catch-up and pause-on-failure mean something. */
import { ApplicationFailure, proxyActivities, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { awaitOptions, stageOptions } from './activity-options.js';
import type { TriggerInput, TriggerResult } from './contract.js';

const { requestCycle } = proxyActivities<Activities>(stageOptions);
const { awaitDecision } = proxyActivities<Activities>(awaitOptions);

export async function balanceTrigger(input: TriggerInput): Promise<TriggerResult> {
  const { tenant, pool, scheduleId } = input;
  const nominalMs = input.asOfMs ?? scheduledMs();
  const { decisionId, known } = await requestCycle({
    tenant,
    pool,
    trigger: isBackfill(input, nominalMs) ? 'backfill' : 'schedule',
    asOfMs: nominalMs,
    ...(nominalMs === null ? {} : { slice: { scheduleId, nominalMs } }),
  });
  const closed = await awaitDecision({ tenant, pool, decisionId });
  if (closed.outcome === 'failed' || closed.outcome === 'rejected') {
    throw ApplicationFailure.nonRetryable(`cycle ${decisionId} ${closed.outcome}: ${closed.summary}`, 'CycleFailed');
  }
  return { decisionId, ...closed, ...(known ? { known } : {}) };
}

/** The run's nominal time; null when no schedule started it. */
function scheduledMs(): number | null {
  // The typed collection has no key for the server's own attribute; the untyped record does.
  // eslint-disable-next-line @typescript-eslint/no-deprecated
  const scheduled = workflowInfo().searchAttributes.TemporalScheduledStartTime?.[0];
  return scheduled === undefined ? null : new Date(scheduled as string | Date).getTime();
}

/**
 * Temporal tells a run that it backfills from a late one by nothing (checked on server 1.32: no field of the run, its
 * request or the schedule differs). So every run is as of its nominal time; only whether it repeats the past is judged
 * here: what Temporal itself would no longer make up for is a backfill.
 */
function isBackfill({ asOfMs, catchupWindowMs }: TriggerInput, nominalMs: number | null): boolean {
  if (asOfMs !== undefined) return true;
  return nominalMs !== null && workflowInfo().startTime.getTime() - nominalMs > catchupWindowMs;
}
