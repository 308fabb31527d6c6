/** What recurs is read before it is asked: the later request is answered from the cache, without a read, with the same rows. */
import { afterEach, describe, expect, test } from 'vitest';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import type { TestBalance } from '../support/balance.js';
import type { PredictOutcome } from '../../domain/decision/predict/predict.js';
import { EVENTS, HOUR, START, startSmall, until, type Change, type Reads } from './small-pool.js';

let balance: TestBalance;
let reads: Reads;
afterEach(() => balance.stop());

async function start(change: Change = {}): Promise<void> {
  ({ balance, reads } = await startSmall(change));
}

let keys = 0;
/** Asks the same question once more, and waits for the answer. */
async function ask(more: { rows?: number; maxAgeMs?: number } = {}) {
  const question = { model: 'trainer', dataset: 'events', fields: ['id', 'value'], where: "label = 'rare'", rows: 50 };
  const { id } = await balance.client.request({ ...question, ...more, key: `again-${keys++}` });
  const delivery = await balance.client.waitForDelivery(id, { timeoutMs: 30_000 });
  const rows: unknown[] = [];
  for await (const row of balance.client.read(delivery)) rows.push(row);
  return { ...delivery, content: rows };
}

async function readAhead(explanation: Explanation): Promise<void> {
  const { id } = explanation.decision;
  await until('read ahead', async () => {
    const [row] = await balance.database.sql<{ open: number }[]>`
      select count(*)::int as open from batches where decision_id = ${id} and state = 'planned'`;
    return row.open === 0;
  });
}

const again = async (explanation: Explanation): Promise<Explanation> =>
  (await createDecisionStore(balance.database.db).explain(balance.pool, explanation.decision.id)) as Explanation;

/** One full cycle, then the question: an hour of event time each. */
async function hours(count: number): Promise<Explanation[]> {
  const cycles: Explanation[] = [];
  for (let hour = 0; hour < count; hour++) {
    cycles.push(await balance.cycle());
    await ask();
  }
  return cycles;
}

describe('requests that recur are read ahead', () => {
  test('the next one is served from the cache with the rows that a read would have given', async () => {
    await start();
    const before = await hours(4);
    expect(before.flatMap(({ prefetches }) => prefetches)).toEqual([]);
    const cycle = await balance.cycle();
    await readAhead(cycle);
    expect(cycle.prefetches).toMatchObject([{ model: 'trainer', dataset: 'events', came: 'open', served: 0 }]);
    const physical = reads.begun.length;
    const served = await ask();
    expect(served).toMatchObject({ served: 'cache', verdict: 'pass', rows: 50 });
    expect(reads.begun.length).toBe(physical);
    expect((await again(cycle)).prefetches).toMatchObject([{ came: 'yes', served: 1 }]);
    // The same question, read now because the cache forgot it: the same rows.
    await balance.database.sql`delete from cache_entries`;
    const read = await ask();
    expect(read.served).toBe('read');
    expect(read.content).toEqual(served.content);
    expect(await balance.differences(cycle)).toEqual([]);
    expect(cycle.stages.find(({ stage }) => stage === 'batch')!.reasons.join('\n')).toContain('read ahead of events');
  });

  test('what does not come is not read ahead again until predictions of it hold', async () => {
    await start();
    await hours(4);
    const missed = await balance.cycle();
    await readAhead(missed);
    const next = await balance.cycle();
    expect((await again(missed)).prefetches).toMatchObject([{ came: 'no', served: 0 }]);
    expect(next.prefetches).toEqual([]);
    // The habit is taken up again: one failure to none that held does not pay, one to one does.
    const resumed = await hours(4);
    const left = resumed.map(({ stages }) => stages.find(({ stage }) => stage === 'batch')!.reasons.join());
    expect(resumed.slice(0, 3).flatMap(({ prefetches }) => prefetches)).toEqual([]);
    expect(left[2]).toContain('predictions of it failed more often than they held (1 to 0)');
    expect(resumed[3].prefetches).toHaveLength(1);
  });

  test('with nothing to spare, what is asked comes first and nothing is read ahead', async () => {
    const needs = [{ id: 'all', dataset: 'events', fields: ['id', 'label', 'value'], rows: 2_000 }];
    // A window gives a fifth of what the need asks.
    await start({ models: { trainer: { kind: 'training', needs } }, limits: { bytesPerSecond: '1kB' } });
    for (let hour = 0; hour < 5; hour++) {
      await balance.database.sql`delete from budgets`;
      await balance.cycle();
      await balance.database.sql`delete from budgets`;
      await ask();
    }
    await balance.database.sql`delete from budgets`;
    const cycle = await balance.cycle();
    expect(cycle.prefetches).toEqual([]);
    const reasons = cycle.stages.find(({ stage }) => stage === 'batch')!.reasons.join('\n');
    expect(reasons).toContain('is expected, not read ahead: too little of bytes:lake is spare');
  });

  test('switched off, it reads nothing ahead', async () => {
    await start({ more: { cache: { prefetch: '0B' } } });
    await hours(4);
    expect((await balance.cycle()).prefetches).toEqual([]);
    expect((await ask()).served).toBe('read');
  });
});

