/** The way to a pool's loop over Temporal: starts it when it does not run, signals work, asks for cycles. */
import {
  WithStartWorkflowOperation,
  WorkflowIdConflictPolicy,
  WorkflowUpdateFailedError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { BalanceError } from '../../domain/types/errors.js';
import type { PoolRef } from '../../domain/types/pool.js';
import {
  balanceNowUpdate,
  loopWorkflowId,
  pauseSignal,
  resumeSignal,
  searchAttributes,
  stateQuery,
  TASK_QUEUE,
  workWaitsSignal,
  type BalanceNowInput,
  type BalanceNowResult,
  type LoopInput,
  type LoopState,
} from '../../workflows/contract.js';

export interface LoopClient {
  /** Starts the loop when it does not run. */
  ensure(pool: PoolRef): Promise<void>;
  /** Says that requests wait; starts the loop when it does not run. */
  workWaits(pool: PoolRef): Promise<void>;
  /** The same `callId` is the same call, so that a retry does not ask for a second cycle; default: a call of its own. */
  balanceNow(pool: PoolRef, input: BalanceNowInput, callId?: string): Promise<BalanceNowResult>;
  pause(pool: PoolRef, reason?: string): Promise<void>;
  resume(pool: PoolRef): Promise<void>;
  state(pool: PoolRef): Promise<LoopState>;
}

/** @param taskQueue the queue whose workers run the loops; tests give their own. */
export function createLoopClient(client: Client, taskQueue: string = TASK_QUEUE): LoopClient {
  const options = (pool: PoolRef) => ({
    workflowId: loopWorkflowId(pool),
    taskQueue,
    args: [{ tenant: pool.tenant, pool: pool.pool }] as [LoopInput],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.USE_EXISTING,
    staticSummary: `Balance loop of pool ${pool.pool}`,
    typedSearchAttributes: [{ key: searchAttributes.pool, value: pool.pool }],
  });
  const handle = (pool: PoolRef) => client.workflow.getHandle(loopWorkflowId(pool));
  return {
    ensure: (pool) =>
      reach(async () => {
        await client.workflow.start('balanceLoop', options(pool));
      }),
    workWaits: (pool) =>
      reach(async () => {
        await client.workflow.signalWithStart('balanceLoop', { ...options(pool), signal: workWaitsSignal });
      }),
    balanceNow: (pool, input, callId) =>
      reach(async () => {
        const startWorkflowOperation = new WithStartWorkflowOperation('balanceLoop', options(pool));
        return client.workflow.executeUpdateWithStart(balanceNowUpdate, {
          startWorkflowOperation,
          args: [input],
          ...(callId === undefined ? {} : { updateId: callId }),
        });
      }),
    pause: (pool, reason) =>
      reach(async () => {
        await client.workflow.signalWithStart('balanceLoop', {
          ...options(pool),
          signal: pauseSignal,
          signalArgs: [reason],
        });
      }),
    resume: (pool) =>
      reach(async () => {
        await client.workflow.signalWithStart('balanceLoop', { ...options(pool), signal: resumeSignal });
      }),
    state: (pool) => reach(() => handle(pool).query(stateQuery)),
  };
}

/** Says in Balance's own words what Temporal refused, or that it cannot be reached. */
async function reach<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
    if (cause instanceof ApplicationFailure) {
      throw new BalanceError(
        'refused',
        {
          type: cause.type ?? 'Refused',
          message: cause.message,
          hint: cause.type === 'Paused' ? 'Run `balance resume`, then try again.' : undefined,
        },
        { cause: error },
      );
    }
    throw new BalanceError(
      'unreachable',
      {
        type: 'TemporalUnreachable',
        message: `Temporal did not answer: ${(error as Error).message}`,
        hint: 'Is `balance up` running, and does TEMPORAL_ADDRESS name the right server?',
      },
      { cause: error },
    );
  }
}
