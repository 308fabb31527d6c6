/** Requests are held for others only where others are likely to come, never into a deadline, and nothing is lost meanwhile. */
import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { replayDecision } from '../../activities/replay.js';
import { renderDecision } from '../../cli/render.js';
import type { DataRequest } from '../../client/index.js';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import type { ReleaseInputs, ReleaseOutcome } from '../../domain/decision/release.js';
import type { WorkerHooks } from '../../workers/worker.js';
import { startBalance, type TestBalance } from '../support/balance.js';
import { ARRIVED, EVENTS, smallPool, until, watchReads, wrongs, type Reads } from './small-pool.js';

/** Requests used to come six seconds apart, in fives; cycles took minutes: it is worth waiting for the next. */
const [GAP_MS, CYCLE_MS] = [6_000, 400_000];

interface Watched {
  readonly balance: TestBalance;
  readonly reads: Reads;
  /** What waited, in each look at it. */
  readonly looks: ReleaseInputs[];
}
let open: TestBalance | undefined;
afterEach(async () => {
  if (open === undefined) return;
  const found = await wrongs(open);
  await open.stop();
  open = undefined;
  expect(found).toEqual([]);
});

async function start(maxWait: string, past: boolean): Promise<Watched> {
  const reads = watchReads();
  const looks: ReleaseInputs[] = [];
  const replace: WorkerHooks['replace'] = (deps) => ({
    ...reads.replace(deps),
    requests: {
      ...deps.requests,
      waiting: async (...args) => {
        const found = await deps.requests.waiting(...args);
        if (found !== null) looks.push(found);
        return found;
      },
    },
  });
  const balance = await startBalance((dir) => smallPool(dir, { more: { release: { maxWait } } }), { replace });
  open = balance;
  balance.write('events.csv', EVENTS as never);
  if (past) await seed(balance);
  return { balance, reads, looks };
}

/** Rows of a past in which requests came in bursts, and cycles were long. */
async function seed({ database: { sql }, pool: { tenant, pool } }: TestBalance): Promise<void> {
  const now = Date.now();
  const at = (ms: number): string => new Date(now - 14_400_000 + ms).toISOString();
  for (let index = 0; index < 16; index++) {
    const [id, opened, closed] = [randomUUID(), at(index * 500_000), at(index * 500_000 + CYCLE_MS)];
    await sql`insert into cycles (tenant, pool, id, number, trigger, as_of_ms, workflow_id, run_id, opened_at, closed_at)
      values (${tenant}, ${pool}, ${id}, ${index + 1}, 'work', 0, 'past', 'past', ${opened}, ${closed})`;
    await sql`insert into decisions (tenant, pool, id, pool_version, state, outcome, versions, opened_at, closed_at)
      values (${tenant}, ${pool}, ${id}, 1, 'closed', 'delivered', '{}', ${opened}, ${closed})`;
    await sql`insert into outbox (tenant, pool, kind, subject, payload, created_at, published_at) values (${tenant}, ${pool}, 'decision', ${id}, '{}', ${closed}, ${closed})`;
  }
  await sql`update pools set cycle_number = 16 where tenant = ${tenant} and pool = ${pool}`;
  for (let index = 0; index < 100; index++) {
    const id = randomUUID();
    const cameMs = Math.floor(index / 5) * 120_000 + (index % 5) * GAP_MS;
    const [came, answered] = [at(cameMs), at(cameMs + CYCLE_MS)];
    await sql`insert into requests (tenant, pool, id, kind, model, dataset, fields, predicate, seed, priority, idempotency_key, state, not_before, created_at, closed_at)
      values (${tenant}, ${pool}, ${id}, 'request', 'trainer', 'events', '["id"]', '[]', 0, 3, ${id}, 'cancelled', ${came}, ${came}, ${answered})`;
    await sql`insert into outbox (tenant, pool, kind, subject, payload, created_at, published_at) values (${tenant}, ${pool}, 'response', ${id}, '{}', ${answered}, ${answered})`;
  }
}

const ask = (more: Partial<DataRequest> = {}): DataRequest => {
  return { model: 'trainer', dataset: 'events', fields: ['id', 'value'], ...more };
};
const cuts = [100, 200, 300, 400].map((limit) => ask({ where: `id < ${limit}` }));

