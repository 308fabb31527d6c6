/** The slices of a schedule between two times, one after the other: each is the very run that the schedule would have made. */
import {
  ApplicationFailure,
  continueAsNew,
  executeChild,
  isCancellation,
  setCurrentDetails,
  setHandler,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import { balanceTrigger } from './balance-trigger.js';
import { backfillQuery, sliceWorkflowId, type BackfillInput, type BackfillState } from './contract.js';

/** Failures that are remembered with their reasons; the rest is counted. */
const FAILURES_MAX = 20;

/**
 * A slice that has run, or runs now, is not run again: its workflow id is that of the schedule's own run, and its
 * decision is found in Postgres. A slice that fails does not keep the others; a paused pool ends the backfill.
 */
export async function balanceBackfill(input: BackfillInput): Promise<BackfillState> {
  const { tenant, pool, scheduleId } = input;
  let state: BackfillState = input.state ?? {
    ...{ total: input.slices.length, done: 0, known: 0, failed: 0, failures: [], running: null },
  };
  setHandler(backfillQuery, () => state);
  for (const [index, nominalMs] of input.slices.entries()) {
    if (workflowInfo().continueAsNewSuggested)
      await continueAsNew<typeof balanceBackfill>({ ...input, slices: input.slices.slice(index), state });
    state = { ...state, running: nominalMs };
    setCurrentDetails(describe(state));
    state = { ...after(state, await slice(nominalMs), nominalMs), running: null };
  }
  setCurrentDetails(describe(state));
  return state;

  async function slice(nominalMs: number): Promise<'done' | 'known' | { reason: string }> {
    try {
      const { known } = await executeChild(balanceTrigger, {
        workflowId: sliceWorkflowId(input, scheduleId, nominalMs),
        workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
        args: [{ tenant, pool, scheduleId, catchupWindowMs: 0, asOfMs: nominalMs }],
        staticSummary: `Slice ${new Date(nominalMs).toISOString()} of schedule ${scheduleId}`,
      });
      return known === true ? 'known' : 'done';
    } catch (error) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return 'known';
      if (isCancellation(error)) throw error;
      const cause = rootCause(error);
      if (cause instanceof ApplicationFailure && cause.type === 'Paused')
        throw ApplicationFailure.nonRetryable(`${cause.message}; ${progress(state)}`, 'Paused');
      return { reason: cause instanceof Error ? cause.message : String(cause) };
    }
  }
}

function after(state: BackfillState, end: 'done' | 'known' | { reason: string }, nominalMs: number): BackfillState {
  if (typeof end === 'string') return { ...state, [end]: state[end] + 1 };
  const failures = [...state.failures, { nominalMs, reason: end.reason }].slice(0, FAILURES_MAX);
  return { ...state, failed: state.failed + 1, failures };
}

function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
  return cause;
}

function progress({ total, done, known, failed }: BackfillState): string {
  return `${done + known + failed} of ${total} slices: ${done} run, ${known} had run before, ${failed} failed`;
}

/** What a person reads in the Web UI. */
function describe(state: BackfillState): string {
  const now = state.running === null ? [] : [`Now: ${new Date(state.running).toISOString()}`];
  const failures = state.failures.map(({ nominalMs, reason }) => `- ${new Date(nominalMs).toISOString()}: ${reason}`);
  return [progress(state), ...now, ...(failures.length === 0 ? [] : [failures.join('\n')])].join('\n\n');
}
