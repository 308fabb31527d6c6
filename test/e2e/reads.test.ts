/** Which reads there are, how large, in which order: what the plan foresees is what happens, and its record says why. */
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openEngine, quoteText } from '../../interfaces/data/engine.js';
import type { TestBalance } from '../support/balance.js';
import { ARRIVED, EVENTS, startSmall, together, until, wrongs, type Reads } from './small-pool.js';

let balance: TestBalance;
let reads: Reads;
afterEach(async () => {
  expect(await wrongs(balance)).toEqual([]);
  await balance.stop();
});

const ask = (id: number, key: string) => ({
  ...{ model: 'trainer', dataset: 'events', fields: ['id', 'label'], where: `id = ${id * 10}`, key },
});
const explained = async (requestId: string) => {
  await balance.client.waitForDelivery(requestId, { timeoutMs: 60_000 });
  const [{ id }] = await balance.database.sql<{ id: string }[]>`
    select decision_id as id from requests where id = ${requestId}`;
  return balance.closed(id);
};

test('requests for rows that share nothing are one scan, and what that saved is on record', async () => {
  ({ balance, reads } = await startSmall());
  const ids = await together(
    balance,
    Array.from({ length: 12 }, (_, index) => ask(index, `a${index}`)),
  );
  const decision = await explained(ids[0]);
  expect(reads.begun.map((slices) => slices.length)).toEqual([12]);
  const [read] = decision.batches;
  expect(read).toMatchObject({ requests: 12, efficiency: { saved: { operations: 11 } } });
  expect(decision.stages.find(({ stage }) => stage === 'batch')!.reasons.join()).toContain(
    'reads of other rows in one scan',
  );
  for (const [index, id] of ids.entries())
    expect(await balance.rowsOf(decision, id)).toEqual([expect.objectContaining({ id: EVENTS[index * 10].id })]);
});

test('a read is split by what reads of its dataset took; foreseen and measured stand side by side', async () => {
  ({ balance, reads } = await startSmall({ more: { reads: { timeMax: '1ms' } } }));
  const cycle = async (key: string, ids: readonly number[]) =>
    explained(
      (
        await together(
          balance,
          ids.map((id) => ask(id, `${key}${id}`)),
        )
      )[0],
    );
  // Nothing is known yet, and then nothing of how size tells: one read each.
  expect((await cycle('a', [0, 1, 2])).batches).toMatchObject([{ requests: 3, predictedMs: null }]);
  expect((await cycle('b', [3, 4, 5, 6, 7])).batches).toMatchObject([{ requests: 5 }]);
  const second = await cycle('c', [8, 9, 10, 11, 12, 13, 14, 15]);
  // Either took more than a millisecond, so each is alone now.
  expect(second.batches.map(({ requests }) => requests)).toEqual(Array.from({ length: 8 }, () => 1));
  for (const { predictedMs, actualMs, actualMemoryBytes } of second.batches) {
    expect(predictedMs).toBeGreaterThan(0);
    expect(actualMs).toBeGreaterThan(0);
    expect(actualMemoryBytes).not.toBeNull();
  }
  expect(second.stages.find(({ stage }) => stage === 'batch')!.reasons.join()).toContain('split by time');
  expect(reads.begun).toHaveLength(10);
});

