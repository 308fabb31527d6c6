/** What is known of a dataset that this cycle does not look at. */
import { beforeAll, expect, test } from 'vitest';
import { createProfileStore } from '../../db/profile-store.js';
import { createPoolStore } from '../../db/pool-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';

const ref = { tenant: 'default', pool: 'p', decisionId: 'd' };
const database = testDatabase();
beforeAll(async () => {
  const definition = poolSchema.parse({ sources: {}, datasets: {}, models: {} });
  await createPoolStore(database.db).apply(ref, definition, 'digest', '/');
}, 120_000);

test('the facts of a dataset are those of when it was last looked at, without its profile', async () => {
  const store = createProfileStore(database.db);
  const state = (rows: number) => ({
    ...{ source: 'lake', contentId: 'c', rows, newestEventMs: null, bytesPerValue: { x: 10 }, completeness: { x: 1 } },
  });
  const saved = [1, 3, 2].map((asOfMs) => {
    return { dataset: 'events', version: 'v', asOfMs, state: { ...state(asOfMs * 100), profile: {} }, keep: null };
  });
  await store.saveProfiles(ref, saved, 0);
  const events = (rows: number) => ({ id: 'events', version: 'v', ...state(rows) });
  expect(await store.lastFacts(ref, ['events', 'never'], 2)).toEqual([events(200)]);
  expect(await store.lastFacts(ref, ['events'], 9)).toEqual([events(300)]);
  expect(await store.lastFacts(ref, ['events'], 0)).toEqual([]);
});
