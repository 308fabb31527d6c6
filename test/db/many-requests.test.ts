/** A cycle of very many requests against a real PostgreSQL: its cost grows with their number, not with its square. */
import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import type { NewDelivery } from '../../activities/store-ports.js';
import { createCloseStore } from '../../db/close-store.js';
import { createCycleStore } from '../../db/cycle-store.js';
import { createPoolStore } from '../../db/pool-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';
import { closingAt } from './closing.js';

const ref = { tenant: 't', pool: 'p' };
const nowMs = Date.parse('2026-01-01T12:00:00Z');
// One connection, so that every cycle meets the plans that the ones before it left.
const database = testDatabase(1);
beforeAll(async () => {
  const definition = poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { events: { source: 'lake', path: 'events.csv' } },
    models: { asker: { kind: 'serving' } },
  });
  await createPoolStore(database.db).apply(ref, definition, 'd', '/');
});

const delivery = (requestId: string): NewDelivery => ({
  ...{ id: requestId, requestId, model: 'asker', dataset: 'events', needId: null, chargedBytes: 8, contentId: 'c' },
  ...{ asOfMs: nowMs, upToMs: null, verdict: 'pass', score: 1, served: 'read', report: {} },
  slice: {
    ...{ id: 'x', digest: 'd', path: 'aa/x.parquet', fileBytes: 100, rows: 1, bytes: 8, newestEventMs: null },
    ...{ completeness: {}, invalid: {}, duplicateRows: 0, classCounts: null },
  },
});
/** Rows of `requests` that were read so far, by whichever way. */
async function rowsRead(): Promise<number> {
  await database.sql`select pg_stat_force_next_flush()`;
  const [row] = await database.sql<{ rows: number }[]>`
    select (seq_tup_read + idx_tup_fetch)::int as rows from pg_stat_user_tables where relname = 'requests'`;
  return row.rows;
}

/** Rows of `requests` that opening and closing a cycle of so many requests reads. */
async function cycle(count: number): Promise<number> {
  const ids = Array.from({ length: count }, () => randomUUID());
  const at = new Date(nowMs).toISOString();
  await database.sql`
    insert into requests (tenant, pool, id, kind, model, dataset, fields, predicate, seed, priority, idempotency_key, not_before, created_at)
    select 't', 'p', id::uuid, 'request', 'asker', 'events', '[]', '[]', 0, 3, id, ${at}, ${at}
    from jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb) id`;
  const decision = { ...ref, decisionId: randomUUID() };
  const before = await rowsRead();
  const input = { ...decision, trigger: 'work' as const, asOfMs: null, workflowId: 'w', runId: 'r' };
  await createCycleStore(database.db).open(input, nowMs, {});
  await createCloseStore(database.db).close(decision, closingAt(nowMs, { deliveries: ids.map(delivery) }), nowMs);
  return (await rowsRead()) - before;
}

test('a cycle reads each of its requests a few times, although its connection planned while the table was nearly empty', async () => {
  // More than five times: then PostgreSQL keeps a plan, of the checks of foreign keys too.
  for (let run = 0; run < 8; run += 1) await cycle(1);
  // Measured: 7 a request. A plan that reads the whole table for each delivery: 1,000 a request.
  expect(await cycle(2_000)).toBeLessThan(20 * 2_000);
});
