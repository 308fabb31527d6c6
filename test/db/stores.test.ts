/** The stores against a real PostgreSQL: what becomes of requests, budgets and files when a cycle ends well, badly or not at all. */
import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Closing, NewDelivery } from '../../activities/store-ports.js';
import { createCloseStore } from '../../db/close-store.js';
import { createCycleStore } from '../../db/cycle-store.js';
import { createDecisionStore } from '../../db/decision-store.js';
import { evictCache, prune } from '../../db/maintenance.js';
import { createPoolStore } from '../../db/pool-store.js';
import { createRequestGate } from '../../db/release-store.js';
import { createRequestStore } from '../../db/request-store.js';
import { cacheEntries } from '../../db/schema.js';
import { createBatchStore } from '../../db/batch-store.js';
import { createPlanStore } from '../../db/stage-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import type { NewRequest } from '../../domain/types/request.js';
import { fileCache } from '../../interfaces/data/file-cache.js';
import { keepHouse } from '../../workers/worker.js';
import { testDatabase } from '../support/database.js';
import { closingAt, stageRecord } from './closing.js';
import { FORESEEN } from './foreseen.js';

const database = testDatabase(6);
const ref = { tenant: 't', pool: 'p' };
const [MINUTE, DAY] = [60_000, 86_400_000];
const [nowMs, startMs] = [Date.parse('2026-01-01T12:00:00Z'), Date.parse('2020-01-01T00:00:00Z')];
const definition = (more: object = {}) =>
  poolSchema.parse({
    sources: { lake: { kind: 'files', root: '.', limits: { bytesPerSecond: '100B', rowsPerSecond: 10 } } },
    datasets: { events: { source: 'lake', path: 'events.csv', eventTime: 'at' } },
    models: {
      trainer: { kind: 'training', needs: [{ id: 'fresh', dataset: 'events', fields: ['id'], rows: 'new' }] },
      asker: { kind: 'serving' },
    },
    ...more,
  });
const clock = { kind: 'replay', start: new Date(startMs).toISOString(), step: '1h' };
const apply = (more?: object) =>
  createPoolStore(database.db).apply(ref, definition(more), JSON.stringify(more ?? {}), '/');
