/** One pass of the loop over one immutable snapshot: the numbered stages on one screen. */
import {
  CancellationScope,
  isCancellation,
  proxyActivities,
  setCurrentDetails,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import type { Outcome, Stage } from '../domain/decision/stages.js';
import { closeOptions, pacedOptions, stageOptions } from './activity-options.js';
import { searchAttributes, type CycleInput, type CycleResult } from './contract.js';
import { beginAgain, processBatches, readAhead } from './planned-reads.js';

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

/** The innermost message: what the failed activity said, not that it failed. */
function rootMessage(error: unknown): string {
  let current = error;
  while (current instanceof Error && current.cause instanceof Error) current = current.cause;
  return current instanceof Error ? current.message : String(current);
}
