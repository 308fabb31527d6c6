/** The loop of a pool, on real servers: lost signals, pausing, asking, cancelling, failing. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { randomUUID } from 'node:crypto';
import { createRequestStore } from '../../db/request-store.js';
import { cycleWorkflowId } from '../../workflows/contract.js';
import type { TestBalance } from '../support/balance.js';
import { startSmall, together, until, watchReads, wrongs, type Reads } from './small-pool.js';

let balance: TestBalance;
let reads: Reads;
/** Error that the next analyze meets, a given number of times. */
let failing: { error: Error; times: number } | null = null;
beforeAll(async () => {
  const watched = watchReads();
  reads = watched;
  ({ balance } = await startSmall(
    {},
    {
      replace: (given) => {
        const deps = watched.replace(given);
        return {
          ...deps,
          data: {
            ...deps.data,
            describe: (...args) => {
              if (failing === null || failing.times-- <= 0) return deps.data.describe(...args);
              throw failing.error;
            },
          },
        };
      },
    },
  ));
  await balance.cycle();
});
afterEach(async () => {
  failing = null;
  reads.release();
  expect(await wrongs(balance)).toEqual([]);
});
afterAll(() => balance.stop());

/** Asks what nobody asked before: nothing is served from the cache. */
let asked = 0;
const ask = () => ({ model: 'trainer', dataset: 'events', fields: ['id'], rows: 4, seed: ++asked });
const stored = (more: object = {}) => {
  const id = randomUUID();
  return {
    ...{ id, model: 'trainer', dataset: 'events', fields: ['id'], where: [], rows: 1, seed: 0, maxAgeMs: null },
    ...{ deadlineMs: null, priority: null, datasetVersion: null, idempotencyKey: id },
    ...more,
  };
};

describe('work that waits', () => {
  test('a request whose signal was lost is picked up within 5 s', async () => {
    const { id } = await createRequestStore(balance.database.db).insert(balance.pool, stored(), Date.now());
    await balance.client.waitForDelivery(id, { timeoutMs: 20_000 });
    const [row] = await balance.database.sql<{ ms: number }[]>`
      select extract(epoch from c.opened_at - r.created_at)::float8 * 1000 as ms
      from requests r join cycles c on c.id = r.decision_id where r.id = ${id}`;
    expect(row.ms).toBeLessThan(5_000);
  });

  test('any number of signals is one cycle when there is nothing left to do', async () => {
    await until('the loop is idle', async () => (await balance.client.state()).running === null);
    const before = (await balance.client.state()).cycles;
    const ids = await together(
      balance,
      Array.from({ length: 12 }, () => ({ ...ask(), rows: 2 })),
    );
    await Promise.all(ids.map((id) => balance.client.waitForDelivery(id)));
    await until('the loop is idle', async () => (await balance.client.state()).running === null);
    expect((await balance.client.state()).cycles).toBe(before + 1);
  });
});

describe('pausing', () => {
  test('a paused pool rejects balanceNow with the reason, keeps requests waiting, and goes on when resumed', async () => {
    await balance.client.pause('maintenance until noon');
    await expect(balance.client.balanceNow()).rejects.toMatchObject({
      kind: 'refused',
      type: 'Paused',
      message: expect.stringContaining('maintenance until noon'),
    });
    const { id } = await balance.client.request({ ...ask(), rows: 3 });
    await expect(balance.client.waitForDelivery(id, { timeoutMs: 4_000 })).rejects.toMatchObject({
      type: 'WaitTimedOut',
    });
    expect(await balance.client.state()).toMatchObject({
      paused: true,
      pauseReason: 'maintenance until noon',
      running: null,
    });
    await balance.client.resume();
    expect((await balance.client.waitForDelivery(id)).rows).toBe(3);
    expect(await balance.client.state()).toMatchObject({ paused: false, pauseReason: null });
  });
});