test('what comes after another need is read when that has been read', async () => {
  const need = (id: string, dataset: string, more: object = {}) => ({
    id,
    dataset,
    fields: ['id', 'label'],
    rows: 50,
    ...more,
  });
  const models = {
    trainer: { kind: 'training', needs: [need('base', 'events')] },
    // More urgent, and yet second: it comes after the other.
    server: { kind: 'serving', priority: 1, needs: [need('second', 'copies', { after: ['trainer/base'] })] },
  };
  const dataset = { source: 'lake', key: ['id'], eventTime: 'at' };
  const datasets = { events: { ...dataset, path: 'events.csv' }, copies: { ...dataset, path: 'copies.csv' } };
  ({ balance, reads } = await startSmall({ models, more: { datasets } }));
  balance.write('copies.csv', EVENTS as never);
  reads.hold();
  const { decisionId } = await balance.client.balanceNow();
  await until('the first read', () => reads.begun.length === 1);
  reads.release();
  const decision = await balance.closed(decisionId);
  const needOf = new Map(decision.requests.map(({ id, needId }) => [id, needId]));
  expect(reads.begun.flat().map((id) => needOf.get(id))).toEqual(['trainer/base', 'server/second']);
  const [base, second] = decision.batches;
  expect(base.predictedStartMs).toBe(0);
  expect(second.predictedStartMs).toBeGreaterThan(0);
  expect(decision.stages.find(({ stage }) => stage === 'batch')!.reasons.join()).toContain(
    'dependency, held by the read of events',
  );
});

test('a source outside its window is not read, and what waits for it says when it opens', async () => {
  const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
  ({ balance, reads } = await startSmall());
  const lake = { kind: 'files' as const, root: balance.dir, windows: [`${at(2)}-${at(3)}`] };
  const { smallPool } = await import('./small-pool.js');
  await balance.apply(smallPool(balance.dir, { more: { sources: { lake } } }));
  const { id } = await balance.client.request(ask(1, 'closed'));
  await until('the request waits', async () => (await balance.client.status(id)).reason !== null);
  const { state, reason } = await balance.client.status(id);
  expect(state).toBe('pending');
  expect(reason).toMatchObject({ tier: 'waiting', resource: 'window:lake' });
  const waitMs = reason!.earliestMs! - Date.now();
  expect(waitMs).toBeGreaterThan(1.9 * 3_600_000);
  expect(waitMs).toBeLessThan(2.1 * 3_600_000);
  expect(reads.begun).toEqual([]);
  await balance.apply(
    smallPool(balance.dir, { more: { sources: { lake: { ...lake, windows: [`${at(-1)}-${at(1)}`] } } } }),
  );
  // The new definition is looked at now, not when the old one would have opened.
  expect((await balance.client.waitForDelivery(id, { timeoutMs: 60_000 })).rows).toBe(1);
});

test('a read that is held up until its source closes is not begun; its request waits on', async () => {
  const at = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16);
  let lateMs = 0;
  ({ balance } = await startSmall(
    {},
    {
      replace: (deps) => ({
        ...deps,
        now: () => deps.now() + lateMs,
        pace: {
          ...deps.pace,
          take: async (...asked) => {
            const takenMs = await deps.pace.take(...asked);
            lateMs = 3 * 3_600_000;
            return takenMs;
          },
        },
      }),
    },
  ));
  const lake = { kind: 'files' as const, root: balance.dir, windows: [`${at(-1)}-${at(1)}`] };
  const { smallPool } = await import('./small-pool.js');
  await balance.apply(smallPool(balance.dir, { more: { sources: { lake } } }));
  const { id } = await balance.client.request(ask(1, 'late'));
  await until('the request waits', async () => (await balance.client.status(id)).reason !== null);
  const { state, reason } = await balance.client.status(id);
  expect(state).toBe('pending');
  expect(reason!.reason).toContain('lake has closed');
  expect(await balance.database.sql`select 1 from batches where state = 'done'`).toEqual([]);
});

test('a quota is what may be read in a period: what does not fit waits, and says for which', async () => {
  // `id` and `label` take 8 and 6 bytes a row: 100 rows fit into the quota, and 100 more do not.
  ({ balance, reads } = await startSmall({ limits: { quota: { bytes: '2kB', per: '1d' } } }));
  const some = (seed: number) => ({
    model: 'trainer',
    dataset: 'events',
    fields: ['id', 'label'],
    rows: 100,
    seed,
    key: `${seed}`,
  });
  const first = await balance.client.request(some(1));
  expect((await balance.client.waitForDelivery(first.id, { timeoutMs: 60_000 })).rows).toBe(100);
  const second = await balance.client.request(some(2));
  await until('the second waits', async () => (await balance.client.status(second.id)).reason !== null);
  const { state, reason } = await balance.client.status(second.id);
  expect(state).toBe('pending');
  expect(reason).toMatchObject({ tier: 'over-quota', resource: 'quota:lake' });
  expect(reads.begun).toHaveLength(1);
});

