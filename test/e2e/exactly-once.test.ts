/** Every write of a cycle fails before its effect, fails after it, and is done twice: still one decision, one delivery, one response. */
import { afterEach, describe, expect, test } from 'vitest';
import type { WorkerHooks } from '../../workers/worker.js';
import type { TestBalance } from '../support/balance.js';
import { EVENTS, smallPool, wrongs } from './small-pool.js';
import { startBalance } from '../support/balance.js';

type Dependencies = Parameters<NonNullable<WorkerHooks['replace']>>[0];
type Method = (...args: unknown[]) => Promise<unknown>;

/** The ports whose methods have effects, by name. */
const WRITES = {
  cycles: ['open'],
  history: ['saveProfiles'],
  stages: ['save'],
  series: ['savePrediction'],
  plans: ['savePlan'],
  data: ['read'],
  batches: ['done'],
  closing: ['close'],
} as const;

/** Wraps every write: `fail` decides, per write and call, what happens instead of one clean call. */
function disturbed(fail: (write: string, call: number) => 'before' | 'after' | 'twice' | null, done: string[]) {
  const calls = new Map<string, number>();
  return (deps: Dependencies): Dependencies => {
    const ports = deps as unknown as Record<string, Record<string, Method>>;
    const wrapped = Object.entries(WRITES).map(([port, methods]) => {
      const original = ports[port];
      const replaced = methods.map((method): [string, Method] => [
        method,
        async (...args) => {
          // Each stage's save, and each batch's end, is a write of its own.
          const part = port === 'stages' ? (args[1] as { stage: string }).stage : '';
          const write = `${port}.${method}${part}`;
          const call = (calls.get(write) ?? 0) + 1;
          calls.set(write, call);
          const how = fail(write, call);
          if (how === 'before') throw new Error(`${write} failed before its effect`);
          const result = await original[method](...args);
          if (how === 'twice') await original[method](...args);
          if (how === 'after') throw new Error(`${write} failed after its effect`);
          done.push(write);
          return result;
        },
      ]);
      return [port, { ...original, ...Object.fromEntries(replaced) }];
    });
    return { ...deps, ...Object.fromEntries(wrapped) } as Dependencies;
  };
}

let balance: TestBalance;
afterEach(() => balance.stop());

const models = {
  trainer: { kind: 'training', needs: [{ id: 'all', dataset: 'events', fields: ['id', 'label'], rows: 100 }] },
};

async function cycleWith(fail: Parameters<typeof disturbed>[0]) {
  const done: string[] = [];
  balance = await startBalance((dir) => smallPool(dir, { models, limits: { bytesPerSecond: '1MB' } }), {
    replace: disturbed(fail, done),
  });
  balance.write('events.csv', EVENTS as never);
  const ask = { model: 'trainer', dataset: 'events', fields: ['id'] };
  await balance.client.pause();
  const ids: string[] = [];
  for (const where of ['id < 10', 'id < 20', "label = 'rare'"])
    ids.push((await balance.client.request({ ...ask, where })).id);
  await balance.client.resume();
  const deliveries = await Promise.all(ids.map((id) => balance.client.waitForDelivery(id)));
  const full = await balance.cycle();
  return { ids, deliveries, full, done };
}

async function counts(): Promise<Record<string, number>> {
  const [row] = await balance.database.sql<Record<string, number>[]>`
    select (select count(*)::int from decisions) as decisions, (select count(*)::int from cycles) as cycles,
      (select count(*)::int from deliveries) as deliveries, (select count(*)::int from outbox where kind = 'response') as responses,
      (select count(*)::int from outbox where published_at is null) as unpublished, (select count(*)::int from batches) as batches,
      (select count(*)::int from decision_stages) as stages`;
  return row;
}

