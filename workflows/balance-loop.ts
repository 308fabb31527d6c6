/**
 * One per pool, long-lived: runs a cycle when somebody asks for one (`balanceNow`) or when requests wait.
 * Requests are rows in Postgres; the signal only says that there are some, and a sweep finds those whose
 * signal was lost.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  condition,
  continueAsNew,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import { QUEUE_MAX, SWEEP_INTERVAL, sweepOptions } from './activity-options.js';
import { balanceCycle } from './balance-cycle.js';
import {
  balanceNowUpdate,
  type BalanceNowInput,
  cycleWorkflowId,
  pauseSignal,
  resumeSignal,
  searchAttributes,
  stateQuery,
  workWaitsSignal,
  type CycleResult,
  type LoopInput,
  type LoopState,
  type QueuedCycle,
} from './contract.js';

const { requestsWait } = proxyLocalActivities<Activities>(sweepOptions);

export async function balanceLoop(input: LoopInput): Promise<void> {
  const pool = { tenant: input.tenant, pool: input.pool };
  const queue: QueuedCycle[] = [...(input.queue ?? [])];
  let running: QueuedCycle | null = null;
  let paused = input.paused ?? false;
  let pauseReason = input.pauseReason ?? null;
  let workWaits = input.workWaits ?? true; // the first thing a new loop does is look
  let cycles = input.cycles ?? 0;
  let last: LoopState['last'] = input.last ?? null;

  setHandler(workWaitsSignal, () => {
    workWaits = true;
  });
  setHandler(pauseSignal, (reason) => {
    paused = true;
    pauseReason = reason ?? null;
  });
  setHandler(resumeSignal, () => {
    paused = false;
    pauseReason = null;
    workWaits = true;
  });
  setHandler(stateQuery, (): LoopState => ({ paused, pauseReason, running, queued: queue, workWaits, cycles, last }));
  setHandler(
    balanceNowUpdate,
    ({ trigger, asOfMs }) => {
      const decisionId = uuid4();
      queue.push({ decisionId, trigger, asOfMs });
      return { decisionId, cycleWorkflowId: cycleWorkflowId(pool, decisionId) };
    },
    {
      validator: (_input: BalanceNowInput) => {
        if (paused)
          throw ApplicationFailure.nonRetryable(
            `pool ${pool.pool} is paused${pauseReason === null ? '' : `: ${pauseReason}`}`,
            'Paused',
          );
        if (queue.length >= QUEUE_MAX)
          throw ApplicationFailure.nonRetryable(
            `${QUEUE_MAX} cycles already wait for pool ${pool.pool}`,
            'TooManyQueued',
          );
      },
    },
  );

  while (!workflowInfo().continueAsNewSuggested) {
    setCurrentDetails(describe({ paused, pauseReason, running, queued: queue, workWaits, cycles, last }));
    const asked = await condition(() => !paused && (queue.length > 0 || workWaits), SWEEP_INTERVAL);
    if (paused) continue;
    if (!asked && !(await sweep())) continue;
    running = queue.shift() ?? { decisionId: uuid4(), trigger: 'work', asOfMs: null };
    if (running.trigger === 'work') {
      workWaits = false;
      if (asked && !(await sweep())) {
        running = null;
        continue;
      }
    }
    last = await runCycle(running);
    running = null;
    cycles += 1;
  }
  await condition(allHandlersFinished);
  await continueAsNew<typeof balanceLoop>({ ...pool, paused, pauseReason, queue, workWaits, cycles, last });

  /** True when requests wait in Postgres. An unreachable database is not an answer: the next sweep asks again. */
  async function sweep(): Promise<boolean> {
    try {
      return await requestsWait(pool);
    } catch (error) {
      if (isCancellation(error)) throw error;
      return false;
    }
  }

  async function runCycle(cycle: QueuedCycle): Promise<CycleResult> {
    try {
      return await executeChild(balanceCycle, {
        workflowId: cycleWorkflowId(pool, cycle.decisionId),
        args: [{ ...pool, ...cycle }],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        staticSummary: `${cycle.trigger} cycle of pool ${pool.pool}`,
        typedSearchAttributes: [{ key: searchAttributes.pool, value: pool.pool }],
      });
    } catch (error) {
      if (isCancellation(error)) throw error;
      return {
        decisionId: cycle.decisionId,
        outcome: 'failed',
        summary: error instanceof Error ? error.message : String(error),
      };
    }
  }
}

/** What a person reads in the Web UI. */
function describe(state: LoopState): string {
  const lines = [
    state.paused ? `**Paused**${state.pauseReason === null ? '' : `: ${state.pauseReason}`}` : '**Running**',
    `Cycles run: ${state.cycles}; waiting: ${state.queued.length}`,
  ];
  if (state.last !== null)
    lines.push(`Last decision ${state.last.decisionId}: ${state.last.outcome}. ${state.last.summary}`);
  return lines.join('\n\n');
}