describe('a declared run', () => {
  const question = { dataset: 'events', fields: ['id', 'value'], where: "label = 'rare'", rows: 50, maxAge: '2h' };
  // The replay begins at midnight, an hour a cycle: the run is two cycles away.
  const trainer = (runs: readonly object[]) => ({ models: { trainer: { kind: 'training', runs } } });
  const nightly = { id: 'nightly', cron: '0 2 * * *', ...question };

  test('is read ahead before it was ever seen, and asked from the cache; undeclared it is not', async () => {
    await start(trainer([nightly]));
    const [midnight, before] = [await balance.cycle(), await balance.cycle()];
    await readAhead(before);
    expect(midnight.prefetches).toEqual([]);
    expect(before.prefetches).toMatchObject([{ model: 'trainer', dataset: 'events', probability: 1, came: 'open' }]);
    const { reasons } = before.stages.find(({ stage }) => stage === 'batch')!;
    expect(reasons.join()).toContain('100 % likely until 2020-01-03T03:00:00.000Z (as its run is declared');
    const forecast = midnight.forecasts.filter(({ series }) => series === 'trainer/events');
    expect(forecast.map(({ mean, method }) => [mean, method])).toEqual(
      [0, 0, 50, 0].map((mean) => [mean, 'declared runs']),
    );
    await balance.cycle();
    const physical = reads.begun.length;
    expect(await ask({ maxAgeMs: 2 * HOUR })).toMatchObject({ served: 'cache', verdict: 'pass', rows: 50 });
    expect(reads.begun.length).toBe(physical);
    expect((await again(before)).prefetches).toMatchObject([{ came: 'yes', served: 1 }]);
    // A step that a cycle looked at and nobody asked in had no demand; the last two are not over.
    const came = (await again(midnight)).forecasts.filter(({ series }) => series === 'trainer/events');
    expect(came.map(({ actual }) => actual)).toEqual([0, 0, null, null]);
    for (const cycle of [midnight, before]) expect(await balance.differences(cycle)).toEqual([]);
    await balance.stop();

    await start(trainer([]));
    const undeclared = [await balance.cycle(), await balance.cycle(), await balance.cycle()];
    expect(undeclared.flatMap(({ prefetches }) => prefetches)).toEqual([]);
    expect((await ask({ maxAgeMs: 2 * HOUR })).served).toBe('read');
  });

  test('that asks all that match a predicate takes what matches, counted before it was ever asked', async () => {
    // All 3,000 events are 46 kB, the rare ones of them 2.
    const all = { ...nightly, rows: undefined };
    await start({ ...trainer([all]), more: { cache: { prefetch: '10kB' } } });
    await balance.cycle();
    const before = await balance.cycle();
    await readAhead(before);
    const { outcome } = (
      await createDecisionStore(balance.database.db).decisionStages(balance.pool, before.decision.id)
    ).find(({ stage }) => stage === 'predict')!;
    const rare = EVENTS.filter(({ at, label }) => label === 'rare' && Date.parse(at) <= START + 49 * HOUR).length;
    expect((outcome as PredictOutcome).expected).toMatchObject([{ model: 'trainer', resultRows: rare }]);
    expect(before.prefetches).toMatchObject([{ model: 'trainer', probability: 1 }]);
  });

  test('on a clock on the wall it is expected in every step to the last, and read ahead', async () => {
    const often = { ...question, id: 'often', every: '1m' };
    await start({ ...trainer([often]), more: { clock: { kind: 'wall' } } });
    const cycle = await balance.cycle();
    await readAhead(cycle);
    const forecast = cycle.forecasts.filter(({ series }) => series === 'trainer/events');
    expect(forecast.map(({ mean, method }) => [mean, method])).toEqual(
      Array.from({ length: 4 }, () => [60 * 50, 'declared runs']),
    );
    expect(cycle.prefetches).toMatchObject([{ model: 'trainer', dataset: 'events', probability: 1, came: 'open' }]);
    expect(await ask({ maxAgeMs: 2 * HOUR })).toMatchObject({ served: 'cache', verdict: 'pass', rows: 50 });
  });

  test('that does not come is believed less: the next one is not read ahead', async () => {
    await start(trainer([{ ...nightly, cron: '0 2,6 * * *' }]));
    const cycles = [];
    for (let hour = 0; hour < 7; hour++) {
      cycles.push(await balance.cycle());
      await readAhead(cycles.at(-1)!);
    }
    expect(cycles.map(({ prefetches }) => prefetches.length)).toEqual([0, 1, 0, 0, 0, 0, 0]);
    const { reasons } = cycles[5].stages.find(({ stage }) => stage === 'batch')!;
    expect(reasons.join()).toContain('predictions of it failed more often than they held (1 to 0)');
    // The forecast of the second run counts on half of it.
    const before = cycles[5];
    const next = before.forecasts.find(({ series, targetMs }) => series === 'trainer/events' && targetMs === sixMs);
    expect(next).toMatchObject({ mean: 25 });
  });
  const sixMs = Date.parse('2020-01-03T06:00:00Z');
});
