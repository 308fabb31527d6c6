/** What a quota counts is kept as long as it counts. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createCycleStore } from '../../db/cycle-store.js';
import { prune } from '../../db/maintenance.js';
import { createPoolStore } from '../../db/pool-store.js';
import { createBatchStore } from '../../db/batch-store.js';
import { createPlanStore } from '../../db/stage-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';
import { FORESEEN } from './foreseen.js';

const database = testDatabase(8);

const ref = { tenant: 't', pool: 'p' };
const DAY = 86_400_000;
const nowMs = Date.parse('2026-01-01T12:00:00Z');

test('what a quota still counts stays, however short decisions are kept', async () => {
  const apply = (per: string) =>
    createPoolStore(database.db).apply(
      ref,
      poolSchema.parse({
        sources: { lake: { kind: 'files', root: '.', limits: { quota: { bytes: '1MB', per } } } },
        datasets: { events: { source: 'lake', path: 'events.csv' } },
        models: { asker: { kind: 'serving' } },
        retention: { decisions: '1d' },
      }),
      per,
      '/',
    );
  const plans = createPlanStore(database.db);
  const taken = () => plans.bytesSince(ref, 'lake', nowMs - 5 * DAY);
  await apply('5d');
  const decision = { ...ref, decisionId: randomUUID() };
  const asked = { trigger: 'work' as const, asOfMs: null, workflowId: 'w', runId: 'r' };
  await createCycleStore(database.db).open({ ...decision, ...asked }, nowMs, {});
  const digests = { inputDigest: 'i', outcomeDigest: 'o' };
  await plans.savePlan(
    decision,
    {
      ...{ stage: 'batch', state: 'ok', inputs: { limits: [] }, outcome: {}, reasons: [] },
      ...{ ...digests, startedMs: nowMs, endedMs: nowMs },
    },
    [
      {
        ...{ batchId: 'b', ordinal: 0, source: 'lake', dataset: 'events', contentId: null, asOfMs: nowMs },
        ...{ slices: [], predictedBytes: 450, askedBytes: 450, ...FORESEEN },
      },
    ],
    [],
    nowMs,
  );
  const result = { id: 'b', contentId: 'c', rowsRead: 20, bytesRead: 300, slices: [], failures: [] };
  await createBatchStore(database.db).done(decision, 'b', result, 5, nowMs, {});
  await createCycleStore(database.db).abandon(decision, 'failed', 'the source is away', nowMs);
  await prune(database.db, nowMs + 4 * DAY);
  expect(await taken()).toBe(300);
  await apply('2d');
  await prune(database.db, nowMs + 4 * DAY);
  expect(await taken()).toBe(0);
});

test('a period counts from when a read ended, however long before its decision was opened', async () => {
  const plans = createPlanStore(database.db);
  const decision = { ...ref, decisionId: randomUUID() };
  const asked = { trigger: 'work' as const, asOfMs: null, workflowId: 'w2', runId: 'r2' };
  const openedMs = nowMs + 20 * DAY;
  const readMs = openedMs + DAY;
  await createCycleStore(database.db).open({ ...decision, ...asked }, openedMs, {});
  await plans.savePlan(
    decision,
    {
      ...{ stage: 'batch', state: 'ok', inputs: { limits: [] }, outcome: {}, reasons: [] },
      ...{ inputDigest: 'i', outcomeDigest: 'o', startedMs: openedMs, endedMs: openedMs },
    },
    [
      {
        ...{ batchId: 'late', ordinal: 0, source: 'lake', dataset: 'events', contentId: null, asOfMs: nowMs },
        ...{ slices: [], predictedBytes: 450, askedBytes: 450, ...FORESEEN },
      },
    ],
    [],
    openedMs,
  );
  // Planned and not read yet: it may still leave the source.
  expect(await plans.bytesSince(ref, 'lake', readMs - 1)).toBe(450);
  const result = { id: 'late', contentId: 'c', rowsRead: 20, bytesRead: 300, slices: [], failures: [] };
  await createBatchStore(database.db).done(decision, 'late', result, 5, readMs, {});
  expect(await plans.bytesSince(ref, 'lake', readMs - 1)).toBe(300);
  expect(await plans.bytesSince(ref, 'lake', readMs)).toBe(0);
  await createCycleStore(database.db).abandon(decision, 'failed', 'the source is away', readMs + DAY);
  // Kept as long as it counts: two days after the read, not after the opening.
  await prune(database.db, readMs + 2 * DAY);
  expect(await plans.bytesSince(ref, 'lake', readMs - 1)).toBe(300);
});

test('a read beyond the plan is counted while there is room, before it begins, and settled by what it took', async () => {
  const plans = createPlanStore(database.db);
  const decision = { ...ref, decisionId: randomUUID() };
  const openedMs = nowMs + 40 * DAY;
  const asked = { trigger: 'work' as const, asOfMs: null, workflowId: 'w3', runId: 'r3' };
  await createCycleStore(database.db).open({ ...decision, ...asked }, openedMs, {});
  const charge = { source: 'lake', quotaBytes: 1_000, sinceMs: openedMs - DAY, nowMs: openedMs };
  const take = (id: string, bytes: number) => plans.takeQuota(decision, { ...charge, id, bytes });
  const counted = () => plans.bytesSince(ref, 'lake', openedMs - DAY);
  expect(await take('a', 600)).toEqual({ taken: true, left: 400 });
  expect(await take('b', 401)).toEqual({ taken: false, left: 400 });
  expect(await counted()).toBe(600);
  await plans.settleQuota(decision, { id: 'a', bytes: -100, nowMs: openedMs + 5 });
  expect(await counted()).toBe(500);
  // Made again after a crash it leaves the source again.
  expect(await take('a', 300)).toMatchObject({ taken: true });
  expect(await counted()).toBe(800);
  // Of many at once no more are taken than there is room for.
  const many = await Promise.all(Array.from({ length: 5 }, (_, at) => take(`many ${at}`, 90)));
  expect(many.filter(({ taken }) => taken)).toHaveLength(2);
  expect(await counted()).toBe(980);
  expect(await plans.bytesSince({ ...ref, pool: 'other' }, 'lake', 0)).toBe(0);
  // The pool's quota is one of two days: kept so long, and no longer.
  await prune(database.db, openedMs + 2 * DAY);
  expect(await counted()).toBe(980);
  await prune(database.db, openedMs + 2 * DAY + 6);
  expect(await counted()).toBe(0);
});
