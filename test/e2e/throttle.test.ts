/** While a declared limit binds, each model gets bytes a second as allocated: its weight's share of the limit. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startBalance, type TestBalance } from '../support/balance.js';
import { EVENTS, smallPool, wrongs } from './small-pool.js';

const BYTES_PER_SECOND = 4_000;
const WEIGHTS = { heavy: 3, middle: 2, light: 1 };
const TOTAL = 6;

/** Every need asks for more than there is; seeds differ, so that nothing can be shared. */
const models = Object.fromEntries(
  Object.entries(WEIGHTS).map(([id, weight], seed) => [
    id,
    { kind: 'training', weight, needs: [{ id: 'all', dataset: 'events', fields: ['id', 'label'], rows: 2_800, seed }] },
  ]),
);

let balance: TestBalance;
beforeAll(async () => {
  const change = { models, limits: { bytesPerSecond: `${BYTES_PER_SECOND}B` }, more: { window: '10m' } };
  balance = await startBalance((dir) => smallPool(dir, change));
  balance.write('events.csv', EVENTS as never);
});
afterAll(() => balance.stop());

/** When the plan was made, and what it led to, by model. */
async function measuredCycle(): Promise<{ atMs: number; bytes: Record<string, number> }> {
  const { decision, requests } = await balance.cycle();
  const [row] = await balance.database.sql<{ at_ms: number }[]>`
    select (inputs->>'nowMs')::float8 as at_ms from decision_stages where stage = 'batch' and decision_id = ${decision.id}`;
  return {
    atMs: row.at_ms,
    bytes: Object.fromEntries(requests.map(({ model, delivery }) => [model, delivery?.chargedBytes ?? 0])),
  };
}

test('measured bytes a second match the allocation within 10 % for each model', async () => {
  // An empty bucket: from here on the limit binds. Its window is longer than the test, so that no token is lost.
  const { tenant, pool } = balance.pool;
  const emptiedMs = Date.now();
  await balance.database.sql`
    insert into budgets (tenant, pool, resource, tokens, updated_at)
    values (${tenant}, ${pool}, 'bytes:lake', 0, ${new Date(emptiedMs).toISOString()}::timestamptz)`;
  const taken: Record<string, number> = {};
  let lastMs = emptiedMs;
  while (lastMs - emptiedMs < 12_000) {
    const { atMs, bytes } = await measuredCycle();
    for (const [model, amount] of Object.entries(bytes)) taken[model] = (taken[model] ?? 0) + amount;
    lastMs = atMs;
  }
  const seconds = (lastMs - emptiedMs) / 1_000;
  for (const [model, weight] of Object.entries(WEIGHTS)) {
    const allocated = (BYTES_PER_SECOND * weight) / TOTAL;
    expect(
      taken[model] / seconds / allocated,
      `${model}: ${Math.round(taken[model] / seconds)} of ${Math.round(allocated)} bytes a second`,
    ).toBeGreaterThan(0.9);
    expect(taken[model] / seconds / allocated).toBeLessThan(1.1);
  }
  expect(await wrongs(balance)).toEqual([]);
});

test('a request that is more than its share waits with a tiered reason, and is delivered when its share has come', async () => {
  const { tenant, pool } = balance.pool;
  await balance.database.sql`
    update budgets set tokens = 0, updated_at = now() where tenant = ${tenant} and pool = ${pool}`;
  const rows = 1_500;
  const sentMs = Date.now();
  const { id } = await balance.client.request({
    model: 'light',
    dataset: 'events',
    fields: ['id', 'label'],
    rows,
    seed: 99,
  });
  const early = await balance.client.waitForDelivery(id, { timeoutMs: 2_500 }).catch((error: unknown) => error);
  const status = await balance.client.status(id);
  if (status.state === 'pending') {
    expect(early).toMatchObject({ kind: 'timeout', type: 'WaitTimedOut' });
    expect(status.reason).toMatchObject({ tier: 'over-quota', resource: 'bytes:lake' });
    expect(status.reason?.reason).toMatch(/rows need \d+ of bytes:lake/);
    expect(status.reason?.earliestMs).toBeGreaterThan(sentMs);
  }
  const delivery = await balance.client.waitForDelivery(id, { timeoutMs: 60_000 });
  expect(delivery.rows).toBe(rows);
  // Alone on the source it has the whole limit: it cannot come before its bytes did, and comes soon after.
  const waitedMs = (await delivered(id)) - sentMs;
  expect(waitedMs).toBeGreaterThan(((0.5 * delivery.bytes) / BYTES_PER_SECOND) * 1_000);
  const attempts = await balance.database.sql<{ n: number }[]>`select attempts as n from requests where id = ${id}`;
  expect(attempts[0].n).toBeGreaterThan(1);
  expect(attempts[0].n).toBeLessThan(10);
});

async function delivered(id: string): Promise<number> {
  const [row] = await balance.database.sql<{ ms: number }[]>`
    select extract(epoch from closed_at)::float8 * 1000 as ms from requests where id = ${id}`;
  return row.ms;
}