beforeEach(async () => {
  await database.sql`truncate pools, pool_versions, cycles, requests, cache_entries, removed_files, outbox, metric_history, budgets, profiles, need_states cascade`;
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
const requests = () => ({ ...createRequestStore(database.db), ...createRequestGate(database.db) });
const put = async (more: Partial<NewRequest> = {}, atMs = nowMs): Promise<string> =>
  (await requests().insert(ref, ask(more), atMs)).id;
const open = async (more: object = {}, atMs = nowMs) => {
  const decision = { ...ref, decisionId: randomUUID() };
  const input = { ...decision, trigger: 'work' as const, asOfMs: null, workflowId: 'w', runId: 'r', ...more };
  await createCycleStore(database.db).open(input, atMs, {});
  return decision;
};
const abandon = (decision: { tenant: string; pool: string; decisionId: string }, atMs = nowMs) =>
  createCycleStore(database.db).abandon(decision, 'failed', 'the source is away', atMs);
const closing = (more: Partial<Closing> = {}): Closing => closingAt(nowMs, { leaseUntilMs: nowMs + DAY, ...more });
const slice = (path: string) => ({
  ...{ id: 'x', digest: path, path, fileBytes: 100, rows: 1, bytes: 8, newestEventMs: null, completeness: {} },
  ...{ invalid: {}, duplicateRows: 0, classCounts: null },
});
const delivery = (requestId: string, more: Partial<NewDelivery> = {}): NewDelivery => ({
  ...{ id: requestId, requestId, model: 'asker', dataset: 'events', needId: null, slice: slice('aa/x.parquet') },
  ...{ chargedBytes: 8, contentId: 'c', asOfMs: nowMs, upToMs: null },
  ...{ verdict: 'pass', score: 1, served: 'read', report: {} },
  ...more,
});
const close = (decision: Parameters<typeof abandon>[0], more: Partial<Closing> = {}) =>
  createCloseStore(database.db).close(decision, closing(more), nowMs);
const rowOf = async (id: string) =>
  (
    await database.sql<
      { state: string; attempts: number; waiting: Record<string, unknown> | null; waits_ms: number }[]
    >`
    select state, attempts, waiting, extract(epoch from not_before)::float8 * 1000 - ${nowMs} as waits_ms from requests where id = ${id}`
  )[0];

describe('names and ids', () => {
  test.each(['constructor', '__proto__', 'toString'])('a dataset or model named %s is unknown', async (name) => {
    await expect(put({ dataset: name })).rejects.toMatchObject({ type: 'UnknownDataset', kind: 'usage' });
    await expect(put({ model: name })).rejects.toMatchObject({ type: 'UnknownModel', kind: 'usage' });
  });

  test('an id that is no uuid is nobody’s', async () => {
    await expect(requests().view(ref, 'abc')).rejects.toMatchObject({ type: 'UnknownRequest', kind: 'usage' });
    await expect(requests().cancel(ref, 'abc', nowMs)).rejects.toMatchObject({ type: 'UnknownRequest', kind: 'usage' });
    const explained = createDecisionStore(database.db).explain(ref, 'abc');
    await expect(explained).rejects.toMatchObject({ type: 'UnknownId', kind: 'usage' });
  });
});

describe('closing', () => {
  test('a claimed request that the decision says nothing about is refused and told so', async () => {
    const id = await put();
    const decision = await open();
    expect(await requests().waiting(ref, nowMs)).toMatchObject({ waiting: [{ id, tried: true }] });
    await close(decision);
    const why = { type: 'Undecided', resource: `cycle:${decision.decisionId}`, earliestMs: null };
    expect(await rowOf(id)).toMatchObject({ state: 'refused', waiting: why });
    const [told] = await database.sql`select payload from outbox where kind = 'response' and subject = ${id}`;
    expect(told.payload).toMatchObject({ requestId: id, state: 'refused', type: 'Undecided' });
    expect(await requests().waiting(ref, nowMs)).toBeNull();
  });

  test('a request claimed by a closed decision does not ask for a cycle', async () => {
    const id = await put();
    const decision = await open();
    await close(decision);
    await database.sql`update requests set state = 'claimed', closed_at = null where id = ${id}`;
    expect(await requests().waiting(ref, nowMs)).toBeNull();
  });

  test.each(['close', 'abandon'] as const)('a cancel that meets a %s is never answered with a promise', async (end) => {
    const id = await put();
    const decision = await open();
    // Holds the ending cycle up behind its look for cancelled requests.
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const blocker = database.sql.begin(async (sql) => {
      await (end === 'close' ? sql`lock table deliveries in exclusive mode` : sql`lock table decision_stages`);
      await held;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    const ending = end === 'close' ? close(decision, { deliveries: [delivery(id)] }) : abandon(decision);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const cancelling = requests().cancel(ref, id, nowMs);
    await new Promise((resolve) => setTimeout(resolve, 300));
    release();
    await Promise.all([blocker, ending]);
    expect(await cancelling).toBe(end === 'close' ? 'delivered' : 'cancelled');
    expect((await rowOf(id)).state).toBe(await cancelling);
  });
});

describe('a cycle that fails', () => {
  test('before its decision was opened, leaves it closed once; without the pool, nothing', async () => {
    const decision = { ...ref, decisionId: randomUUID() };
    const ended = { outcome: 'failed', summary: 'the source is away' };
    expect(await abandon(decision)).toEqual(ended);
    expect(await abandon(decision)).toEqual(ended);
    expect(await createCloseStore(database.db).closed(decision)).toEqual(ended);
    const [summary] = await createDecisionStore(database.db).listDecisions(ref, 10);
    const workflowId = `balance-cycle/t/p/${decision.decisionId}`;
    expect(summary).toMatchObject({ state: 'closed', cycle: 1, workflowId, runId: '' });
    expect(await database.sql`select 1 from outbox where kind = 'decision'`).toHaveLength(1);
    await open(decision); // a late open finds it closed
    expect(await createCloseStore(database.db).closed(decision)).toEqual(ended);
    const elsewhere = { ...decision, pool: 'none' };
    expect(await abandon(elsewhere)).toEqual(ended);
    expect(await createCloseStore(database.db).closed(elsewhere)).toBeNull();
  });

  test('gives back what its finished reads did not take', async () => {
    const decision = await open();
    const limit = (resource: string, perSecond: number) => ({ resource, perSecond, burst: perSecond * 10 });
    const limits = [limit('bytes:lake', 100), limit('rows:lake', 10)];
    const charges = { 'bytes:lake': 800, 'rows:lake': 60, gpu: 1 };
    const ahead = { charges: { 'bytes:lake': 100 } };
    const plans = createPlanStore(database.db);
    const batch = (ordinal: number) => ({
      ...{ batchId: `b${ordinal}`, ordinal, source: 'lake', dataset: 'events', contentId: null, asOfMs: nowMs },
      ...{ slices: [], predictedBytes: 450, askedBytes: 450, ...FORESEEN },
    });
    const inputs = {
      limits: [
        ...limits.map((one) => ({ ...one, source: 'lake' })),
        { resource: 'gpu', source: null, perSecond: 0, burst: 1 },
      ],
    };
    const charged = limits.map((one, index) => ({ ...one, amount: [900, 60][index] }));
    const plan = stageRecord(nowMs, 'batch', inputs, { charges, prefetch: ahead });
    expect(await plans.savePlan(decision, plan, [batch(0), batch(1)], charged, nowMs)).toBe(true);
    // A second attempt that planned at the same time: what the first one stored holds, and it is told so.
    expect(await plans.savePlan(decision, plan, [batch(0)], charged, nowMs)).toBe(false);
    expect(await plans.tokens(decision, limits, nowMs)).toEqual({ 'bytes:lake': 100, 'rows:lake': 40 });
    const result = { id: 'b0', contentId: 'c', rowsRead: 20, bytesRead: 300, slices: [], failures: [] };
    await createBatchStore(database.db).done(decision, 'b0', result, 5, nowMs, {});
    await abandon(decision);
    // 1000 - 300 bytes and 100 - 20 rows; nothing twice.
    await abandon(decision);
    expect(await plans.tokens(decision, limits, nowMs)).toEqual({ 'bytes:lake': 700, 'rows:lake': 80 });
    expect(await database.sql`select 1 from budgets`).toHaveLength(2);
  });

  test('counts as no attempt of its requests; they wait longer with each failure in a row', async () => {
    const id = await put();
    const failed = await open();
    await abandon(failed);
    const waiting = { resource: `cycle:${failed.decisionId}`, earliestMs: nowMs + 1_000 };
    expect(await rowOf(id)).toMatchObject({ state: 'pending', attempts: 0, waits_ms: 1_000, waiting });
    await database.sql`update requests set not_before = created_at`;
    await abandon(await open());
    expect(await rowOf(id)).toMatchObject({ state: 'pending', attempts: 0, waits_ms: 2_000 });
    await database.sql`update requests set not_before = created_at, failures = 1000`;
    await abandon(await open());
    expect(await rowOf(id)).toMatchObject({ attempts: 0, waits_ms: 60_000 });
  });
});

describe('the cache', () => {
  const entry = (shape: string, contentId: string, asOfMs: number, path: string, usedMs = nowMs - DAY) => {
    const at = new Date(usedMs);
    const row = {
      ...ref,
      shape,
      contentId,
      asOfMs,
      path,
      fileBytes: 100,
      slice: slice(path),
      createdAt: at,
      usedAt: at,
    };
    return database.db.insert(cacheEntries).values(row);
  };

  test('a pinned and an open ask for one shape each get their own answer', async () => {
    await entry('s', 'old', 1, 'aa/old.parquet');
    await entry('s', 'new', 2, 'bb/new.parquet');
    const ask = (contentId: string | null) => ({ shape: 's', minAsOfMs: 0, contentId });
    const answers = async (...asks: ReturnType<typeof ask>[]) =>
      (await createPlanStore(database.db).cached({ ...ref, decisionId: randomUUID() }, asks, 9)).map(
        ({ contentId }) => contentId,
      );
    expect(await answers(ask(null))).toEqual(['new']);
    expect(await answers(ask('old'))).toEqual(['old']);
    expect((await answers(ask(null), ask('old'))).sort()).toEqual(['new', 'old']);
    expect(await answers(ask('absent'))).toEqual([]);
  });

  test('what a plan serves from it is in use: it is not evicted before its cycle delivers', async () => {
    await entry('hit', 'c', 1, 'aa/hit.parquet', nowMs - 2 * DAY);
    await entry('other', 'c', 1, 'bb/other.parquet');
    const decision = await open();
    const cacheHits = [{ itemId: 'i', shape: 'hit', contentId: 'c', asOfMs: 1, slice: slice('aa/hit.parquet') }];
    await createPlanStore(database.db).savePlan(decision, stageRecord(nowMs, 'batch', { cacheHits }), [], [], nowMs);
    expect(await evictCache(database.db, 0, nowMs + MINUTE)).toEqual(['bb/other.parquet']);
  });

  test('files that nothing refers to go after the grace time, whatever else the folder holds', async () => {
    const root = mkdtempSync(join(tmpdir(), 'balance-cache-'));
    const file = (name: string, ageMs: number): string => {
      const path = `${name.slice(0, 2)}/${name}.parquet`;
      mkdirSync(join(root, name.slice(0, 2)), { recursive: true });
      writeFileSync(join(root, path), 'x');
      utimesSync(join(root, path), (nowMs - ageMs) / 1000, (nowMs - ageMs) / 1000);
      return path;
    };
    const [lost, alsoLost, young, cached, delivered, read] = [
      ...[file('a0lost', DAY), file('f7lost', DAY), file('a1young', MINUTE), file('a2cached', DAY)],
      ...[file('a3delivered', DAY), file('a4read', DAY)],
    ];
    writeFileSync(join(root, 'README'), 'not ours');
    await entry('s', 'c', 1, cached, nowMs);
    const id = await put();
    await close(await open(), { deliveries: [delivery(id, { slice: slice(delivered) })] });
    const decision = await open();
    const batch = { batchId: 'b', ordinal: 0, source: 'lake', dataset: 'events', contentId: null, asOfMs: nowMs };
    const planned = { ...batch, slices: [], predictedBytes: 1, askedBytes: 1, ...FORESEEN };
    await createPlanStore(database.db).savePlan(decision, stageRecord(nowMs, 'batch'), [planned], [], nowMs);
    const result = { id: 'b', contentId: 'c', rowsRead: 1, bytesRead: 1, slices: [slice(read)], failures: [] };
    await createBatchStore(database.db).done(decision, 'b', result, 1, nowMs, {});

    const house = { database, cacheFiles: fileCache(root) };
    let orphans = 0;
    // One hex digit of the names each minute: sixteen see all of the cache. The young file is written anew meanwhile.
    for (let minute = 0; minute < 16; minute++) {
      const atMs = nowMs + minute * MINUTE;
      utimesSync(join(root, young), atMs / 1000, atMs / 1000);
      orphans += (await keepHouse(house, atMs)).orphans;
    }
    const there = [lost, alsoLost, young, cached, delivered, read, 'README'].map((path) =>
      existsSync(join(root, path)),
    );
    expect(there).toEqual([false, false, true, true, true, true, true]);
    expect(orphans).toBe(2);
    rmSync(root, { recursive: true });
  });
});

describe('what a cycle looks at', () => {
  test('low priority that waited long goes before high priority that just came', async () => {
    await apply({ maxRequestsPerCycle: 1 });
    const patient = await put({ priority: 5 }, nowMs - 5 * MINUTE);
    const urgent = await put({ priority: 1 });
    const decision = await open();
    expect((await rowOf(patient)).state).toBe('claimed');
    expect((await rowOf(urgent)).state).toBe('pending');
    await close(decision);
    await open();
    expect((await rowOf(urgent)).state).toBe('claimed');
  });

  test('a backfill, which is as of the past, looks at no request', async () => {
    const id = await put();
    await open({ trigger: 'backfill', asOfMs: nowMs - DAY });
    expect((await rowOf(id)).state).toBe('pending');
  });

  test('new rows: a replay clock at its end delivers the last step once; a backfill repeats it', async () => {
    const step = 3_600_000;
    const end = startMs + step;
    await apply({ clock: { ...clock, end: new Date(end).toISOString() } });
    expect(await served({})).toEqual([-step, 0]);
    expect(await served({})).toEqual([0, step]);
    expect(await served({})).toEqual([step, step]); // the clock stands: nothing after its end
    expect(await served({ trigger: 'backfill', asOfMs: end })).toEqual([0, step]);
  });

  test('new rows: a cycle that fails, before the first delivery or after it, moves nothing on', async () => {
    await apply({ clock });
    await abandon(await open({ trigger: 'manual' }));
    await served({ trigger: 'backfill', asOfMs: startMs + DAY }); // leaves a gap: what lies before it is still to come
    expect(await served({})).toEqual([-3_600_000, 3_600_000]);
    await abandon(await open({ trigger: 'manual' }));
    expect(await served({})).toEqual([3_600_000, 3 * 3_600_000]);
  });

  test('new rows: a cycle that looks into a wall clock’s future does not skip what is still to come', async () => {
    const [, upTo] = await served({});
    // The backfill goes on where the cycle before it ended, and no further than to now.
    expect(await served({ trigger: 'backfill', asOfMs: nowMs + DAY })).toEqual([upTo, nowMs - startMs]);
    expect((await served({}, nowMs + DAY))[0]).toBe(upTo);
  });

  test('new rows: what was served stays served when retention lets its delivery go', async () => {
    const [, upTo] = await served({});
    await prune(database.db, nowMs + 40 * DAY);
    expect(await database.sql`select 1 from deliveries`).toHaveLength(0);
    expect((await served({}, nowMs + 40 * DAY))[0]).toBe(upTo);
  });

  /** Opens a full cycle and hands out its window of new rows, which is given relative to `startMs`. */
  async function served(more: object, atMs = nowMs): Promise<[fromMs: number, toMs: number]> {
    const decision = await open({ trigger: 'manual', ...more }, atMs);
    const { items, asOfMs } = await createCycleStore(database.db).context(decision);
    const [{ id, needId, where, window }] = items;
    const { column, fromMs, toMs } = window!;
    expect(where).toEqual([
      { column, op: '>', value: new Date(fromMs).toISOString() },
      { column, op: '<=', value: new Date(toMs).toISOString() },
    ]);
    const last = { lastFromMs: fromMs, lastRows: 1, lastQuestion: '[]' };
    const state = { needId: needId!, servedUpToMs: toMs, ...last, owedRows: 0, shortCycles: 0, askedRows: 0 };
    const one = delivery(id, { needId, asOfMs, upToMs: toMs });
    await createCloseStore(database.db).close(decision, closing({ deliveries: [one], needs: [state] }), atMs);
    return [fromMs - startMs, toMs - startMs];
  }
});

describe('retention', () => {
  test('profiles, the metrics of a replay and the memory of removed files go by when they were stored', async () => {
    await apply({ clock, retention: { decisions: '10d', metrics: '10d' } });
    for (const [index, days] of [20, 5].entries()) {
      const at = new Date(nowMs - days * DAY).toISOString();
      await database.sql`insert into metric_history (tenant, pool, metric, subject, at_ms, value, recorded_at) values ('t', 'p', 'demand', 's', ${startMs + index}, 1, ${at})`;
      await database.sql`insert into profiles (tenant, pool, dataset, version, as_of_ms, state, created_at) values ('t', 'p', 'events', 'v', ${index}, '{}', ${at})`;
      await database.sql`insert into removed_files (path, removed_at) values (${`gone-${days}`}, ${at})`;
    }
    const id = await put();
    await close(await open(), { deliveries: [delivery(id, { slice: slice('named') })] });
    await database.sql`insert into removed_files (path, removed_at) values ('named', ${new Date(nowMs - 20 * DAY).toISOString()})`;
    await prune(database.db, nowMs);
    const [left] = await database.sql`select
      (select array_agg(at_ms::text) from metric_history) as metrics, (select array_agg(as_of_ms::text) from profiles) as profiles,
      (select array_agg(path order by path) from removed_files) as removed`;
    expect(left).toEqual({ metrics: [String(startMs + 1)], profiles: ['1'], removed: ['gone-5', 'named'] });
  });
});
