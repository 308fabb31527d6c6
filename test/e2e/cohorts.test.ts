/** Cohorts through the whole loop: declaring them changes which rows reach which model. */
import { afterEach, expect, test } from 'vitest';
import { renderDecision } from '../../cli/render.js';
import type { TestBalance } from '../support/balance.js';
import { smallPool, startSmall, wrongs } from './small-pool.js';

let balance: TestBalance;
afterEach(() => balance.stop());

const need = (seed: number) => ({ id: 'all', dataset: 'events', fields: ['id', 'value'], rows: 2_000, seed });
const models = (cohorts: boolean) => ({
  trainer: { kind: 'training', needs: [need(1)], ...(cohorts ? { cohort: 'research' } : {}) },
  tuner: { kind: 'training', needs: [need(2)], ...(cohorts ? { cohort: 'research' } : {}) },
  server: { kind: 'serving', needs: [need(3)], ...(cohorts ? { cohort: 'product' } : {}) },
});
const cohorts = {
  research: { nominal: { 'bytes:lake': '200B' } },
  product: { nominal: { 'bytes:lake': '600B' }, borrowingLimit: { 'bytes:lake': '0B' } },
};
const limits = { bytesPerSecond: '1kB' };

test('declared cohorts share a source by their guarantees, lend what is idle, and the record says what of whom', async () => {
  ({ balance } = await startSmall({ models: models(false), limits }));
  const run = async (change: { readonly models: object; readonly more?: object } | null) => {
    await balance.database.sql`delete from budgets`;
    await balance.database.sql`delete from learned where kind = 'credits'`;
    if (change !== null) await balance.apply(smallPool(balance.dir, { limits, ...change }));
    const explanation = await balance.cycle();
    const rows = Object.fromEntries(
      explanation.requests.map(({ needId, delivery }) => [needId!.split('/')[0], delivery?.rows ?? 0]),
    );
    return { explanation, rows };
  };
  const flat = await run(null);
  expect(Math.abs(flat.rows.server - flat.rows.trainer)).toBeLessThanOrEqual(1);

  const shared = await run({ models: models(true), more: { cohorts } });
  const all = shared.rows.server + shared.rows.trainer + shared.rows.tuner;
  // Product is held to its 600 of 1,000 bytes a second; research borrows what nobody was promised.
  expect(shared.rows.server / all).toBeCloseTo(0.6, 2);
  expect(shared.rows.trainer / all).toBeCloseTo(0.2, 2);
  const ids = async (explanation: typeof shared.explanation) =>
    (await balance.rowsOf(explanation, 'server/all')).map(({ id }) => Number(id));
  const [before, after] = [await ids(flat.explanation), await ids(shared.explanation)];
  expect(after.length).toBeGreaterThan(before.length * 1.5);
  const text = renderDecision(shared.explanation, { cacheDir: balance.cacheDir, namespace: 'default' });
  expect(text).toMatch(
    /cohort research: has 4(\.0\d*)? kB of bytes:lake, guaranteed 2 kB; borrows 2(\.0\d*)? kB of the pool/,
  );
  expect(text).toMatch(/server@lake: Gets .* bytes:lake of cohort product/);

  const idle = { ...models(true), server: { kind: 'serving', cohort: 'product', needs: [] } };
  const lent = await run({ models: idle, more: { cohorts } });
  expect(lent.rows.trainer).toBeGreaterThan(shared.rows.trainer * 2);
  expect(renderDecision(lent.explanation, { cacheDir: balance.cacheDir, namespace: 'default' })).toMatch(
    /cohort product: has 0 B of bytes:lake, guaranteed 6 kB; lends (5\.9\d*|6) kB/,
  );
  expect(await wrongs(balance)).toEqual([]);
});
