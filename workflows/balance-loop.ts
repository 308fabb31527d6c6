/**
 * One per pool, long-lived: runs a cycle when somebody asks for one (`balanceNow`) or when requests wait.
 * Requests are rows in Postgres; the signal only says that there are some, and a sweep finds those whose
 * signal was lost. Whether a cycle begins at once or a little later, so that others join, the release policy decides.
 */
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  continueAsNew,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../activities/create.js';
import type { ReleaseAnswer } from '../activities/dependencies.js';
import { closeOptions, QUEUE_MAX, SWEEP_INTERVAL_MS, sweepOptions } from './activity-options.js';
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
  type PoolInput,
  type QueuedCycle,
} from './contract.js';

const { requestsWait } = proxyLocalActivities<Activities>(sweepOptions);
const { abandonDecision } = proxyActivities<Activities>(closeOptions);

export async function balanceLoop(input: LoopInput): Promise<void> {
  const pool = { tenant: input.tenant, pool: input.pool };
  const state: Mutable<LoopState> = {
    paused: input.paused ?? false,
    pauseReason: input.pauseReason ?? null,
    running: null,
    queued: input.queue ?? [],
    workWaits: input.workWaits ?? true, // the first thing a new loop does is look
    held: null,
    cycles: input.cycles ?? 0,
    last: input.last ?? null,
  };
  registerHandlers(pool, state);
  let againMs = SWEEP_INTERVAL_MS;

  while (!workflowInfo().continueAsNewSuggested) {
    setCurrentDetails(describe(state));
    if (state.paused) {
      // Without a timer: a paused pool costs nothing, however long.
      await condition(() => !state.paused || workflowInfo().continueAsNewSuggested);
      continue;
    }
    const called = () => state.paused || state.queued.length > 0 || state.workWaits;
    const asked = await condition(called, againMs);
    againMs = SWEEP_INTERVAL_MS;
    if (state.paused) continue;
    let released: string | undefined;
    if (state.queued.length === 0) {
      if (asked) state.workWaits = false;
      const answer = await sweep(pool);
      state.held = answer.held ?? null;
      if (!answer.due) {
        // What is held a little for others to join is looked at again then, or when something comes; never later than a sweep.
        againMs = Math.min(answer.againMs ?? SWEEP_INTERVAL_MS, SWEEP_INTERVAL_MS);
        continue;
      }
      released = answer.released;
    } else if (state.held !== null && patched('held-behind-a-cycle')) {
      // What is held loses its timer to a cycle that somebody asked for: after it, it is looked at before anything else.
      state.workWaits = true;
    }
    state.held = null;
    const [next, ...later] = state.queued;
    state.queued = later;
    state.running = next ?? { decisionId: uuid4(), trigger: 'work', asOfMs: null };
    state.last = await runCycle(pool, state.running, next === undefined ? released : undefined);
    state.running = null;
    state.cycles += 1;
  }
  await condition(allHandlersFinished);
  const { paused, pauseReason, queued: queue, cycles, last } = state;
  // What is held is looked at by the next run at once.
  const workWaits = state.workWaits || againMs < SWEEP_INTERVAL_MS;
  await continueAsNew<typeof balanceLoop>({ ...pool, paused, pauseReason, queue, workWaits, cycles, last });
}

/** One cycle, to its end; a cycle that failed ends no loop. */
async function runCycle(pool: PoolInput, cycle: QueuedCycle, released?: string): Promise<CycleResult> {
  try {
    return await executeChild(balanceCycle, {
      workflowId: cycleWorkflowId(pool, cycle.decisionId),
      args: [{ ...pool, ...cycle, ...(released === undefined ? {} : { released }) }],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `${cycle.trigger} cycle of pool ${pool.pool}`,
      typedSearchAttributes: [{ key: searchAttributes.pool, value: pool.pool }],
    });
  } catch (error) {
    // A cycle that somebody cancelled ends that cycle; only a cancelled loop ends the loop.
    if (CancellationScope.current().consideredCancelled) throw error;
    const outcome = isCancellation(error) ? 'cancelled' : 'failed';
    // A cycle closes its own decision, except one that was terminated from outside: what it had claimed goes back here.
    const closed = await abandonDecision({
      ...pool,
      decisionId: cycle.decisionId,
      outcome,
      reason: 'the cycle ended before its decision was closed',
      asked: cycle,
    });
    return { decisionId: cycle.decisionId, ...closed };
  }
}

/** Whether a cycle is due for requests that wait in Postgres. An unreachable database is not an answer: the next sweep asks again. */
async function sweep(pool: PoolInput): Promise<ReleaseAnswer> {
  try {
    // Workers of older versions answer whether requests wait, and so do their histories: then a cycle is due.
    const answer: ReleaseAnswer | boolean = await requestsWait(pool);
    return typeof answer === 'boolean' ? { due: answer, againMs: null } : answer;
  } catch (error) {
    if (isCancellation(error)) throw error;
    return { due: false, againMs: null };
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Registered before the first await: no message is lost. The update's validator is synchronous, as it must be. */
function registerHandlers(pool: PoolInput, state: Mutable<LoopState>): void {
  setHandler(workWaitsSignal, () => {
    state.workWaits = true;
  });
  setHandler(pauseSignal, (reason) => {
    state.paused = true;
    state.pauseReason = reason ?? null;
  });
  setHandler(resumeSignal, () => {
    state.paused = false;
    state.pauseReason = null;
    state.workWaits = true;
  });
  setHandler(stateQuery, (): LoopState => state);
  setHandler(
    balanceNowUpdate,
    (input) => {
      const decisionId = uuid4();
      state.queued = [...state.queued, { decisionId, ...input }];
      return { decisionId, cycleWorkflowId: cycleWorkflowId(pool, decisionId) };
    },
    {
      validator: (_input: BalanceNowInput) => {
        if (state.paused) {
          const why = state.pauseReason === null ? '' : `: ${state.pauseReason}`;
          throw ApplicationFailure.nonRetryable(`pool ${pool.pool} is paused${why}`, 'Paused');
        }
        if (state.queued.length >= QUEUE_MAX) {
          throw ApplicationFailure.nonRetryable(
            `${QUEUE_MAX} cycles already wait for pool ${pool.pool}`,
            'TooManyQueued',
          );
        }
      },
    },
  );
}

/** What a person reads in the Web UI. */
function describe(state: LoopState): string {
  const lines = [
    state.paused ? `**Paused**${state.pauseReason === null ? '' : `: ${state.pauseReason}`}` : '**Running**',
    `Cycles run: ${state.cycles}; waiting: ${state.queued.length}`,
  ];
  if (state.held !== null) lines.push(`Holding: ${state.held}`);
  if (state.last !== null)
    lines.push(`Last decision ${state.last.decisionId}: ${state.last.outcome}. ${state.last.summary}`);
  return lines.join('\n\n');
}
