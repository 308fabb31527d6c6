/** One pass of the loop over one immutable snapshot: the numbered stages on one screen. */
import {
  CancellationScope,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  setCurrentDetails,
  startChild,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import type { BatchRef } from '../activities/dependencies.js';
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
    await processBatches({ ...ref, ...pacedMs }, plan.batches);

    // 4. Is the result good enough to hand out?
    enter('quality-check');
    // It may read once more what is not: as slowly.
    const { qualityCheck } = proxyActivities<Activities>(pacedOptions(stageOptions, plan.pacedMs));
    details.push((await qualityCheck(ref)).summary);

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

/**
 * Children in a bounded sliding window, in the order of the plan; one that comes after others waits for their end (they
 * are before it in the plan, so that some lane has them). A failed batch fails its requests, not the cycle.
 */
async function processBatches(ref: PacedInput, batches: readonly BatchRef[]): Promise<void> {
  const ended = new Map<string, Promise<unknown>>();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < batches.length) {
      const { after, ...item } = batches[next++];
      const run = async (): Promise<void> => {
        // Plans of older versions name no order: nothing is awaited, and their histories replay.
        for (const before of after ?? []) await ended.get(before);
        await executeChild(processBatch, {
          workflowId: `balance-batch/${ref.tenant}/${ref.pool}/${item.batchId}`,
          args: [{ ...ref, ...item }],
          staticSummary: `${item.requests} ${item.requests === 1 ? 'request' : 'requests'} on ${item.dataset} as one read`,
        });
      };
      const done = run();
      ended.set(item.batchId, done);
      await done;
    }
  };
  await Promise.all(Array.from({ length: Math.min(READS_IN_FLIGHT_MAX, batches.length) }, lane));
}

/** The innermost message: what the failed activity said, not that it failed. */
function rootMessage(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}
