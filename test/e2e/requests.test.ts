/** Requests through the typed client: what is promised to their senders. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Delivery, RequestStatus } from '../../client/index.js';
import type { TestBalance } from '../support/balance.js';
import { ARRIVED, startSmall, together, until, wrongs, type Event, type Reads } from './small-pool.js';

let balance: TestBalance;
let reads: Reads;
beforeAll(async () => {
  ({ balance, reads } = await startSmall());
});
afterEach(async () => {
  expect(await wrongs(balance)).toEqual([]);
});
afterAll(() => balance.stop());

const ask = { model: 'trainer', dataset: 'events', fields: ['id', 'value'] };

async function rowsOf(delivery: Delivery): Promise<Readonly<Record<string, unknown>>[]> {
  const rows: Readonly<Record<string, unknown>>[] = [];
  for await (const row of balance.client.read(delivery)) rows.push(row);
  return rows;
}
const ids = (rows: readonly Readonly<Record<string, unknown>>[]) =>
  rows.map(({ id }) => Number(id)).sort((a, b) => a - b);
async function ended(id: string): Promise<RequestStatus> {
  await until(
    `request ${id} ends`,
    async () => !['pending', 'claimed'].includes((await balance.client.status(id)).state),
  );
  return balance.client.status(id);
}

describe('a request and its key', () => {
  test('the same key is the same request, delivered once', async () => {
    const first = await balance.client.request({ ...ask, rows: 5, key: 'once' });
    const second = await balance.client.request({ ...ask, rows: 5, key: 'once' });
    expect(second).toEqual({ id: first.id, created: false });
    const delivery = await balance.client.waitForDelivery(first.id);
    expect(await balance.client.request({ ...ask, rows: 5, key: 'once' })).toEqual({ id: first.id, created: false });
    expect(delivery.rows).toBe(5);
  });

  test.each([
    ['rows', { rows: 6 }, 'rows 5', 'rows 6'],
    ['fields', { fields: ['id'] }, 'fields id,value', 'fields id'],
    ['rows that match', { where: 'id > 3' }, 'where every row', 'where id > 3'],
    ['seed and rows', { seed: 1, rows: 6 }, 'rows 5; seed 0', 'rows 6; seed 1'],
    ['model', { model: 'auditor' }, 'model trainer', 'model auditor'],
    ['version', { version: 'another' }, 'dataset-version the newest', 'dataset-version another'],
  ])('the same key with other %s is refused, and what differs is named', async (_, change, expected, got) => {
    await expect(balance.client.request({ ...ask, rows: 5, key: 'once', ...change })).rejects.toMatchObject({
      ...{ type: 'IdempotencyConflict', expected, got },
    });
  });

  test.each([
    ['a model that is not declared', { model: 'nobody' }, 'UnknownModel'],
    ['a dataset that is not declared', { dataset: 'nothing' }, 'UnknownDataset'],
    ['no fields', { fields: [] }, 'InvalidRequest'],
    ['no rows', { rows: 0 }, 'InvalidRequest'],
    ['a priority out of range', { priority: 6 }, 'InvalidRequest'],
    ['a deadline that is no time', { deadline: new Date(Number.NaN) }, 'InvalidRequest'],
  ])('%s is refused before anything is stored', async (_, change, type) => {
    await expect(balance.client.request({ ...ask, ...change })).rejects.toMatchObject({ type });
  });
});

describe('what a sender gets', () => {
  test('the same request gives the same rows, another seed gives others, and the digest is the file', async () => {
    const [one, two, other] = await together(balance, [
      { ...ask, rows: 50 },
      { ...ask, model: 'auditor', rows: 50 },
      { ...ask, rows: 50, seed: 7 },
    ]);
    const [a, b, c] = await Promise.all([one, two, other].map((id) => balance.client.waitForDelivery(id)));
    expect(a.digest).toBe(b.digest);
    expect(c.digest).not.toBe(a.digest);
    expect(createHash('sha256').update(readFileSync(a.path)).digest('hex')).toBe(a.digest);
  });

  test('equal, contained and overlapping requests are one read; each gets exactly its rows and fields', async () => {
    const cases: { fields: string[]; where: string; keep: (event: Event) => boolean }[] = [
      { fields: ['id', 'value'], where: 'value < 60', keep: ({ value }) => value < 60 },
      { fields: ['id', 'value'], where: 'value < 60', keep: ({ value }) => value < 60 },
      { fields: ['id'], where: 'value < 20', keep: ({ value }) => value < 20 },
      { fields: ['id', 'label'], where: 'value BETWEEN 40 AND 80', keep: ({ value }) => value >= 40 && value <= 80 },
      {
        fields: ['label', 'id'],
        where: "label = 'rare' AND id >= 100",
        keep: ({ label, id }) => label === 'rare' && id >= 100,
      },
      { fields: ['id'], where: 'value IN (1, 2, 99)', keep: ({ value }) => [1, 2, 99].includes(value) },
    ];
    const before = reads.begun.length;
    const sent = await together(
      balance,
      cases.map(({ fields, where }) => ({ ...ask, fields, where })),
    );
    for (const [index, id] of sent.entries()) {
      const { fields, keep } = cases[index];
      const delivery = await balance.client.waitForDelivery(id);
      expect(delivery.report.readReason).toMatch(/^one read with .+ and 2 more$/);
      const rows = await rowsOf(delivery);
      expect(ids(rows)).toEqual(ARRIVED.filter(keep).map((event) => event.id));
      expect(Object.keys(rows[0])).toEqual(fields);
      const byId = new Map(ARRIVED.map((event) => [event.id, event]));
      for (const row of rows) {
        for (const field of fields)
          expect(String(row[field])).toBe(String(byId.get(Number(row.id))![field as keyof Event]));
      }
    }
    expect(reads.begun.slice(before)).toHaveLength(1);
  });

  test('a fresh enough result is served from the cache without a read; one that is too old is read again', async () => {
    const request = { ...ask, where: 'value = 42', rows: 9 };
    const { id } = await balance.client.request(request);
    const first = await balance.client.waitForDelivery(id);
    await balance.cycle(); // an hour of event time passes
    const before = reads.begun.length;
    const again = await balance.client.request({ ...request, maxAgeMs: 2 * 3_600_000 });
    const cached = await balance.client.waitForDelivery(again.id);
    expect(cached).toMatchObject({ served: 'cache', digest: first.digest, asOf: first.asOf });
    expect(reads.begun).toHaveLength(before);
    const strict = await balance.client.request({ ...request, maxAgeMs: 60_000 });
    expect((await balance.client.waitForDelivery(strict.id)).served).toBe('read');
    expect(reads.begun).toHaveLength(before + 1);
  });

  test('a pinned version gives what it gave before more rows arrived; a version that is gone is refused', async () => {
    const request = { ...ask, where: 'id >= 2000' };
    const { id } = await balance.client.request(request);
    const first = await balance.client.waitForDelivery(id);
    await balance.cycle();
    const pinned = await balance.client.request({ ...request, version: first.version });
    const newest = await balance.client.request(request);
    const [same, more] = await Promise.all([pinned.id, newest.id].map((one) => balance.client.waitForDelivery(one)));
    expect(same).toMatchObject({ digest: first.digest, rows: first.rows });
    expect(more.rows).toBe(first.rows + 60);
    const gone = await balance.client.request({ ...request, version: 'gone@1' });
    await expect(balance.client.waitForDelivery(gone.id)).rejects.toMatchObject({
      kind: 'refused',
      type: 'VersionGone',
    });
  });
});

describe('what a sender is refused', () => {
  test('an unknown column is named, together with the columns that there are', async () => {
    const { id } = await balance.client.request({ ...ask, fields: ['id', 'nope'] });
    const error = await balance.client.waitForDelivery(id).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'refused', type: 'UnknownColumn' });
    expect((error as Error).message).toMatch(/no column nope.*at, id, label, value, secret/);
  });

  test('a restricted field goes only to a model that may read it, as a field and as a condition', async () => {
    const restricted = { ...ask, fields: ['id', 'secret'], rows: 3 };
    const [no, hidden, yes] = await together(balance, [
      restricted,
      { ...ask, where: "secret = 's1'" },
      { ...restricted, model: 'auditor' },
    ]);
    await expect(balance.client.waitForDelivery(no)).rejects.toMatchObject({ type: 'RestrictedField' });
    await expect(balance.client.waitForDelivery(hidden)).rejects.toMatchObject({ type: 'RestrictedField' });
    const rows = await rowsOf(await balance.client.waitForDelivery(yes));
    expect(rows.every(({ id, secret }) => secret === `s${String(id)}`)).toBe(true);
  });

  test('a request whose deadline passes while it waits expires', async () => {
    await balance.client.pause();
    const { id } = await balance.client.request({ ...ask, deadline: new Date(Date.now() + 60_000) });
    await balance.database.sql`update requests set deadline_at = now() - interval '1 second' where id = ${id}`;
    await balance.client.resume();
    expect(await ended(id)).toMatchObject({ state: 'expired', reason: { type: 'DeadlinePassed' }, delivery: null });
  });

  test('a deadline of the past is refused at once; the same request sent again after its deadline is the same request', async () => {
    const past = { ...ask, deadline: new Date(Date.now() - 1_000), key: 'late' };
    await expect(balance.client.request(past)).rejects.toMatchObject({ kind: 'usage', type: 'DeadlinePassed' });
    const { id } = await balance.client.request({ ...past, deadline: new Date(Date.now() + 60_000) });
    expect(await balance.client.request(past)).toEqual({ id, created: false });
  });

  test('a request that cannot be read does not fail its neighbours', async () => {
    const [good, bad, alsoGood] = await together(balance, [
      { ...ask, where: 'id < 10' },
      { ...ask, where: "value = 'not a number'" },
      { ...ask, where: 'id < 20' },
    ]);
    expect((await balance.client.waitForDelivery(good)).rows).toBe(10);
    expect((await balance.client.waitForDelivery(alsoGood)).rows).toBe(20);
    await expect(balance.client.waitForDelivery(bad)).rejects.toMatchObject({ kind: 'refused', type: 'TypeMismatch' });
  });

  test('a request that nothing matches is told so', async () => {
    const { id } = await balance.client.request({ ...ask, where: 'id < 0' });
    const status = await ended(id);
    expect(status).toMatchObject({ state: 'quarantined', delivery: null, reason: { reason: 'no row matches' } });
  });
});

describe('cancelling', () => {
  test('while pending: cancelled at once, and again changes nothing', async () => {
    await balance.client.pause();
    const { id } = await balance.client.request(ask);
    expect(await balance.client.cancel(id)).toBe('cancelled');
    expect(await balance.client.cancel(id)).toBe('cancelled');
    await balance.client.resume();
    await expect(balance.client.waitForDelivery(id)).rejects.toMatchObject({ kind: 'refused', type: 'Cancelled' });
  });

  test('while its cycle runs: the cycle drops it, its neighbour is served', async () => {
    reads.hold();
    const before = reads.begun.length;
    const [dropped, kept] = await together(balance, [
      { ...ask, where: 'id < 30' },
      { ...ask, where: 'id < 40' },
    ]);
    await until('the read begins', () => reads.begun.length > before);
    expect(await balance.client.cancel(dropped)).toBe('claimed');
    reads.release();
    expect((await balance.client.waitForDelivery(kept)).rows).toBe(40);
    expect(await ended(dropped)).toMatchObject({ state: 'cancelled', delivery: null });
    expect(await balance.client.cancel(kept)).toBe('delivered');
  });

  test('what nobody sent is a usage error', async () => {
    await expect(balance.client.cancel('00000000-0000-4000-8000-000000000000')).rejects.toMatchObject({
      type: 'UnknownRequest',
    });
  });
});
