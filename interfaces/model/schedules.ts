/** Recurring cycles as Temporal schedules: they start `balanceTrigger`, which asks the pool's loop. */
import { ScheduleNotFoundError, ScheduleOverlapPolicy, type Client, type ScheduleOptions } from '@temporalio/client';
import { BalanceError } from '../../domain/types/errors.js';
import type { PoolRef, ScheduleDefinition } from '../../domain/types/pool.js';
import { TASK_QUEUE, triggerWorkflowId, type TriggerInput } from '../../workflows/contract.js';
import { createBackfills, slicesOf, type Backfills } from './backfills.js';

const OVERLAP: Readonly<Record<ScheduleDefinition['overlap'], ScheduleOverlapPolicy>> = {
  skip: ScheduleOverlapPolicy.SKIP,
  'buffer-one': ScheduleOverlapPolicy.BUFFER_ONE,
  'allow-all': ScheduleOverlapPolicy.ALLOW_ALL,
};

export interface ScheduleView {
  readonly id: string;
  readonly paused: boolean;
  readonly next: string | null;
  /** Runs that were due while no server was up and are past their catch-up window. */
  readonly missedCatchup: number;
  readonly skippedOverlap: number;
  readonly recent: readonly string[];
}
export interface ScheduleClient extends Backfills {
  /** Creates the schedule, or brings an existing one to this definition. */
  put(pool: PoolRef, schedule: ScheduleDefinition): Promise<'created' | 'updated'>;
  list(pool: PoolRef): Promise<ScheduleView[]>;
  pause(pool: PoolRef, id: string, paused: boolean): Promise<void>;
  trigger(pool: PoolRef, id: string): Promise<void>;
  /** @throws BalanceError `UnknownSchedule` */
  assertKnown(pool: PoolRef, id: string): Promise<void>;
  remove(pool: PoolRef, id: string): Promise<void>;
}

const prefix = (pool: PoolRef) => `balance/${pool.tenant}/${pool.pool}/`;

export function createScheduleClient(client: Client, taskQueue: string = TASK_QUEUE): ScheduleClient {
  const handle = (pool: PoolRef, id: string) => client.schedule.getHandle(prefix(pool) + id);
  return {
    put: async (pool, schedule) => {
      const options = toOptions(pool, schedule, taskQueue);
      try {
        await client.schedule.create(options);
        return 'created';
      } catch (error) {
        // Only the server parses a spec; the client makes a TypeError of its refusal.
        if (error instanceof TypeError) throw invalidSchedule(schedule, error);
        if (!(error instanceof Error) || error.name !== 'ScheduleAlreadyRunning') throw error;
        const { spec, action, policies } = options;
        // What an operator (or pause-on-failure) paused stays paused: only the file's own `paused: true` decides otherwise.
        await handle(pool, schedule.id).update((previous) => ({
          ...previous,
          spec,
          action,
          policies,
          state: { ...previous.state, paused: schedule.paused || previous.state.paused },
        }));
        return 'updated';
      }
    },
    list: async (pool) => {
      const views: ScheduleView[] = [];
      for await (const { scheduleId } of client.schedule.list()) {
        if (!scheduleId.startsWith(prefix(pool))) continue;
        const view = await viewOf(client, scheduleId, prefix(pool));
        if (view !== null) views.push(view);
      }
      return views.sort((a, b) => (a.id < b.id ? -1 : 1));
    },
    pause: (pool, id, paused) => known(id, () => (paused ? handle(pool, id).pause() : handle(pool, id).unpause())),
    trigger: (pool, id) =>
      known(id, async () => {
        // Without a policy the client lets every trigger overlap, and no failure would pause the schedule.
        const { policies } = await handle(pool, id).describe();
        await handle(pool, id).trigger(policies.overlap);
      }),
    assertKnown: async (pool, id) => {
      await known(id, () => handle(pool, id).describe());
    },
    ...createBackfills(client, taskQueue),
    slices: (pool, id, from, to) => known(id, () => slicesOf(client, handle(pool, id), from, to)),
    remove: (pool, id) => known(id, () => handle(pool, id).delete()),
  };
}

/** Null: the list of schedules lags behind, and this one is gone. */
async function viewOf(client: Client, scheduleId: string, before: string): Promise<ScheduleView | null> {
  try {
    const { state, info } = await client.schedule.getHandle(scheduleId).describe();
    return {
      id: scheduleId.slice(before.length),
      paused: state.paused,
      next: info.nextActionTimes[0]?.toISOString() ?? null,
      missedCatchup: info.numActionsMissedCatchupWindow,
      skippedOverlap: info.numActionsSkippedOverlap,
      recent: info.recentActions.map(({ takenAt }) => takenAt.toISOString()),
    };
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

function toOptions(pool: PoolRef, schedule: ScheduleDefinition, taskQueue: string): ScheduleOptions {
  const input: TriggerInput = {
    tenant: pool.tenant,
    pool: pool.pool,
    scheduleId: schedule.id,
    catchupWindowMs: schedule.catchupWindow,
  };
  return {
    scheduleId: prefix(pool) + schedule.id,
    spec: {
      ...(schedule.every === undefined ? {} : { intervals: [{ every: schedule.every }] }),
      ...(schedule.cron === undefined ? {} : { cronExpressions: [schedule.cron] }),
      jitter: schedule.jitter,
    },
    action: {
      type: 'startWorkflow',
      workflowType: 'balanceTrigger',
      workflowId: triggerWorkflowId(pool, schedule.id),
      taskQueue,
      args: [input],
      staticSummary: `Scheduled cycle of pool ${pool.pool}`,
    },
    policies: {
      overlap: OVERLAP[schedule.overlap],
      catchupWindow: schedule.catchupWindow,
      pauseOnFailure: schedule.pauseOnFailure,
    },
    state: { paused: schedule.paused },
  };
}

function invalidSchedule({ id, cron }: ScheduleDefinition, error: TypeError): BalanceError {
  return new BalanceError(
    'usage',
    {
      type: 'InvalidSchedule',
      message: `Temporal refuses schedule ${id}: ${error.message}`,
      ...(cron === undefined ? {} : { expected: 'a cron expression of five fields, for example 0 6 * * *', got: cron }),
    },
    { cause: error },
  );
}

async function known<T>(id: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) {
      throw new BalanceError(
        'usage',
        {
          type: 'UnknownSchedule',
          message: `no schedule ${id}`,
          got: id,
          hint: '`balance schedule list` shows those that exist.',
        },
        { cause: error },
      );
    }
    throw error;
  }
}
