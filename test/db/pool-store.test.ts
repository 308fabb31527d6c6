/** What was applied is read as the running version knows it. */
import { expect, test } from 'vitest';
import { createPoolStore } from '../../db/pool-store.js';
import { poolVersions } from '../../db/schema.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';

const database = testDatabase();

test('a pool that an older version applied is read with the defaults of the keys that came later', async () => {
  const definition = poolSchema.parse({ sources: {}, datasets: {}, models: { m: { kind: 'serving' } } });
  await createPoolStore(database.db).apply({ tenant: 't', pool: 'p' }, definition, 'digest', '/');
  for (const table of ['pools', 'pool_versions'])
    await database.sql`update ${database.sql(table)} set definition = (definition - 'predict') #- '{cache,prefetch}'`;
  const read = { definition };
  expect(await createPoolStore(database.db).list()).toMatchObject([read]);
  expect(await database.db.select({ definition: poolVersions.definition }).from(poolVersions)).toEqual([read]);
});

test('the same definition is no new version, although an older one stored it without the defaults of later keys', async () => {
  const pool = { tenant: 't', pool: 'same' };
  const apply = (weight: number) => {
    const definition = poolSchema.parse({ sources: {}, datasets: {}, models: { m: { kind: 'serving', weight } } });
    return createPoolStore(database.db).apply(pool, definition, `digest ${weight}`, '/');
  };
  expect(await apply(1)).toEqual({ version: 1, changed: true });
  await database.sql`update pools set definition = definition - 'predict', digest = 'of an older version' where pool = 'same'`;
  expect(await apply(1)).toEqual({ version: 1, changed: false });
  expect(await apply(2)).toEqual({ version: 2, changed: true });
});
