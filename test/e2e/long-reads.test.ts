/** A read that takes long holds nobody up but those it is made for: on real servers, with a source that gives a few rows a second. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import { startBalance, type TestBalance } from '../support/balance.js';
import { EVENTS, smallPool, startSmall, until, wrongs, type Reads } from './small-pool.js';

/** A burst of ten seconds, then so many rows a second: some dozens are there at once, these take about 18 seconds. */
const ROWS_PER_SECOND = 100;
const LONG_ROWS = 2_800;

const root = fileURLToPath(new URL('../../', import.meta.url));
let balance: TestBalance;
let reads: Reads;
afterEach(() => balance.stop());

function pools(dir: string, limits: object): object {
  const path = 'events.csv';
  const datasets = { key: ['id'], eventTime: 'at', path };
  return {
    window: '10s',
    reads: { waitMax: '2s' },
    sources: {
      lake: { kind: 'files', root: dir, limits: { rowsPerSecond: ROWS_PER_SECOND, ...limits } },
      spring: { kind: 'files', root: dir },
    },
    datasets: { events: { ...datasets, source: 'lake' }, others: { ...datasets, source: 'spring' } },
  };
}

async function start(limits: object = {}): Promise<void> {
  ({ balance, reads } = await startSmall({ more: (dir) => pools(dir, limits) }));
}

const ask = (dataset: string, rows: number, more: object = {}) =>
  balance.client.request({ model: 'trainer', dataset, fields: ['id', 'label', 'value'], rows, ...more });

/** The reads of a dataset, the oldest first. */
async function readsOf(dataset: string) {
  return balance.database.sql<
    { id: string; decision_id: string; state: string; left: boolean; read_ms: number | null; error: object | null }[]
  >`
    select b.id, b.decision_id, b.state, b.outlasted_at is not null as left, extract(epoch from b.read_at)::float8 * 1000 as read_ms, b.error
    from batches b join decisions d on d.id = b.decision_id where b.dataset = ${dataset} order by d.opened_at, b.ordinal`;
}

async function closedMs(id: string): Promise<number> {
  const [row] = await balance.database.sql<{ ms: number }[]>`
    select extract(epoch from closed_at)::float8 * 1000 as ms from requests where id = ${id}`;
  return row.ms;
}

const explain = async (id: string): Promise<Explanation> =>
  (await createDecisionStore(balance.database.db).explain(balance.pool, id)) as Explanation;

/** The long read, once it goes on without its cycle. */
async function underWay() {
  await until('a read outlasts its cycle', async () => (await readsOf('events')).some(({ left }) => left));
  return (await readsOf('events')).find(({ left }) => left)!;
}

