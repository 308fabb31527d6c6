/** A request that can wait is put off past a forecast peak of its source, is told so, and is served before its deadline. */
import { afterEach, expect, test } from 'vitest';
import type { Explanation } from '../../db/decision-store.js';
import { startBalance, type TestBalance } from '../support/balance.js';
import { HOUR, until, wrongs } from './small-pool.js';

let balance: TestBalance;
afterEach(() => balance.stop());

/** A quarter of an hour into the next hour on the wall, which is the peak of every twelve. */
const hourMs = Math.ceil(Date.now() / HOUR) * HOUR;
const NOW = hourMs + HOUR / 4;

test('a request with time is read in a low step after the peak; one without a deadline is read at once', async () => {
  let aheadMs = NOW - Date.now();
  balance = await startBalance(
    (dir) => ({
      clock: { kind: 'wall' },
      // 3.6 kB in a step; the peak asks for 8.4 kB, every other step for 0.8.
      window: '30m',
      sources: { lake: { kind: 'files', root: dir, limits: { bytesPerSecond: '1B' } } },
      datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'], eventTime: 'at' } },
      models: {
        watcher: {
          kind: 'serving',
          needs: [{ id: 'fresh', dataset: 'events', fields: ['label', 'value'], rows: 'new' }],
        },
        trainer: { kind: 'training' },
      },
    }),
    { replace: (deps) => ({ ...deps, now: () => deps.now() + aheadMs }) },
  );
  const rows = Array.from({ length: 300 }, (_, index) => index - 300).flatMap((hour) => {
    const all = hour % 12 === 0 ? 600 : 60;
    return Array.from({ length: all }, (_, nth) => {
      const at = new Date(hourMs + (hour + (nth + 0.5) / all) * HOUR).toISOString();
      return { at, id: `${hour}-${nth}`, label: 'common', value: nth };
    });
  });
  balance.write('events.csv', rows);
  await balance.cycle();
  await balance.database.sql`delete from budgets`;
  const ask = { model: 'trainer', dataset: 'events', fields: ['label', 'value'], rows: 50 };
  const deadline = new Date(NOW + 6 * HOUR);
  const { id } = await balance.client.request({ ...ask, seed: 1, deadline });
  await until('it is put off', async () => (await balance.client.status(id)).reason !== null);
  const { state, reason } = await balance.client.status(id);
  expect(state).toBe('pending');
  expect(reason).toMatchObject({ tier: 'waiting', resource: 'bytes:lake' });
  expect(reason!.reason).toMatch(/^put off to the step from .* are expected then at most, .* can be read in one/);
  expect(reason!.earliestMs).toBeGreaterThanOrEqual(hourMs + HOUR);
  expect(reason!.earliestMs).toBeLessThanOrEqual(deadline.getTime() - HOUR);
  const [put] = await balance.database.sql<{ id: string }[]>`
    select decision_id as id from decision_stages where stage = 'batch' and reasons::text like '%put off to the step%'`;
  const explained = (await balance.client.explain(put.id)) as Explanation;
  const { reasons } = explained.stages.find(({ stage }) => stage === 'batch')!;
  expect(reasons.join()).toContain(`${id} waits: put off to the step from`);
  const used = explained.forecastsUsed.filter(({ what }) => what === 'put-off');
  expect(used).toMatchObject([
    { stage: 'batch', series: 'source:lake', quantile: 0.9, stepEndMs: hourMs + HOUR, came: null },
    { stage: 'batch', series: 'source:lake', quantile: 0.9, stepEndMs: reason!.earliestMs! + HOUR, came: null },
  ]);
  expect(used[0].foreseen).toBeGreaterThan(used[1].foreseen);
  // One that does not say that it can wait is not put off.
  const now = await balance.client.request({ ...ask, seed: 2 });
  expect((await balance.client.waitForDelivery(now.id, { timeoutMs: 60_000 })).rows).toBe(50);
  expect((await balance.client.status(id)).state).toBe('pending');
  // The step has come.
  await balance.database.sql`delete from budgets`;
  aheadMs += reason!.earliestMs! + 60_000 - NOW;
  expect((await balance.client.waitForDelivery(id, { timeoutMs: 60_000 })).rows).toBe(50);
  expect(Date.now() + aheadMs).toBeLessThan(deadline.getTime());
  expect(await wrongs(balance)).toEqual([]);
});
