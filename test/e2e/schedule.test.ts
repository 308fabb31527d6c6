/** Schedules on a real server: they start a trigger that asks the loop and ends with its cycle. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { checkedCron } from '../../domain/types/cron.js';
import type { ScheduleDefinition } from '../../domain/types/pool.js';
import { createScheduleClient, type ScheduleClient } from '../../interfaces/model/schedules.js';
import type { TestBalance } from '../support/balance.js';
import { HOUR, smallPool, startSmall, until, wrongs, type Reads } from './small-pool.js';

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
/** Waits for the end of the newest backfill. */
async function ended(id: string) {
  let state = await schedules.backfillState(balance.pool, id);
  await until('the backfill ends', async () => (state = await schedules.backfillState(balance.pool, id)).ended, 60);
  return state;
}
async function backfilled(id: string, slices: readonly number[]) {
  await schedules.backfill(balance.pool, id, slices);
  return ended(id);
}
async function runningSlice() {
  const { running } = await schedules.backfillState(balance.pool, 'weekly');
  const [row] = await balance.database.sql<{ id: string }[]>`select id from decisions where state = 'open'`;
  return { running, decisionId: row.id };
}
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

test.each([
  ...[
    '0 6 * * *',
    '0,30 8-18/2 1 1-6 mon-fri',
    '5/10 0 1-31 January,dec 0-7',
    '0 0 * * * 2030',
    '30 0 6 * * * 2026-2030',
  ],
  ...['@daily', '@every 6h', '@every 14h/3h', 'TZ=Europe/Berlin 0 6 * * *', 'nonsense', '0 6 * *', '60 6 * * *'],
  ...[
    '0 0 0 * *',
    '0 0 * ja *',
    '0 0 * * 8',
    '5-1 * * * *',
    '*/0 * * * *',
    '1/2/3 * * * *',
    '0 0 * * * 1999',
    '@often',
  ],
  ...['TZ=Nowhere/Land 0 6 * * *', '0 6 * * MON-', '0 6 ? * *', '0 6 L * *', '+5 * * * *', '05 * * * *'],
])('a file may say %j exactly when Temporal takes it', async (cron) => {
  const taken = (check: Promise<unknown>) =>
    check.then(
      () => true,
      () => false,
    );
  const { id, overlap, catchupWindow, jitter, pauseOnFailure, paused } = schedule('cron');
  const put = schedules.put(balance.pool, { id, cron, overlap, catchupWindow, jitter, pauseOnFailure, paused });
  expect(await taken(Promise.resolve().then(() => checkedCron(cron)))).toBe(await taken(put));
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
  const slices = await schedules.slices(balance.pool, 'daily', new Date(start), new Date(start + 48 * HOUR));
  expect(slices).toEqual(['2020-01-02T00:00:00Z', '2020-01-03T00:00:00Z'].map((at) => Date.parse(at)));
  expect(await backfilled('daily', slices)).toMatchObject({ total: 2, done: 2, known: 0, failed: 0, running: null });
  expect((await cycles('backfill')).map(({ as_of_ms }) => as_of_ms)).toEqual(slices);
  // The same slices again are the same cycles, also when Temporal has forgotten their runs.
  expect(await backfilled('daily', slices)).toMatchObject({ total: 2, done: 0, known: 2, failed: 0 });
  const again = balance.worker.composition.client.workflow.start('balanceTrigger', {
    workflowId: `again/${balance.pool.pool}`,
    taskQueue: balance.taskQueue,
    args: [{ ...balance.pool, scheduleId: 'daily', catchupWindowMs: 0, asOfMs: slices[0] }],
  });
  expect(await (await again).result()).toMatchObject({ known: true, outcome: 'delivered' });
  expect(await cycles('backfill')).toHaveLength(2);
  expect(await wrongs(balance)).toEqual([]);
});