test('a request that comes while the same read runs is answered by it', async () => {
  // On a wall clock: the second cycle decides for a later time, and no row has arrived since.
  ({ balance, reads } = await startSmall({ more: { clock: { kind: 'wall' } } }));
  const same = (key: string) => ({ model: 'trainer', dataset: 'events', fields: ['id'], where: 'id < 50', key });
  reads.hold();
  const first = await balance.client.request(same('first'));
  await until('the read', () => reads.begun.length === 1);
  const second = await balance.client.request(same('second'));
  reads.release();
  const deliveries = await Promise.all(
    [first, second].map(({ id }) => balance.client.waitForDelivery(id, { timeoutMs: 60_000 })),
  );
  expect(deliveries.map(({ served }) => served)).toEqual(['read', 'cache']);
  expect(deliveries[1].path).toBe(deliveries[0].path);
  // A row that arrives makes it another answer.
  balance.write('events.csv', [...EVENTS, { ...EVENTS[0], id: 40_000 }] as never);
  const third = await balance.client.request(same('third'));
  expect((await balance.client.waitForDelivery(third.id, { timeoutMs: 60_000 })).served).toBe('read');
  expect(reads.begun).toHaveLength(2);
});

test('more distinct questions than one scan measures: each asker gets its own rows all the same, and is told the truth', async () => {
  ({ balance, reads } = await startSmall());
  const asks = Array.from({ length: 300 }, (_, index) => ({ ...ask(0, `q${index}`), where: `id = ${index}` }));
  const wrong = { ...ask(0, 'wrong'), where: "value = 'not a number'" };
  const none = { ...ask(0, 'none'), where: 'id < 0' };
  const ids = await together(balance, [...asks, wrong, none]);
  const decision = await explained(ids[0]);
  for (const [index, id] of ids.slice(0, asks.length).entries()) {
    const delivery = await balance.client.waitForDelivery(id, { timeoutMs: 60_000 });
    expect(delivery, String(index)).toMatchObject({ decisionId: decision.decision.id, verdict: 'pass', rows: 1 });
    expect(delivery.report.findings).toEqual([]);
    const rows: unknown[] = [];
    for await (const row of balance.client.read(delivery)) rows.push(row);
    expect(rows).toEqual([expect.objectContaining({ id: EVENTS[index].id })]);
  }
  await expect(balance.client.waitForDelivery(ids.at(-2)!)).rejects.toMatchObject({ type: 'TypeMismatch' });
  await expect(balance.client.waitForDelivery(ids.at(-1)!)).rejects.toMatchObject({ type: 'Quarantined' });
});