describe('balanceNow', () => {
  test('gives the id of the decision that it leads to; cycles run one after the other in the order asked', async () => {
    reads.hold();
    const before = reads.begun.length;
    const { id } = await balance.client.request(ask());
    await until('the read begins', () => reads.begun.length > before);
    const queued = [await balance.client.balanceNow(), await balance.client.balanceNow()];
    const state = await balance.client.state();
    expect(state.running).toMatchObject({ trigger: 'work' });
    expect(state.queued.map(({ decisionId }) => decisionId)).toEqual(queued.map(({ decisionId }) => decisionId));
    reads.release();
    const [first, second] = [await balance.closed(queued[0].decisionId), await balance.closed(queued[1].decisionId)];
    expect(second.decision.cycle).toBe(first.decision.cycle + 1);
    expect(first.decision).toMatchObject({
      trigger: 'manual',
      outcome: 'empty',
      workflowId: queued[0].cycleWorkflowId,
    });
    expect((await balance.client.status(id)).state).toBe('delivered');
    await until('the loop is idle', async () => (await balance.client.state()).running === null);
    expect((await balance.client.state()).last).toMatchObject({ decisionId: queued[1].decisionId, outcome: 'empty' });
  });

  test('no more wait than the queue holds', async () => {
    reads.hold();
    const before = reads.begun.length;
    await balance.client.request(ask());
    await until('the read begins', () => reads.begun.length > before);
    for (let count = 0; count < 64; count++) await balance.client.balanceNow();
    await expect(balance.client.balanceNow()).rejects.toMatchObject({ kind: 'refused', type: 'TooManyQueued' });
    // Emptying the queue would take a minute: a new loop takes over, what was asked of the old one ends with it.
    const temporal = balance.worker.composition.client.workflow;
    await temporal.getHandle(`balance-loop/default/${balance.pool.pool}`).terminate();
    reads.release();
    await balance.client.request(ask());
    expect((await balance.client.state()).queued).toEqual([]);
    await until(
      'both cycles end',
      async () =>
        (await balance.database.sql`select 1 from requests where state in ('pending', 'claimed')`).length === 0,
    );
  });
});

describe('cycles that do not reach their end', () => {
  const claimed = async (): Promise<{ id: string; decisionId: string }> => {
    reads.hold();
    const before = reads.begun.length;
    const { id } = await balance.client.request(ask());
    await until('the read begins', () => reads.begun.length > before);
    return { id, decisionId: (await balance.client.status(id)).decisionId! };
  };
  const cycleOf = (decisionId: string) =>
    balance.worker.composition.client.workflow.getHandle(cycleWorkflowId(balance.pool, decisionId));

  test.each([['cancelled', 'cancelled'] as const, ['terminated', 'failed'] as const])(
    'a cycle that is %s closes its decision, gives its requests back, and the loop goes on',
    async (how, outcome) => {
      const { id, decisionId } = await claimed();
      if (how === 'cancelled') await cycleOf(decisionId).cancel();
      else await cycleOf(decisionId).terminate('by an operator');
      reads.release();
      const explanation = await balance.closed(decisionId);
      expect(explanation.decision).toMatchObject({ outcome, state: 'closed' });
      expect(explanation.decision.reasons.length).toBeGreaterThan(0);
      const delivery = await balance.client.waitForDelivery(id);
      expect(delivery).toMatchObject({ rows: 4 });
      expect(delivery.decisionId).not.toBe(decisionId);
      expect(await balance.client.state()).toMatchObject({ paused: false });
    },
  );

  test('a request that was cancelled meanwhile is not given back', async () => {
    const { id, decisionId } = await claimed();
    expect(await balance.client.cancel(id)).toBe('claimed');
    await cycleOf(decisionId).cancel();
    reads.release();
    await expect(balance.client.waitForDelivery(id)).rejects.toMatchObject({ type: 'Cancelled' });
  });

  test('a cycle that fails says why in its decision; its requests are tried again, later each time', async () => {
    const { ApplicationFailure } = await import('@temporalio/common');
    failing = { error: ApplicationFailure.nonRetryable('the lake is on fire', 'OnFire'), times: 2 };
    const { id } = await balance.client.request(ask());
    expect((await balance.client.waitForDelivery(id)).rows).toBe(4);
    const { decisionId } = await balance.client.status(id);
    const cycles = await balance.database.sql<{ reasons: string[]; opened_ms: number; closed_ms: number }[]>`
      select reasons, extract(epoch from opened_at)::float8 * 1000 as opened_ms, extract(epoch from closed_at)::float8 * 1000 as closed_ms
      from decisions where id = ${decisionId} or summary like '%fire%' order by opened_at`;
    expect(cycles).toHaveLength(3);
    const [first, second, third] = cycles;
    for (const { reasons } of [first, second]) expect(reasons.join()).toContain('the lake is on fire');
    expect(second.opened_ms - first.closed_ms).toBeGreaterThanOrEqual(1_000);
    expect(third.opened_ms - second.closed_ms).toBeGreaterThanOrEqual(2_000);
  });

  test('a stage that fails in passing is tried again within the same cycle', async () => {
    failing = { error: new Error('connection reset'), times: 2 };
    const { id } = await balance.client.request(ask());
    const delivery = await balance.client.waitForDelivery(id);
    expect(delivery.rows).toBe(4);
    const [row] = await balance.database.sql<{ attempts: number }[]>`select attempts from requests where id = ${id}`;
    expect(row.attempts).toBe(1);
  });
});
