/** A whole Balance for a benchmark: own servers on free ports, one worker in this process, one pool over 4,000 events. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOf } from '../activities/digest.js';
import { connect } from '../client/index.js';
import { migrateDatabase, openDatabase } from '../db/client.js';
import { createPoolStore } from '../db/pool-store.js';
import { poolSchema } from '../domain/types/pool.js';
import { findTemporal } from '../workers/embedded/find-temporal.js';
import { startPostgres } from '../workers/embedded/postgres.js';
import { startTemporal } from '../workers/embedded/temporal.js';
import { startWorker, type WorkerHooks } from '../workers/worker.js';

const silent = (): void => undefined;
export const POOL = { tenant: 'default', pool: 'bench' };

export async function startOwnBalance(hooks: Partial<WorkerHooks> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'balance-bench-'));
  const found = await findTemporal(silent, { ...process.env, TEMPORAL_ADDRESS: undefined });
  if (found.kind === 'server') throw new Error('expected a program');
  const temporalData = { dataDir: join(dir, 'temporal'), port: 0, uiPort: false, inMemory: true } as const;
  const [postgres, temporal] = await Promise.all([
    startPostgres({ instanceDir: join(dir, 'postgres'), port: 0, throwaway: true, report: silent }),
    startTemporal({ program: found.path, ...temporalData, report: silent }),
  ]);
  await migrateDatabase(postgres.url);
  const definition = poolSchema.parse({
    sources: { lake: { kind: 'files', root: dir } },
    datasets: { events: { source: 'lake', path: 'events.csv', key: ['id'] } },
    models: { trainer: { kind: 'training' }, server: { kind: 'serving' } },
  });
  const rows = Array.from({ length: 4_000 }, (_, id) => `${id},${id % 100},${id % 20 === 0 ? 'rare' : 'common'}`);
  writeFileSync(join(dir, 'events.csv'), ['id,value,label', ...rows].join('\n'));
  const database = openDatabase(postgres.url, { connectionsMax: 4 });
  await createPoolStore(database.db).apply(POOL, definition, digestOf(definition), dir);
  const cacheDir = join(dir, 'deliveries');
  mkdirSync(cacheDir);
  const endpoints = {
    databaseUrl: postgres.url,
    temporalAddress: temporal.address,
    temporalNamespace: 'default',
    cacheDir,
  };
  const worker = await startWorker(
    {
      ...{ ...endpoints, taskQueue: 'bench', scratchDir: join(dir, 'scratch'), memoryBytesMax: 5e8, threads: 2 },
      projectRoot: fileURLToPath(new URL('../', import.meta.url)),
    },
    { onError: silent, ...hooks },
  );
  const client = await connect(endpoints, { ...POOL, taskQueue: 'bench' });
  return {
    ...{ client, database, worker, temporalAddress: temporal.address },
    /** Puts rows in at once, past the client. Each asks for other rows, so that nothing comes from the cache. */
    insert: async (count: number, seed: number): Promise<void> => {
      await database.sql`
        insert into requests (tenant, pool, id, kind, model, dataset, fields, predicate, rows, seed, priority, idempotency_key, not_before, created_at)
        select ${POOL.tenant}, ${POOL.pool}, gen_random_uuid(), 'request', 'trainer', 'events', '["id", "value"]'::jsonb, '[]'::jsonb,
          1 + n % 20, ${seed}, 3, gen_random_uuid()::text, now(), now() from generate_series(1, ${count}::int) n`;
    },
    closed: async (decisionId: string): Promise<void> => {
      while ((await database.sql`select 1 from decisions where id = ${decisionId} and state = 'closed'`).length === 0)
        // Rarely: on two cores, a look takes time from what is measured.
        await new Promise((resolve) => setTimeout(resolve, 25));
    },
    stop: async (): Promise<void> => {
      await client.close();
      await worker.stop();
      await database.close();
      await temporal.stop();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