test('a contained request that comes while a read runs is cut from it: its source is read once', async () => {
  ({ balance, reads } = await startSmall());
  reads.hold();
  const wide = await balance.client.request({
    ...{ model: 'trainer', dataset: 'events', fields: ['id', 'label', 'value'], where: 'value < 50', key: 'wide' },
  });
  await until('the wide read', () => reads.begun.length === 1);
  const late = async (key: string, more: object) =>
    (await balance.client.request({ model: 'trainer', dataset: 'events', fields: ['id'], key, ...more })).id;
  const contained = await late('contained', { where: 'value < 20 AND id > 100' });
  const sample = await late('sample', { where: 'value = 7', rows: 5 });
  const beyond = await late('beyond', { where: 'value < 60' });
  const otherField = await late('other', { fields: ['at'], where: 'value < 20' });
  reads.release();
  await explained(wide.id);
  const rows = async (id: string) => balance.rowsOf(await explained(id), id) as Promise<{ readonly id: number }[]>;
  const idsOf = (some: readonly { readonly id: number }[]) => some.map(({ id }) => id).sort((a, b) => a - b);
  expect(idsOf(await rows(contained))).toEqual(
    ARRIVED.filter(({ id, value }) => value < 20 && id > 100).map(({ id }) => id),
  );
  const drawn = await rows(sample);
  expect(drawn).toHaveLength(5);
  await rows(beyond);
  await rows(otherField);
  const servedAs = async (id: string) => {
    const [{ served }] = await balance.database.sql<{ served: string }[]>`
      select served from deliveries where request_id = ${id}`;
    return served;
  };
  expect(await Promise.all([contained, sample].map(servedAs))).toEqual(['cache', 'cache']);
  // The source is read for the wide one, and for the two that it does not hold.
  expect(reads.begun.flat().sort()).toEqual([wide.id, beyond, otherField].sort());
  // The same question asked alone, of another version of the cache, draws the same rows.
  await balance.database.sql`delete from cache_entries`;
  const again = await late('again', { where: 'value = 7', rows: 5 });
  expect(idsOf(await rows(again))).toEqual(idsOf(drawn));
  expect(reads.begun.at(-1)).toEqual([again]);
});

test.each([
  ['a text where a number is', "number > 'late'", 1],
  ['a text that is no key', "key < 'none'", 1],
  // Found out by the engine alone: the read is done again without it.
  ['a number that no price can be', `price = '${'9'.repeat(38)}'`, 2],
])('%s, asked while the read of others is about to begin, fails nobody but its asker', async (_, where, scans) => {
  const numbers = { source: 'lake', path: 'numbers.parquet' };
  ({ balance, reads } = await startSmall({ more: { datasets: { numbers } } }));
  const engine = await openEngine({ tempDir: balance.dir });
  const path = quoteText(join(balance.dir, 'numbers.parquet'));
  await engine.session(new AbortController().signal, (session) =>
    session.run(
      `COPY (SELECT n AS number, uuid() AS key, n::DECIMAL(12, 2) AS price FROM range(100) AS r(n)) TO ${path}`,
    ),
  );
  engine.close();
  reads.hold();
  const request = async (key: string, more: object = {}): Promise<string> => {
    const asked = { model: 'trainer', dataset: 'numbers', fields: ['number', 'key', 'price'], key, ...more };
    return (await balance.client.request(asked)).id;
  };
  const innocent = await request('innocent');
  await until('its read', () => reads.begun.length === 1);
  const contained = await request('contained', { where: 'number < 20' });
  const wrong = await request('wrong', { where });
  reads.release();
  const delivered = (id: string) => balance.client.waitForDelivery(id, { timeoutMs: 60_000 });
  expect((await delivered(innocent)).rows).toBe(100);
  expect((await delivered(contained)).rows).toBe(20);
  await expect(delivered(wrong)).rejects.toThrow(/cannot be compared|out of range/);
  expect(reads.begun.filter(([id]) => id === innocent)).toHaveLength(scans);
});

test('what was read for a need answers an equal request', async () => {
  const need = { id: 'base', dataset: 'events', fields: ['id', 'label'], rows: 50 };
  ({ balance, reads } = await startSmall({ models: { trainer: { kind: 'training', needs: [need] } } }));
  const { decisionId } = await balance.client.balanceNow();
  const first = await balance.closed(decisionId);
  const { dataset, fields, rows } = need;
  const { id } = await balance.client.request({ model: 'trainer', dataset, fields, rows, key: 'equal' });
  const decision = await explained(id);
  expect(decision.batches).toEqual([]);
  expect(reads.begun).toHaveLength(1);
  expect(await balance.rowsOf(decision, id)).toEqual(await balance.rowsOf(first, first.requests[0].id));
});
