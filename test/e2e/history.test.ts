/** What a cycle costs the Temporal server does not depend on how many requests are in it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomUUID } from 'node:crypto';
import type { TestBalance } from '../support/balance.js';
import { startSmall, wrongs } from './small-pool.js';

let balance: TestBalance;
beforeAll(async () => {
  ({ balance } = await startSmall());
});
afterAll(() => balance.stop());

/** Puts so many rows in at once, past the client: only the rows matter here. */
async function insertRequests(count: number): Promise<void> {
  const { tenant, pool } = balance.pool;
  const ids = JSON.stringify(Array.from({ length: count }, () => randomUUID()));
  await balance.database.sql`
    insert into requests (tenant, pool, id, kind, model, dataset, fields, predicate, rows, seed, priority, idempotency_key, not_before, created_at)
    select ${tenant}, ${pool}, value::uuid, 'request', 'trainer', 'events', '["id"]'::jsonb, '[]'::jsonb, 3, 0, 3, value, now(), now()
    from jsonb_array_elements_text(${ids}::text::jsonb)`;
}

/** Events in the history of a workflow, by type. */
async function eventsOf(workflowId: string): Promise<Record<string, number>> {
  const { events } = await balance.worker.composition.client.workflow.getHandle(workflowId).fetchHistory();
  const counts: Record<string, number> = {};
  for (const { eventType } of events ?? []) counts[String(eventType)] = (counts[String(eventType)] ?? 0) + 1;
  return counts;
}
const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);

async function cycleOf(count: number) {
  await insertRequests(count);
  const explanation = await balance.cycle();
  const { id, workflowId } = explanation.decision;
  const [served] = await balance.database.sql<{ n: number }[]>`
    select count(*)::int as n from requests where decision_id = ${id} and state = 'delivered'`;
  return { served: served.n, batches: explanation.batches.length, events: await eventsOf(workflowId), decisionId: id };
}

test('10 and 2,000 requests in one cycle cost the same events, apart from the batches of at most 500 slices', async () => {
  await balance.client.pause();
  await balance.client.resume();
  const few = await cycleOf(10);
  const many = await cycleOf(2_000);
  expect(few.served).toBe(10);
  expect(many.served).toBe(2_000);
  expect(few.batches).toBe(1);
  expect(many.batches).toBe(4);
  // A child costs its parent at most 3 events of its own and 3 for the task that notices its end; it starts with its neighbours.
  const perBatch = 2 * 3;
  expect(sum(many.events)).toBeLessThanOrEqual(sum(few.events) + (many.batches - few.batches) * perBatch);
  // All of it is far below the 10,240 events that a server warns of.
  expect(sum(many.events)).toBeLessThan(120);
  // The children: one read each, whatever its number of slices.
  const child = (decisionId: string) => eventsOf(`balance-batch/default/${balance.pool.pool}/${decisionId}:0`);
  expect(sum(await child(many.decisionId))).toBe(sum(await child(few.decisionId)));
  expect(await wrongs(balance)).toEqual([]);
});

test('what passes through Temporal are ids and digests: no payload grows with the requests', async () => {
  const { decisionId } = await cycleOf(1_000);
  const handle = balance.worker.composition.client.workflow.getHandle(
    `balance-cycle/default/${balance.pool.pool}/${decisionId}`,
  );
  expect(Buffer.byteLength(JSON.stringify(await handle.fetchHistory()))).toBeLessThan(100_000);
});