describe('a read that outlasts its cycle', () => {
  test('those whose reads are done, and those who come meanwhile, are served before it ends; it is charged once', async () => {
    await start();
    await balance.client.pause('collecting');
    const long = await ask('events', LONG_ROWS);
    const short = await ask('others', 50);
    await balance.client.resume();
    const read = await underWay();
    const late = await ask('others', 70, { deadline: new Date(Date.now() + 60_000) });
    for (const { id } of [short, late]) await balance.client.waitForDelivery(id, { timeoutMs: 60_000 });
    const delivery = await balance.client.waitForDelivery(long.id, { timeoutMs: 120_000 });
    expect(delivery).toMatchObject({ rows: LONG_ROWS, verdict: 'pass', served: 'read' });

    const [whole] = await readsOf('events');
    expect(whole).toMatchObject({ id: read.id, state: 'done', left: true });
    expect(await closedMs(short.id)).toBeLessThan(whole.read_ms!);
    expect(await closedMs(late.id)).toBeLessThan(whole.read_ms!);
    expect(await closedMs(long.id)).toBeGreaterThanOrEqual(whole.read_ms!);
    // Read once, by the cycle that was charged for it.
    expect(reads.begun.filter((slices) => slices.includes(long.id))).toHaveLength(1);
    expect(delivery.decisionId).not.toBe(read.decision_id);

    const planned = await explain(read.decision_id);
    expect(planned.batches.find(({ id }) => id === read.id)).toMatchObject({ state: 'done', outlasted: true });
    expect(planned.stages.flatMap(({ reasons }) => reasons).join('\n')).toContain(`the read ${read.id} of events`);
    const served = await explain(delivery.decisionId);
    for (const one of [planned, served]) expect(await balance.differences(one)).toEqual([]);
    expect(await wrongs(balance)).toEqual([]);
  });

  test('who waits because of it is told so, who asks what it reads anyway gets it from it, and it ends when nobody waits', async () => {
    await start({ scansAtOnce: 1 });
    const { id: whole } = await ask('events', 0, { rows: undefined, where: `id < ${LONG_ROWS}` });
    const read = await underWay();
    // One is for rows that it reads, one for others of the same source, which bears one read at a time.
    const joins = await ask('events', 0, { rows: undefined, where: 'id < 30', fields: ['id', 'value'] });
    const other = await ask('events', 10, { seed: 7 });
    for (const [id, resource] of [
      [joins.id, `read:${read.id}`],
      [other.id, 'scans:lake'],
    ] as const) {
      await until(
        'it is told why it waits',
        async () => (await balance.client.status(id)).reason?.resource === resource,
      );
      const { reason } = await balance.client.status(id);
      expect(reason).toMatchObject({ tier: 'waiting', blockers: [read.id] });
      expect(reason!.reason).toContain(read.id);
      expect(reason!.earliestMs).toBeGreaterThan(Date.now());
    }
    const joined = await balance.client.waitForDelivery(joins.id, { timeoutMs: 90_000 });
    expect(joined).toMatchObject({ served: 'cache', rows: 30 });
    expect(await balance.client.status(joins.id)).toMatchObject({ state: 'delivered', reason: null });
    expect((await balance.client.waitForDelivery(whole, { timeoutMs: 90_000 })).rows).toBe(LONG_ROWS);
    expect((await balance.client.waitForDelivery(other.id, { timeoutMs: 90_000 })).rows).toBe(10);
    expect(reads.begun.flat()).not.toContain(joins.id);

    const { id: unwanted } = await ask('events', LONG_ROWS, { seed: 8 });
    const next = async () => (await readsOf('events')).find((one) => one.left && one.id !== read.id);
    await until('the next long read', async () => (await next()) !== undefined, 90);
    await balance.client.cancel(unwanted);
    const last = await ask('events', 10, { seed: 9 });
    expect((await balance.client.waitForDelivery(last.id, { timeoutMs: 90_000 })).rows).toBe(10);
    expect(await next()).toMatchObject({ state: 'failed', error: { reason: 'nobody waits for it any more' } });
    expect(await wrongs(balance)).toEqual([]);
  });

  test('whose deadline passes meanwhile expires, told which read it waited for; that one ends, and gives back what it held', async () => {
    await start({ scansAtOnce: 1 });
    const { id } = await ask('events', LONG_ROWS, { deadline: new Date(Date.now() + 6_000) });
    const read = await underWay();
    const last = await ask('events', 10, { seed: 9 });
    await expect(balance.client.waitForDelivery(id, { timeoutMs: 60_000 })).rejects.toMatchObject({
      ...{ kind: 'refused', type: 'DeadlinePassed', message: expect.stringContaining(`the read ${read.id}`) as string },
    });
    expect((await balance.client.status(id)).state).toBe('expired');
    expect((await balance.client.waitForDelivery(last.id, { timeoutMs: 60_000 })).rows).toBe(10);
    expect((await readsOf('events'))[0]).toMatchObject({
      ...{ id: read.id, state: 'failed', error: { reason: 'nobody waits for it any more' } },
    });
    expect(await wrongs(balance)).toEqual([]);
  });

  test('its workflow is terminated: a cycle begins it again when it should have ended, and it is handed out once', async () => {
    await start();
    const { id } = await ask('events', LONG_ROWS);
    const read = await underWay();
    const { workflow } = balance.worker.composition.client;
    await workflow.getHandle(`balance-batch/${balance.pool.tenant}/${balance.pool.pool}/${read.id}`).terminate();
    const delivery = await balance.client.waitForDelivery(id, { timeoutMs: 150_000 });
    expect(delivery).toMatchObject({ rows: LONG_ROWS, verdict: 'pass' });
    expect(await readsOf('events')).toMatchObject([{ id: read.id, state: 'done' }]);
    expect(await wrongs(balance)).toEqual([]);
  });

  test('its worker is killed after its cycle has ended: another one reads it, and it is handed out once', async () => {
    balance = await startBalance((dir) => smallPool(dir, { more: (at) => pools(at, {}) }), {}, { noWorker: true });
    balance.write('events.csv', EVENTS as never);
    const { databaseUrl, temporalAddress, taskQueue, cacheDir, dir } = balance;
    const settings = {
      databaseUrl,
      temporalAddress,
      taskQueue,
      cacheDir,
      scratchDir: join(dir, 'scratch'),
      hold: true,
    };
    const more = { temporalNamespace: 'default', projectRoot: root, memoryBytesMax: 5e8, threads: 2 };
    const script = join(root, 'test/e2e/slow-worker.ts');
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify({ ...settings, ...more })], {
      ...{ cwd: root, stdio: 'ignore' },
    });
    try {
      // Nothing foresees that it takes long: its cycle waits for it, but not to its end.
      const { id } = await ask('others', 50);
      await until('the read outlasts its cycle', async () => (await readsOf('others')).some(({ left }) => left), 90);
      const [{ decision_id: planned }] = await readsOf('others');
      expect((await balance.closed(planned)).decision).toMatchObject({ outcome: 'partial' });
      child.kill('SIGKILL');
      balance.worker = await balance.startWorker();
      const delivery = await balance.client.waitForDelivery(id, { timeoutMs: 120_000 });
      expect(delivery).toMatchObject({ rows: 50, served: 'read' });
      expect(await readsOf('others')).toMatchObject([{ state: 'done', left: true }]);
      expect(await wrongs(balance)).toEqual([]);
    } finally {
      child.kill('SIGKILL');
      balance.worker ??= await balance.startWorker();
    }
  });
});
