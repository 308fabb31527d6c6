/** What a plan took for reads ahead of being asked goes back when their cycle ends before it begins them. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { createCloseStore } from '../../db/close-store.js';
import { createCycleStore } from '../../db/cycle-store.js';
import { createPoolStore } from '../../db/pool-store.js';
import { createBatchStore } from '../../db/batch-store.js';
import { createPlanStore } from '../../db/stage-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';
import { closingAt, stageRecord } from './closing.js';
import { FORESEEN } from './foreseen.js';

const database = testDatabase(6);
const nowMs = Date.parse('2026-01-01T12:00:00Z');

test.each(['closed', 'open'] as const)('its decision %s: what they were charged goes back, once', async (state) => {
  const ref = { tenant: 't', pool: `ahead-${state}`, decisionId: randomUUID() };
  const declared = poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.', limits: { bytesPerSecond: '100B', rowsPerSecond: 10 } } },
    datasets: { events: { source: 'lake', path: 'events.csv' } },
    models: {},
  });
  await createPoolStore(database.db).apply(ref, declared, '', '/');
  const cycle = { ...ref, trigger: 'manual' as const, asOfMs: null, workflowId: 'w', runId: 'r' };
  await createCycleStore(database.db).open(cycle, nowMs, {});
  const limit = (resource: string, perSecond: number) => ({ resource, perSecond, burst: 10 * perSecond });
  const limits = [limit('bytes:lake', 100), limit('rows:lake', 10)];
  const batch = (ordinal: number, more: object = {}) => ({
    ...{ batchId: `b${ordinal}`, ordinal, source: 'lake', dataset: 'events', contentId: null, asOfMs: nowMs },
    ...{ slices: [], predictedBytes: 300, askedBytes: 0, ...FORESEEN, ...more },
  });
  const ahead = { prefetch: { predictedRows: 20 } };
  const charged = limits.map((one, index) => ({ ...one, amount: [900, 60][index] }));
  const plan = stageRecord(
    nowMs,
    'batch',
    { limits: limits.map((one) => ({ ...one, source: 'lake' })) },
    {
      charges: { 'bytes:lake': 300, 'rows:lake': 20 },
      prefetch: { charges: { 'bytes:lake': 600, 'rows:lake': 40 } },
    },
  );
  const plans = createPlanStore(database.db);
  await plans.savePlan(ref, plan, [batch(0), batch(1, ahead), batch(2, ahead)], charged, nowMs);
  const result = { id: '', contentId: 'c', rowsRead: 20, bytesRead: 300, slices: [], failures: [] };
  const store = createBatchStore(database.db);
  await store.done(ref, 'b0', result, 5, nowMs, {});
  if (state === 'closed') {
    await createCloseStore(database.db).close(ref, closingAt(nowMs, { outcome: 'empty' }), nowMs);
    // One was begun and has ended: what it took stays taken.
    await store.done(ref, 'b1', result, 5, nowMs, { always: { cache: [], settle: [] } });
  }
  const abandon = () => createCycleStore(database.db).abandon(ref, 'failed', 'it was terminated', nowMs);
  const ends = await Promise.all([abandon(), abandon()]);
  const outcome = state === 'closed' ? 'empty' : 'failed';
  expect(ends.map((one) => one.outcome)).toEqual([outcome, outcome]);
  const left = state === 'closed' ? { 'bytes:lake': 400, 'rows:lake': 60 } : { 'bytes:lake': 700, 'rows:lake': 80 };
  expect(await plans.tokens(ref, limits, nowMs)).toEqual(left);
  expect(await database.sql`select 1 from batches where pool = ${ref.pool} and state = 'planned'`).toEqual([]);
  // A read that runs all the same ends for nobody.
  await store.done(ref, 'b2', result, 5, nowMs, { always: { cache: [], settle: charged } });
  expect(await plans.tokens(ref, limits, nowMs)).toEqual(left);
});