describe('exactly once', () => {
  test('each write fails before its effect, then after it, then is done twice', async () => {
    // The two cycles share the counters: the first meets the failures, the second is done twice throughout.
    const { deliveries, full, done } = await cycleWith((_, call) =>
      call === 1 ? 'before' : call === 2 ? 'after' : 'twice',
    );
    expect(deliveries.map(({ rows }) => rows)).toEqual([10, 20, 145]);
    expect(full.decision.outcome).toBe('delivered');
    expect(new Set(done).size).toBe(10); // every write took part
    expect(await wrongs(balance)).toEqual([]);
    // One cycle for the requests, one full cycle with the need; the need gets a delivery and, being standing, a response too.
    expect(await counts()).toMatchObject({
      decisions: 2,
      cycles: 2,
      deliveries: 4,
      responses: 4,
      // Five each, and why the cycle for the requests began when it did.
      stages: 11,
      batches: 2,
    });
    // What is charged is what was taken: the bucket of 10 s holds its burst less the reads, not less twice the reads.
    const charged = deliveries.reduce((sum, { bytes }) => sum + bytes, 0) + full.requests[0].delivery!.chargedBytes;
    const [bucket] = await balance.database.sql<
      { tokens: number }[]
    >`select tokens from budgets where resource = 'bytes:lake'`;
    expect(bucket.tokens).toBeGreaterThanOrEqual(10e6 - charged - 1);
    expect(bucket.tokens).toBeLessThanOrEqual(10e6);
  });

  test('two workers do the same activity at the same time: a zombie finishes beside its successor', async () => {
    const { ids } = await cycleWith(() => null);
    const { activities } = balance.worker.composition;
    const [row] = await balance.database.sql<
      { decision_id: string }[]
    >`select decision_id from requests where id = ${ids[0]}`;
    const ref = { ...balance.pool, decisionId: row.decision_id };
    const before = await counts();
    const { MockActivityEnvironment } = await import('@temporalio/testing');
    const again = (run: (...args: never[]) => Promise<unknown>, input: unknown): Promise<unknown> =>
      new MockActivityEnvironment().run(run as never, input as never);
    const open = { ...ref, trigger: 'work', asOfMs: null, workflowId: 'another', runId: 'run' };
    for (const [name, input] of [
      ['openDecision', open],
      ['analyze', ref],
      ['predict', ref],
      ['batch', ref],
      ['readBatch', { ...ref, batchId: `${ref.decisionId}:0` }],
      ['failBatch', { ...ref, batchId: `${ref.decisionId}:0`, reason: 'too late' }],
      ['qualityCheck', ref],
      ['coordinate', ref],
      ['abandonDecision', { ...ref, outcome: 'failed', reason: 'too late' }],
    ] as const) {
      await Promise.all([again(activities[name], input), again(activities[name], input)]);
    }
    expect(await counts()).toEqual(before);
    expect(await wrongs(balance)).toEqual([]);
    const [decision] = await balance.database.sql<
      { outcome: string }[]
    >`select outcome from decisions where id = ${ref.decisionId}`;
    expect(decision.outcome).toBe('delivered');
  });

  test('every activity of a fresh decision runs twice at the same time', async () => {
    balance = await startBalance((dir) => smallPool(dir, { models }));
    balance.write('events.csv', EVENTS as never);
    await balance.client.pause();
    const { id } = await balance.client.request({ model: 'trainer', dataset: 'events', fields: ['id'], rows: 12 });
    const { activities } = balance.worker.composition;
    const { MockActivityEnvironment } = await import('@temporalio/testing');
    const decisionId = '11111111-1111-4111-8111-111111111111';
    const ref = { ...balance.pool, decisionId };
    const twice = async (name: keyof typeof activities, input: unknown): Promise<unknown[]> =>
      Promise.all([1, 2].map(() => new MockActivityEnvironment().run(activities[name] as never, input as never)));
    await twice('openDecision', { ...ref, trigger: 'manual', asOfMs: null, workflowId: 'w', runId: 'r' });
    await twice('analyze', ref);
    await twice('predict', ref);
    const [first, second] = (await twice('batch', ref)) as { batches: { batchId: string }[] }[];
    expect(first).toEqual(second);
    for (const { batchId } of first.batches) await twice('readBatch', { ...ref, batchId });
    await twice('qualityCheck', ref);
    const closed = await twice('coordinate', ref);
    expect(closed[0]).toEqual(closed[1]);
    expect((await balance.client.waitForDelivery(id)).rows).toBe(12);
    expect(await counts()).toMatchObject({ decisions: 1, deliveries: 2, responses: 2, stages: 5 });
    expect(await wrongs(balance)).toEqual([]);
  });
});