/** Sends one; comes back when the loop has looked at it and either holds it or has taken it. */
async function sent({ balance, looks }: Watched, request: DataRequest): Promise<string> {
  const { id } = await balance.client.request(request);
  const looked = () => looks.some(({ waiting }) => waiting.some((one) => one.id === id));
  await until('the loop looks', looked);
  return id;
}
async function taken({ balance }: Watched, id: string): Promise<void> {
  await until('a cycle takes it', async () => (await balance.client.status(id)).state !== 'pending');
}
async function begun({ balance }: Watched, decisionId: string): Promise<ReleaseOutcome> {
  const stages = await createDecisionStore(balance.database.db).decisionStages(balance.pool, decisionId);
  expect(stages[0].stage).toBe('release');
  return stages[0].outcome as ReleaseOutcome;
}

describe('requests that come over some time', () => {
  test('share one cycle where they are held, and take one each where they are not; each gets its rows', async () => {
    const cycles: Record<string, number> = {};
    for (const maxWait of ['60s', '0s']) {
      const watched = await start(maxWait, true);
      const { balance, reads } = watched;
      const ids: string[] = [];
      for (const request of cuts) {
        ids.push(await sent(watched, request));
        if (maxWait === '0s') await taken(watched, ids.at(-1)!);
      }
      for (const [index, id] of ids.entries()) {
        const delivery = await balance.client.waitForDelivery(id);
        const rows: number[] = [];
        for await (const row of balance.client.read(delivery)) rows.push(Number(row.id));
        expect(rows.sort((a, b) => a - b)).toEqual(ARRIVED.slice(0, (index + 1) * 100).map((event) => event.id));
      }
      const decided = new Set(await Promise.all(ids.map(async (id) => (await balance.client.status(id)).decisionId!)));
      cycles[maxWait] = decided.size;
      const [decisionId] = decided;
      const explained = (await balance.client.explain(decisionId)) as Explanation;
      const held = await begun(watched, decisionId);
      if (maxWait === '60s') {
        expect(reads.begun).toHaveLength(1);
        expect(held).toMatchObject({ due: true, cause: 'balance', batchCost: CYCLE_MS / 2 / 1000 });
        expect(held.reason).toMatch(/^4 requests waited .*: the next is not worth waiting for/);
      } else expect(held).toMatchObject({ due: true, cause: 'off' });
      const text = renderDecision(explained, { cacheDir: '', namespace: 'default' });
      expect(text).toContain(`Released\n  ${held.reason}\n`);
      const stages = await createDecisionStore(balance.database.db).decisionStages(balance.pool, decisionId);
      const replayed = replayDecision(
        stages,
        await createDecisionStore(balance.database.db).decisionStates(balance.pool, stages),
      );
      expect(replayed.every(({ same }) => same)).toBe(true);
      expect(replayed[0].stage).toBe('release');
      await balance.stop();
      open = undefined;
    }
    expect(cycles).toEqual({ '60s': 1, '0s': 4 });
  });

  test('a deadline pulls the release of all forward', async () => {
    const watched = await start('60s', true);
    const free = await sent(watched, cuts[0]);
    expect((await watched.balance.client.status(free)).state).toBe('pending');
    const near = await sent(watched, { ...cuts[1], deadline: new Date(Date.now() + 2 * CYCLE_MS) });
    await Promise.all([free, near].map((id) => watched.balance.client.waitForDelivery(id)));
    const [one, two] = await Promise.all([free, near].map((id) => watched.balance.client.status(id)));
    expect(two.decisionId).toBe(one.decisionId);
    const released = await begun(watched, one.decisionId!);
    expect(released.cause).toBe('deadline');
    expect(released.reason).toContain(near);
  });

  test('a worker that dies while they are held loses none, and no cycle begins twice for them', async () => {
    const watched = await start('60s', true);
    const { balance } = watched;
    const ids = [await sent(watched, cuts[0]), await sent(watched, cuts[1])];
    await balance.worker.stop();
    balance.worker = await balance.startWorker();
    await Promise.all(ids.map((id) => balance.client.waitForDelivery(id)));
    const [{ count }] = await balance.database.sql<{ count: string }[]>`
      select count(*) from cycles where tenant = ${balance.pool.tenant} and pool = ${balance.pool.pool} and number > 16`;
    expect(Number(count)).toBe(1);
  });
});

test('one that comes alone is never held, whatever has been learned of those before', async () => {
  const watched = await start('60s', false);
  for (let index = 0; index < 12; index++) {
    const { id } = await watched.balance.client.request(cuts[index % cuts.length]);
    await watched.balance.client.waitForDelivery(id);
  }
  const ids = watched.looks.flatMap(({ waiting }) => waiting.map(({ id }) => id));
  // Looked at once each, and taken then.
  expect(ids).toHaveLength(12);
  expect(new Set(ids).size).toBe(12);
});
