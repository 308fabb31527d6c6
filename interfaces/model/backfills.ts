/** Backfills of a schedule: which slices there are, and the workflow that runs them one after the other. */
import { randomUUID } from 'node:crypto';
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  WorkflowIdConflictPolicy,
  type Client,
  type ScheduleHandle,
} from '@temporalio/client';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import type { PoolRef } from '../../domain/types/pool.js';
import {
  backfillQuery,
  backfillWorkflowId,
  searchAttributes,
  type BackfillInput,
  type BackfillState,
} from '../../workflows/contract.js';

export interface Backfills {
  /** Nominal times of the schedule from one instant to another, both included, as Temporal counts them. */
  slices(pool: PoolRef, id: string, from: Date, to: Date): Promise<number[]>;
  /** Starts running these slices, one after the other: each is a cycle as of its nominal time. */
  backfill(pool: PoolRef, id: string, slices: readonly number[]): Promise<void>;
  /** How far the newest backfill is; `ended`: it does not run any more, `error`: why it stopped early. */
  backfillState(
    pool: PoolRef,
    id: string,
  ): Promise<BackfillState & { readonly ended: boolean; readonly error?: string }>;
  /** Stops a backfill after the slice that runs now. */
  stopBackfill(pool: PoolRef, id: string): Promise<void>;
}

/** Slices of one backfill: they travel as one payload, and each is a whole cycle. */
const SLICES_MAX = 10_000;

/**
 * Nominal times of a schedule within [from, to]. Temporal is asked, so that cron and intervals mean here what they
 * mean there. It lists times with their jitter: those of a jittered schedule are asked of a paused copy without it.
 * @throws BalanceError `TooManySlices`
 */
export async function slicesOf(client: Client, handle: ScheduleHandle, from: Date, to: Date): Promise<number[]> {
  const { spec, action } = await handle.describe();
  if (!spec.jitter) return matchingTimes(client, handle.scheduleId, from, to);
  const copy = await client.schedule.create({
    scheduleId: `balance-slices/${randomUUID()}`,
    spec: { ...spec, jitter: 0 },
    action: { ...action, args: [] },
    state: { paused: true, note: 'lists the slices of a backfill, and is deleted at once' },
  });
  try {
    return await matchingTimes(client, copy.scheduleId, from, to);
  } finally {
    await copy.delete();
  }
}

async function matchingTimes(client: Client, scheduleId: string, from: Date, to: Date): Promise<number[]> {
  const slices: number[] = [];
  const { namespace } = client.options;
  // The server leaves the start out, and lists at most a thousand times.
  for (let afterMs = from.getTime() - 1; ; afterMs = slices.at(-1)!) {
    const { startTime } = await client.workflowService.listScheduleMatchingTimes({
      namespace,
      scheduleId,
      startTime: timestamp(afterMs),
      endTime: timestamp(to.getTime()),
    });
    const times = startTime
      .map(({ seconds, nanos }) => Number(seconds ?? 0) * 1_000 + Math.floor((nanos ?? 0) / 1e6))
      .filter((ms) => ms > (slices.at(-1) ?? afterMs));
    if (times.length === 0) return slices;
    slices.push(...times);
    if (slices.length > SLICES_MAX)
      throw usageError({
        type: 'TooManySlices',
        message: 'a backfill is a bounded piece of work',
        expected: `at most ${SLICES_MAX} slices between --from and --to`,
        got: `more, from ${new Date(slices[0]).toISOString()} to beyond ${new Date(slices[SLICES_MAX]).toISOString()}`,
        hint: 'Backfill one part after the other.',
      });
  }
}

function timestamp(ms: number) {
  return { seconds: Math.floor(ms / 1_000) as never, nanos: (((ms % 1_000) + 1_000) % 1_000) * 1e6 };
}

export function createBackfills(client: Client, taskQueue: string): Omit<Backfills, 'slices'> {
  const handle = (pool: PoolRef, id: string) => client.workflow.getHandle(backfillWorkflowId(pool, id));
  return {
    backfill: async ({ tenant, pool }, scheduleId, slices) => {
      const input: BackfillInput = { tenant, pool, scheduleId, slices };
      try {
        await client.workflow.start('balanceBackfill', {
          workflowId: backfillWorkflowId(input, scheduleId),
          workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
          taskQueue,
          args: [input],
          staticSummary: `Backfill of schedule ${scheduleId}: ${slices.length} slices`,
          typedSearchAttributes: [{ key: searchAttributes.pool, value: pool }],
        });
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
        throw new BalanceError(
          'refused',
          {
            type: 'BackfillRunning',
            message: `a backfill of schedule ${scheduleId} runs already`,
            hint: `Follow it with \`balance schedule backfill ${scheduleId} --wait\`, or end it with --stop.`,
          },
          { cause: error },
        );
      }
    },
    backfillState: (pool, id) =>
      found(id, async () => {
        const one = handle(pool, id);
        const { status } = await one.describe();
        const state: BackfillState = await one.query(backfillQuery);
        if (status.name === 'RUNNING') return { ...state, ended: false };
        if (status.name === 'COMPLETED') return { ...state, ended: true };
        if (status.name === 'CANCELLED' || status.name === 'TERMINATED')
          return { ...state, ended: true, error: 'it was stopped' };
        const error: unknown = await one.result().catch((failure: unknown) => failure);
        let cause = error;
        while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause;
        return { ...state, ended: true, error: cause instanceof Error ? cause.message : String(cause) };
      }),
    stopBackfill: (pool, id) =>
      found(id, async () => {
        await handle(pool, id).cancel();
      }),
  };
}

async function found<T>(id: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof WorkflowNotFoundError)) throw error;
    throw new BalanceError(
      'usage',
      {
        type: 'NoBackfill',
        message: `no backfill of schedule ${id} runs, or was run lately`,
        hint: 'Start one with --from and --to.',
      },
      { cause: error },
    );
  }
}
