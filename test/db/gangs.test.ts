/** Members of a gang as their senders put them in, against a real PostgreSQL. */
import { randomUUID } from 'node:crypto';
import { beforeEach, expect, test } from 'vitest';
import { createCycleStore } from '../../db/cycle-store.js';
import { createPoolStore } from '../../db/pool-store.js';
import { createRequestStore } from '../../db/request-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import type { NewRequest } from '../../domain/types/request.js';
import { testDatabase } from '../support/database.js';

const database = testDatabase(6);
const ref = { tenant: 't', pool: 'p' };
const nowMs = Date.parse('2026-01-01T12:00:00Z');
const gang = { name: 'job', size: 2 };
const requests = () => createRequestStore(database.db);
const apply = (more: object = {}) => {
  const sources = { lake: { kind: 'files', root: '.' } };
  const datasets = { events: { source: 'lake', path: 'events.csv' } };
  const definition = poolSchema.parse({ sources, datasets, models: { asker: { kind: 'serving' } }, ...more });
  return createPoolStore(database.db).apply(ref, definition, JSON.stringify(more), '/');
};
beforeEach(async () => {
  await database.sql`truncate pools, pool_versions, cycles, requests, outbox cascade`;
  await apply();
});

const ask = (more: Partial<NewRequest> = {}): NewRequest => {
  const id = randomUUID();
  return {
    ...{ id, model: 'asker', dataset: 'events', fields: ['id'], where: [], rows: 10, seed: 0, maxAgeMs: null },
    ...{ deadlineMs: null, priority: null, datasetVersion: null, idempotencyKey: id },
    ...more,
  };
};
const put = async (more: Partial<NewRequest> = {}, atMs = nowMs): Promise<string> =>
  (await requests().insert(ref, ask(more), atMs)).id;
const stateOf = async (id: string) => (await requests().view(ref, id)).request.state;

test('sent at the same time by many, a gang has as many members as it says', async () => {
  const sent = await Promise.allSettled(Array.from({ length: 6 }, () => put({ gang })));
  const refused = sent.flatMap((one) => (one.status === 'rejected' ? [one.reason as object] : []));
  expect(refused).toHaveLength(4);
  for (const why of refused) expect(why).toMatchObject({ type: 'GangFull' });
});

test('a member that is sent again is known, though the next gang has its name, in full or of another size', async () => {
  const member = ask({ gang });
  const again = () => requests().insert(ref, { ...member, id: randomUUID() }, nowMs);
  expect(await requests().insert(ref, member, nowMs)).toEqual({ id: member.id, created: true });
  await requests().cancel(ref, member.id, nowMs);
  for (let i = 0; i < gang.size; i++) await put({ gang });
  expect(await again()).toEqual({ id: member.id, created: false });
  const other = ask({ gang: { name: 'job', size: 3 }, idempotencyKey: member.idempotencyKey });
  await expect(requests().insert(ref, other, nowMs)).rejects.toMatchObject({ type: 'IdempotencyConflict' });
});

test('a cycle that claims one member claims them all, beyond what it claims of others', async () => {
  await apply({ maxRequestsPerCycle: 1 });
  const [first, second] = [await put({ gang }), await put({ gang }, nowMs + 1)];
  const single = await put({}, nowMs + 1);
  const cycle = {
    ...ref,
    decisionId: randomUUID(),
    trigger: 'work' as const,
    asOfMs: null,
    workflowId: 'w',
    runId: 'r',
  };
  await createCycleStore(database.db).open(cycle, nowMs + 1, {});
  expect([await stateOf(first), await stateOf(second)]).toEqual(['claimed', 'claimed']);
  expect(await stateOf(single)).toBe('pending');
});
