/** Gangs through the whole loop: requests that are served together or wait together. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TestBalance } from '../support/balance.js';
import { startSmall, together, until, wrongs } from './small-pool.js';

let balance: TestBalance;
beforeAll(async () => {
  ({ balance } = await startSmall({ limits: { bytesPerSecond: '1kB' } }));
});
afterEach(async () => {
  expect(await wrongs(balance)).toEqual([]);
});
afterAll(() => balance.stop());

const ask = (name: string, size: number, more: object = {}) => ({
  ...{ model: 'trainer', dataset: 'events', fields: ['id', 'value'], rows: 20, gang: { name, size } },
  ...more,
});
const refill = () => balance.database.sql`delete from budgets`;
async function waitsFor(id: string, resource: string): Promise<{ reason: string; shortfall: number }> {
  const waiting = async () => (await balance.client.status(id)).reason;
  await until(`${id} waits for ${resource}`, async () => (await waiting())?.resource === resource);
  return (await waiting()) as never;
}
const decisionsOf = async (ids: readonly string[]) =>
  new Set((await Promise.all(ids.map((id) => balance.client.waitForDelivery(id)))).map(({ decisionId }) => decisionId));

test('those that have come wait for the others, whose coming brings all into one cycle', async () => {
  const first = await balance.client.request(ask('job-1', 3, { key: 'job-1/a' }));
  const second = await balance.client.request(ask('job-1', 3, { seed: 1 }));
  const wait = await waitsFor(second.id, 'gang:job-1');
  expect(wait).toMatchObject({ shortfall: 1, reason: 'gang job-1 has 2 of its 3 members: 1 more must come' });
  // Others are served meanwhile, and the two are not.
  const { id: other } = await balance.client.request({ ...ask('', 1), gang: undefined, model: 'auditor' });
  await balance.client.waitForDelivery(other);
  expect((await balance.client.status(first.id)).state).toBe('pending');
  // The same key is the same member.
  expect(await balance.client.request(ask('job-1', 3, { key: 'job-1/a' }))).toEqual({ id: first.id, created: false });
  await expect(balance.client.request(ask('job-1', 2))).rejects.toMatchObject({ type: 'GangMismatch', expected: '3' });
  const third = await balance.client.request(ask('job-1', 3, { seed: 2 }));
  expect((await decisionsOf([first.id, second.id, third.id])).size).toBe(1);
});

test('what is scarce is had by all or by none: another is served, and all together when there is enough', async () => {
  await refill();
  // A row is about 14 bytes, 10 kB may be read at once: two of 400 rows do not fit, one would.
  const sizes = [400, 400];
  const gang = sizes.map((rows, index) => ask('job-2', 2, { rows, seed: 10 + index }));
  const single = { ...ask('', 1, { rows: 300, seed: 20 }), gang: undefined };
  const [a, b, c] = await together(balance, [...gang, single]);
  expect((await balance.client.waitForDelivery(c)).rows).toBe(300);
  const wait = await waitsFor(a, 'bytes:lake');
  expect(wait.reason).toMatch(/^gang job-2 of 2 waits together: 800 rows need \d+ of bytes:lake/);
  expect((await balance.client.status(b)).state).toBe('pending');
  await refill();
  await balance.database.sql`update requests set not_before = now() where id = ${a}`;
  await balance.cycle();
  expect((await decisionsOf([a, b])).size).toBe(1);
});

test('a gang that is not complete at its deadline is answered, all of it; so is one of which a member is refused', async () => {
  const early = await balance.client.request(ask('job-3', 3, { deadline: new Date(Date.now() + 3_000) }));
  const late = await balance.client.request(ask('job-3', 3, { seed: 1 }));
  for (const { id } of [early, late])
    await expect(balance.client.waitForDelivery(id)).rejects.toMatchObject({
      type: 'DeadlinePassed',
      message: expect.stringMatching(/gang job-3.*2 of its 3 members had come/) as string,
    });
  const [good, bad] = await together(balance, [ask('job-4', 2), ask('job-4', 2, { fields: ['nothing'] })]);
  await expect(balance.client.waitForDelivery(good)).rejects.toMatchObject({ type: 'GangBroken' });
  await expect(balance.client.waitForDelivery(bad)).rejects.toMatchObject({ type: 'UnknownColumn' });
});
