/** The rows behind a read that outlasts its cycle: who it is made for, what it is charged, and when it is due, in whatever order things end. */
import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createBatchStore } from '../../db/batch-store.js';
import { createCloseStore } from '../../db/close-store.js';
import { createCycleStore } from '../../db/cycle-store.js';
import { prune, unreferencedFiles } from '../../db/maintenance.js';
import { createPoolStore } from '../../db/pool-store.js';
import { createRequestStore } from '../../db/request-store.js';
import { createPlanStore } from '../../db/stage-store.js';
import type { MergedReadResult } from '../../activities/ports.js';
import type { WaitReason } from '../../domain/decision/work.js';
import { poolSchema } from '../../domain/types/pool.js';
import { testDatabase } from '../support/database.js';
import { closingAt, stageRecord } from './closing.js';
import { FORESEEN } from './foreseen.js';

const database = testDatabase(6);
const nowMs = Date.parse('2026-01-01T12:00:00Z');
/** A bucket of 1,000 that never refills within the test, of which the plan takes 300 for each of three reads. */
const limits = [{ resource: 'bytes:lake', perSecond: 1e-9, burst: 1_000 }];
const FREE = 100;

/** A cycle that goes on without two of its three reads: one runs, one has not begun. One request for each. */
async function leftBehind(deadlineMs: number | null = null) {
  const pool = { tenant: 't', pool: randomUUID() };
  const ref = { ...pool, decisionId: randomUUID() };
  const declared = poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.' } },
    datasets: { events: { source: 'lake', path: 'events.csv' } },
    models: { m: { kind: 'training' } },
  });
  const { db } = database;
  await createPoolStore(db).apply(pool, declared, '', '/');
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  const requests = createRequestStore(db);
  for (const id of ids) {
    const asked = { id, model: 'm', dataset: 'events', fields: ['x'], where: [], rows: null, seed: 0, maxAgeMs: null };
    const more = { deadlineMs, priority: null, datasetVersion: null, idempotencyKey: id };
    await requests.insert(pool, { ...asked, ...more }, nowMs);
  }
  const cycles = createCycleStore(db);
  const open = (decisionId: string, atMs = nowMs) =>
    cycles.open({ ...pool, decisionId, trigger: 'work', asOfMs: null, workflowId: 'w', runId: 'r' }, atMs, {});
  await open(ref.decisionId);
  const batch = (ordinal: number) => ({
    ...{
      batchId: `${ref.decisionId}:${ordinal}`,
      ordinal,
      source: 'lake',
      dataset: 'events',
      contentId: null,
      asOfMs: nowMs,
    },
    slices: [{ id: ids[ordinal], fields: ['x'], where: [], rows: null, seed: 0, classColumn: null, quotas: null }],
    ...{ predictedBytes: 300, askedBytes: 0, ...FORESEEN, foreseenEndMs: nowMs + 60_000 },
  });
  const plans = createPlanStore(db);
  const of = limits.map((one) => ({ ...one, source: 'lake' }));
  const plan = stageRecord(nowMs, 'batch', { limits: of }, { charges: { 'bytes:lake': 900 } });
  const planned = [0, 1, 2].map(batch);
  await plans.savePlan(ref, plan, planned, [{ ...limits[0], amount: 900 }], nowMs);
  const batches = createBatchStore(db);
  const [runs, notBegun, ended] = planned.map(({ batchId }) => batchId);
  const result = { id: '', contentId: 'c', rowsRead: 5, bytesRead: 250, slices: [], failures: [] };
  const own = { outlasted: { cache: [], settle: [{ ...limits[0], amount: -50 }] } };
  const end = () => batches.done(ref, runs, result, 5, nowMs + 1_000, own);
  await batches.done(ref, ended, result, 5, nowMs, own);
  const leave = () => batches.leave(ref, { running: [runs, ended], notBegun: [notBegun] }, nowMs);
  const wait = (itemId: string, blockers: readonly string[]): WaitReason => {
    const why = { tier: 'waiting', resource: 'read', shortfall: 0, earliestMs: nowMs + 60_000, reason: 'r' } as const;
    return { itemId, blockers, ...why };
  };
  const close = () =>
    createCloseStore(db).close(
      ref,
      closingAt(nowMs, {
        outcome: 'partial',
        waiting: [wait(ids[0], [runs]), wait(ids[1], [runs])],
        ended: [{ requestId: ids[2], state: 'refused', reason: 'r', type: 't' }],
        // What had not begun, and what the ended read did not take.
        settle: [{ ...limits[0], amount: -350 }],
      }),
      nowMs,
    );
  const tokens = async () => Math.round((await plans.tokens(ref, limits, nowMs))['bytes:lake']);
  const due = async (): Promise<Record<string, number>> => {
    const rows = await database.sql<{ id: string; ms: number }[]>`
      select id, extract(epoch from not_before)::float8 * 1000 as ms from requests where pool = ${pool.pool} and state = 'pending'`;
    return Object.fromEntries(rows.map(({ id, ms }) => [id, ms - nowMs]));
  };
  return { pool, ref, ids, runs, notBegun, ended, batches, cycles, requests, open, end, leave, close, tokens, due };
}