test('slices are the schedule’s own times without jitter, ends included, more than one answer holds', async () => {
  await schedules.put(balance.pool, schedule('jittery', { every: HOUR, jitter: HOUR / 2 }));
  const [from, to] = [Date.parse('2019-01-01T00:00:00Z'), Date.parse('2019-03-01T00:00:00Z')];
  const slices = await schedules.slices(balance.pool, 'jittery', new Date(from), new Date(to));
  expect(slices).toEqual(Array.from({ length: (to - from) / HOUR + 1 }, (_, index) => from + index * HOUR));
  await schedules.put(balance.pool, { ...schedule('crony'), every: undefined, cron: '30 6 * * 1-5' });
  expect(
    (
      await schedules.slices(balance.pool, 'crony', new Date('2019-01-04T06:30:00Z'), new Date('2019-01-07T23:00:00Z'))
    ).map((ms) => new Date(ms).toISOString()),
  ).toEqual(['2019-01-04T06:30:00.000Z', '2019-01-07T06:30:00.000Z']);
  const far = schedules.slices(balance.pool, 'jittery', new Date('2000-01-01'), new Date('2019-01-01'));
  await expect(far).rejects.toMatchObject({ kind: 'usage', type: 'TooManySlices' });
  // The copies that listed the times are gone.
  await until('no copy is left', async () => {
    for await (const { scheduleId } of balance.worker.composition.client.schedule.list())
      if (scheduleId.startsWith('balance-slices/')) return false;
    return true;
  });
});

test('a slice that fails is counted with its reason, and run again by the next backfill; a paused pool ends it', async () => {
  await schedules.put(balance.pool, schedule('weekly', { every: 7 * 24 * HOUR }));
  const slices = [Date.parse('2020-01-02T00:00:00Z'), Date.parse('2020-01-09T00:00:00Z')];
  await balance.client.pause('maintenance');
  await expect(backfilled('weekly', slices)).resolves.toMatchObject({
    done: 0,
    error: expect.stringMatching(/paused: maintenance; 0 of 2 slices/),
  });
  await balance.client.resume();
  reads.hold();
  const before = reads.begun.length;
  await schedules.backfill(balance.pool, 'weekly', slices);
  await expect(schedules.backfill(balance.pool, 'weekly', slices)).rejects.toMatchObject({ type: 'BackfillRunning' });
  await until('a slice reads', () => reads.begun.length > before);
  const { running, decisionId } = await runningSlice();
  await balance.worker.composition.client.workflow
    .getHandle(`balance-cycle/default/${balance.pool.pool}/${decisionId}`)
    .terminate('by an operator');
  reads.release();
  const state = await ended('weekly');
  expect(state).toMatchObject({ total: 2, failed: 1, done: 1 });
  expect(state.failures).toEqual([{ nominalMs: running, reason: expect.stringMatching(/failed: the cycle ended/) }]);
  const again = await backfilled('weekly', slices);
  expect(again, JSON.stringify(again)).toMatchObject({ done: 1, known: 1, failed: 0 });
  expect(await wrongs(balance)).toEqual([]);
});

/** Temporal tells a slice that its Web UI backfilled by nothing: each run of a schedule is as of its nominal time. */
test('a slice that Temporal itself backfills is as of its nominal time, however young', async () => {
  await balance.apply(smallPool(balance.dir, { models, more: { clock: { kind: 'wall' } } }));
  await schedules.put(balance.pool, schedule('minutely', { every: 60_000 }));
  const end = Math.floor(Date.now() / 60_000) * 60_000;
  const past = await cycles('schedule');
  await trigger('minutely').backfill({ start: new Date(end - 150_000), end: new Date(end), overlap: 'BUFFER_ALL' });
  await until('its slices end', async () => (await cycles('schedule')).length > past.length + 1, 60);
  const made = (await cycles('schedule')).slice(past.length).map(({ as_of_ms }) => as_of_ms);
  for (const [index, asOfMs] of made.entries()) expect(asOfMs).toBe(made[0] + index * 60_000);
  expect(made[0] % 60_000).toBe(0);
  expect(made.every((ms) => ms <= end)).toBe(true);
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
