/** Schedules on a real server: they start a trigger that asks the loop and ends with its cycle. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { ScheduleDefinition } from '../../domain/types/pool.js';
import { createScheduleClient, type ScheduleClient } from '../../interfaces/model/schedules.js';
import type { TestBalance } from '../support/balance.js';
import { HOUR, startSmall, until, wrongs, type Reads } from './small-pool.js';

let balance: TestBalance;
let reads: Reads;
let schedules: ScheduleClient;
const models = {
  trainer: { kind: 'training', needs: [{ id: 'all', dataset: 'events', fields: ['id'], rows: 10 }] },
};
beforeAll(async () => {
  ({ balance, reads } = await startSmall({ models }));
  schedules = createScheduleClient(balance.worker.composition.client, balance.taskQueue);
});
afterEach(async () => {
  reads.release();
  for (const { id } of await schedules.list(balance.pool)) await schedules.remove(balance.pool, id);
});
afterAll(() => balance.stop());

/** Paused by default: it runs only when a test says so. */
const schedule = (id: string, more: Partial<ScheduleDefinition> = {}): ScheduleDefinition => ({
  ...{ id, every: HOUR, overlap: 'skip', catchupWindow: 600_000, jitter: 0, pauseOnFailure: false, paused: true },
  ...more,
});
const cycles = async (trigger: string) =>
  balance.database.sql<{ as_of_ms: number; state: string }[]>`
    select c.as_of_ms::float8 as as_of_ms, d.state from cycles c join decisions d on d.id = c.id where c.trigger = ${trigger} order by c.number`;
const trigger = (id: string) =>
  balance.worker.composition.client.schedule.getHandle(`balance/default/${balance.pool.pool}/${id}`);

test('is created once, updated by the same call, listed, paused and removed', async () => {
  expect(await schedules.put(balance.pool, schedule('hourly', { every: HOUR, paused: false }))).toBe('created');
  expect(await schedules.put(balance.pool, schedule('hourly', { every: 2 * HOUR, paused: false }))).toBe('updated');
  // The list is eventually consistent.
  await until('it is listed', async () =>
    (await schedules.list(balance.pool)).some(({ id, paused }) => id === 'hourly' && !paused),
  );
  await schedules.pause(balance.pool, 'hourly', true);
  expect((await trigger('hourly').describe()).state.paused).toBe(true);
  // What somebody paused is not resumed by applying the same file again.
  await schedules.put(balance.pool, schedule('hourly', { every: HOUR, paused: false }));
  expect((await trigger('hourly').describe()).state.paused).toBe(true);
  await schedules.remove(balance.pool, 'hourly');
  await expect(schedules.trigger(balance.pool, 'hourly')).rejects.toMatchObject({
    kind: 'usage',
    type: 'UnknownSchedule',
  });
});

test('a trigger is a full cycle, and what overlaps with it is skipped', async () => {
  await schedules.put(balance.pool, schedule('overlapping'));
  reads.hold();
  const before = reads.begun.length;
  await schedules.trigger(balance.pool, 'overlapping');
  await until('the read begins', () => reads.begun.length > before);
  await schedules.trigger(balance.pool, 'overlapping');
  await until(
    'the second is skipped',
    async () => (await trigger('overlapping').describe()).info.numActionsSkippedOverlap === 1,
  );
  reads.release();
  await until('the cycle ends', async () => (await cycles('schedule')).some(({ state }) => state === 'closed'));
  expect(await cycles('schedule')).toHaveLength(1);
  expect(await wrongs(balance)).toEqual([]);
});

test('each slice of a backfill is a cycle as of its nominal time', async () => {
  await schedules.put(balance.pool, schedule('daily', { every: 24 * HOUR }));
  const start = Date.parse('2020-01-01T12:00:00Z');
  await schedules.backfill(balance.pool, 'daily', new Date(start), new Date(start + 48 * HOUR));
  await until(
    'both slices end',
    async () => (await cycles('backfill')).filter(({ state }) => state === 'closed').length === 2,
    60,
  );
  const nominal = ['2020-01-02T00:00:00Z', '2020-01-03T00:00:00Z'].map((at) => Date.parse(at));
  expect((await cycles('backfill')).map(({ as_of_ms }) => as_of_ms)).toEqual(nominal);
  expect(await wrongs(balance)).toEqual([]);
});

test('a run of a paused pool fails, and pauses the schedule where that is asked for', async () => {
  await schedules.put(balance.pool, schedule('strict', { pauseOnFailure: true, paused: false }));
  await balance.client.pause('maintenance');
  await schedules.trigger(balance.pool, 'strict');
  await until('the schedule is paused', async () => (await trigger('strict').describe()).state.paused);
  const [action] = (await trigger('strict').describe()).info.recentActions;
  const run = action.action.type === 'startWorkflow' ? action.action.workflow.workflowId : '';
  expect((await balance.worker.composition.client.workflow.getHandle(run).describe()).status.name).toBe('FAILED');
  await balance.client.resume();
});