describe('a read that outlasts its cycle', () => {
  test('only those that run are left; leaving twice changes nothing; who waits for them is known by its read', async () => {
    const { pool, ref, ids, runs, notBegun, ended, batches, cycles, leave, close, end, open } = await leftBehind();
    await leave();
    await leave();
    expect((await batches.underWay(pool)).map(({ id }) => id)).toEqual([runs]);
    expect(await Promise.all([runs, notBegun, ended].map((id) => batches.wanted(ref, id)))).toEqual([
      true,
      false,
      false,
    ]);
    await close();
    await end();
    expect(await batches.underWay(pool)).toEqual([]);
    const next = { ...pool, decisionId: randomUUID() };
    await open(next.decisionId, nowMs + 1_000);
    const { items } = await cycles.context(next);
    expect(Object.fromEntries(items.map(({ id, readId }) => [id, readId]))).toEqual({
      [ids[0]]: runs,
      [ids[1]]: undefined,
    });
    expect((await batches.ended(pool, [runs])).map(({ plan }) => plan.batchId)).toEqual([runs]);
  });

  test('ended after its cycle, or between its last stages, it is settled once, and who waits for it is due then', async () => {
    for (const order of ['close first', 'end first'] as const) {
      const { ids, leave, close, end, tokens, due } = await leftBehind();
      expect(await tokens()).toBe(FREE);
      await leave();
      if (order === 'end first') expect(await end()).toEqual({ outlasted: true });
      await close();
      if (order === 'close first') {
        expect(await due()).toEqual({ [ids[0]]: 60_000, [ids[1]]: 60_000 });
        expect(await end()).toEqual({ outlasted: true });
        expect(await due()).toEqual({ [ids[0]]: 1_000, [ids[1]]: 1_000 });
      } else expect((await due())[ids[0]]).toBe(0);
      expect(await end()).toEqual({ outlasted: true });
      // 250 each of two reads; the third was not made.
      expect(await tokens()).toBe(FREE + 400);
    }
  });

  test("its end and its cycle's at the same time: nobody is forgotten", async () => {
    for (let time = 0; time < 10; time++) {
      const { ids, leave, close, end, due } = await leftBehind();
      await leave();
      await Promise.all([close(), end()]);
      expect((await due())[ids[0]]).toBeLessThanOrEqual(1_000);
    }
  });

  test('a cycle that fails after it gives back all but what it is charged, and its request is served by it all the same', async () => {
    const { pool, ref, ids, runs, cycles, batches, leave, end, tokens, open } = await leftBehind();
    await leave();
    await cycles.abandon(ref, 'failed', 'broken', nowMs);
    expect(await tokens()).toBe(FREE + 300 + 50);
    expect((await batches.underWay(pool)).map(({ id }) => id)).toEqual([runs]);
    await end();
    expect(await tokens()).toBe(FREE + 300 + 50 + 50);
    const next = { ...pool, decisionId: randomUUID() };
    await open(next.decisionId, nowMs + 60_000);
    const { items } = await cycles.context(next);
    expect(items.find(({ id }) => id === ids[0])!.readId).toBe(runs);
  });

  test('a cycle that fails before it ends its reads with it, and gives all back', async () => {
    const { pool, ref, runs, cycles, batches, end, tokens } = await leftBehind();
    await cycles.abandon(ref, 'cancelled', 'stopped', nowMs);
    expect(await batches.wanted(ref, runs)).toBe(false);
    expect(await end()).toEqual({ outlasted: false });
    expect(await batches.underWay(pool)).toEqual([]);
    expect(await tokens()).toBe(FREE + 600 + 50);
  });

  test('it is wanted as long as one of its requests waits; one that failed is told once, then its request is read anew', async () => {
    const { pool, ref, ids, runs, cycles, batches, leave, close, open } = await leftBehind();
    await leave();
    await close();
    expect(await batches.wanted(ref, runs)).toBe(true);
    await batches.fail(ref, runs, 'no such file', nowMs, {});
    const next = { ...pool, decisionId: randomUUID() };
    await open(next.decisionId, nowMs + 1_000);
    expect((await cycles.context(next)).items.find(({ id }) => id === ids[0])!.readId).toBe(runs);
    const waits = { itemId: ids[0], tier: 'waiting', resource: 'dataset:events', blockers: [], shortfall: 0 } as const;
    const waiting = [{ ...waits, earliestMs: nowMs + 2_000, reason: 'no such file' }];
    await createCloseStore(database.db).close(next, closingAt(nowMs, { waiting }), nowMs + 1_000);
    const third = { ...pool, decisionId: randomUUID() };
    await open(third.decisionId, nowMs + 3_000);
    expect((await cycles.context(third)).items.find(({ id }) => id === ids[0])!.readId).toBeUndefined();

    const other = await leftBehind();
    await other.leave();
    await other.close();
    await other.requests.cancel(other.pool, other.ids[0], nowMs);
    expect(await other.batches.wanted(other.ref, other.runs)).toBe(false);
    // Who waits to be cut from it wants it, too; who waits for what it holds does not.
    const waitsFor = (resource: string) =>
      database.sql`update requests set waiting = jsonb_build_object('resource', ${resource}::text) where id = ${other.ids[1]}`;
    await waitsFor(`read:${other.runs}`);
    expect(await other.batches.wanted(other.ref, other.runs)).toBe(true);
    await waitsFor('scans:lake');
    expect(await other.batches.wanted(other.ref, other.runs)).toBe(false);
  });

  test('its files are kept for who waits for them, and its decision for itself', async () => {
    const { pool, ref, ids, runs, batches, requests, leave, close } = await leftBehind();
    const { db } = database;
    await leave();
    await close();
    const inAYearMs = nowMs + 365 * 86_400_000;
    const decisions = async () =>
      (await database.sql`select id from decisions where pool = ${pool.pool} and id = ${ref.decisionId}`).length;
    await prune(db, inAYearMs);
    expect(await decisions()).toBe(1);
    const path = `${randomUUID()}.parquet`;
    const slices = [{ id: ids[0], path }] as unknown as MergedReadResult['slices'];
    const result = { id: '', contentId: 'c', rowsRead: 5, bytesRead: 250, slices, failures: [] };
    await batches.done(ref, runs, result, 5, nowMs, {});
    expect(await unreferencedFiles(db, [path])).toEqual([]);
    await requests.cancel(pool, ids[0], nowMs);
    expect(await unreferencedFiles(db, [path])).toEqual([path]);
    await prune(db, inAYearMs);
    expect(await decisions()).toBe(0);
  });

  test('whose deadline comes before its end is due then, and known by what it waited for', async () => {
    const { pool, ids, cycles, leave, close, due, open } = await leftBehind(nowMs + 500);
    await leave();
    await close();
    expect((await due())[ids[0]]).toBe(500);
    const next = { ...pool, decisionId: randomUUID() };
    await open(next.decisionId, nowMs + 500);
    expect((await cycles.context(next)).items.map(({ waited }) => waited)).toEqual(['r', 'r']);
    // Without a deadline nobody asks.
    const other = await leftBehind();
    await other.leave();
    await other.close();
    const later = { ...other.pool, decisionId: randomUUID() };
    await other.open(later.decisionId, nowMs + 60_000);
    expect((await other.cycles.context(later)).items.map(({ waited }) => waited)).toEqual([undefined, undefined]);
  });
});
