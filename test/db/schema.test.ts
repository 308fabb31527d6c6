/** The schema keeps wrong states out: each constraint is violated on purpose. Also: migrations, outbox, leases, retention. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { migrateDatabase, openDatabase, type DatabaseHandle } from '../../db/client.js';
import { evictCache, prune } from '../../db/maintenance.js';
import { publishPage, startOutboxRelay, type OutboxMessage } from '../../db/outbox.js';
import { poolSchema } from '../../domain/types/pool.js';
import { startTestPostgres } from '../support/servers.js';

let server: Awaited<ReturnType<typeof startTestPostgres>>;
let database: DatabaseHandle;
beforeAll(async () => {
  server = await startTestPostgres();
  // Several processes start together: the schema is made once.
  await Promise.all([1, 2, 3].map(() => migrateDatabase(server.url)));
  await migrateDatabase(server.url);
  database = openDatabase(server.url, { connectionsMax: 6 });
});
beforeEach(async () => {
  await database.sql`truncate pools, pool_versions, cycles, requests, cache_entries, removed_files, learned, outbox, metric_history cascade`;
});
afterAll(async () => {
  await database.close();
  await server.stop();
});

type Row = Readonly<Record<string, unknown>>;
const key = { tenant: 't', pool: 'p' };
const at = '2020-01-01T00:00:00Z';
const cycleRow = (more: Row = {}): Row => ({
  ...key,
  id: randomUUID(),
  number: 1,
  trigger: 'manual',
  as_of_ms: 0,
  workflow_id: 'w',
  run_id: 'r',
  opened_at: at,
  ...more,
});
const decisionRow = (id: unknown, more: Row = {}): Row => ({
  ...key,
  id,
  pool_version: 1,
  versions: '{}',
  opened_at: at,
  ...more,
});
const requestRow = (more: Row = {}): Row => {
  const id = randomUUID();
  return {
    ...key,
    id,
    kind: 'request',
    model: 'm',
    dataset: 'd',
    fields: '[]',
    predicate: '[]',
    seed: 0,
    priority: 3,
    idempotency_key: id,
    not_before: at,
    created_at: at,
    ...more,
  };
};
const deliveryRow = (request: Row, more: Row = {}): Row => ({
  ...{
    ...key,
    id: request.id,
    request_id: request.id,
    decision_id: randomUUID(),
    model: 'm',
    dataset: 'd',
    path: 'a',
    digest: 'a',
    rows: 1,
    bytes: 1,
    file_bytes: 1,
  },
  ...{
    charged_bytes: 1,
    content_id: 'c',
    as_of_ms: 0,
    verdict: 'pass',
    score: 1,
    served: 'read',
    report: '{}',
    lease_until: at,
    created_at: at,
  },
  ...more,
});
const batchRow = (decision: unknown, more: Row = {}): Row => ({
  ...{
    ...key,
    id: randomUUID(),
    decision_id: decision,
    ordinal: 0,
    source: 's',
    dataset: 'd',
    as_of_ms: 0,
    plan: '{"slices":[]}',
    predicted_bytes: 1,
  },
  ...more,
});

async function insert(table: string, row: Row): Promise<Row> {
  const columns = Object.keys(row);
  const values = columns.map((_, index) => `$${index + 1}`);
  await database.sql.unsafe(
    `insert into ${table} (${columns.join(', ')}) values (${values.join(', ')})`,
    Object.values(row) as string[],
  );
  return row;
}
async function decided(): Promise<string> {
  const { id } = await insert('cycles', cycleRow());
  await insert('decisions', decisionRow(id));
  return id as string;
}

describe('wrong states cannot be stored', () => {
  const cases: [string, string, () => Promise<unknown>][] = [
    ['a cycle of an unknown trigger', 'cycles_trigger', () => insert('cycles', cycleRow({ trigger: 'whim' }))],
    [
      'two cycles of one number',
      'cycles_number',
      async () => [await insert('cycles', cycleRow()), await insert('cycles', cycleRow())],
    ],
    [
      'a decision without its cycle',
      'decisions_tenant_pool_id_cycles',
      () => insert('decisions', decisionRow(randomUUID())),
    ],
    [
      'a closed decision without outcome',
      'decisions_closed_with_outcome',
      async () =>
        insert('decisions', decisionRow((await insert('cycles', cycleRow())).id, { state: 'closed', closed_at: at })),
    ],
    [
      'an open decision with an outcome',
      'decisions_closed_with_outcome',
      async () =>
        insert('decisions', decisionRow((await insert('cycles', cycleRow())).id, { outcome: 'empty', closed_at: at })),
    ],
    [
      'an outcome that there is not',
      'decisions_outcome',
      async () =>
        insert(
          'decisions',
          decisionRow((await insert('cycles', cycleRow())).id, { state: 'closed', outcome: 'fine', closed_at: at }),
        ),
    ],
    [
      'a claimed request without a decision',
      'requests_decided',
      () => insert('requests', requestRow({ state: 'claimed' })),
    ],
    [
      'a delivered request without a decision',
      'requests_decided',
      () => insert('requests', requestRow({ state: 'delivered', closed_at: at })),
    ],
    [
      'an ended request without its time',
      'requests_closed',
      () => insert('requests', requestRow({ state: 'cancelled' })),
    ],
    ['a pending request that is closed', 'requests_closed', () => insert('requests', requestRow({ closed_at: at }))],
    [
      'a request of an unknown state',
      'requests_',
      () => insert('requests', requestRow({ state: 'lost', closed_at: at })),
    ],
    ['a request for no rows', 'requests_rows', () => insert('requests', requestRow({ rows: 0 }))],
    ['a priority out of range', 'requests_priority', () => insert('requests', requestRow({ priority: 6 }))],
    ['a need without its name', 'requests_need', () => insert('requests', requestRow({ kind: 'need' }))],
    ['a request with the name of a need', 'requests_need', () => insert('requests', requestRow({ need_id: 'm/n' }))],
    [
      'one idempotency key twice',
      'requests_idempotency',
      async () => [
        await insert('requests', requestRow({ idempotency_key: 'k' })),
        await insert('requests', requestRow({ idempotency_key: 'k' })),
      ],
    ],
    ['a delivery of no request', 'deliveries_', () => insert('deliveries', deliveryRow(requestRow()))],
    [
      'two deliveries of one request',
      'deliveries_request',
      async () => {
        const request = await insert('requests', requestRow());
        await insert('deliveries', deliveryRow(request));
        await insert('deliveries', deliveryRow(request, { id: randomUUID() }));
      },
    ],
    [
      'a quarantined delivery',
      'deliveries_verdict',
      async () => insert('deliveries', deliveryRow(await insert('requests', requestRow()), { verdict: 'quarantine' })),
    ],
    [
      'a delivery served in an unknown way',
      'deliveries_served',
      async () => insert('deliveries', deliveryRow(await insert('requests', requestRow()), { served: 'magic' })),
    ],
    [
      'a delivery of negative bytes',
      'deliveries_counts',
      async () => insert('deliveries', deliveryRow(await insert('requests', requestRow()), { bytes: -1 })),
    ],
    [
      'a batch that is done without a result',
      'batches_done_with_result',
      async () => insert('batches', batchRow(await decided(), { state: 'done' })),
    ],
    [
      'a batch that failed without an error',
      'batches_failed_with_error',
      async () => insert('batches', batchRow(await decided(), { state: 'failed' })),
    ],
    [
      'a planned batch with a result',
      'batches_done_with_result',
      async () => insert('batches', batchRow(await decided(), { result: '{}' })),
    ],
    [
      'two responses to one request',
      'outbox_once',
      async () => {
        const row = { ...key, kind: 'response', subject: randomUUID(), payload: '{}', created_at: at };
        await insert('outbox', row);
        await insert('outbox', row);
      },
    ],
  ];
  test.each(cases)('%s', async (_, constraint, violate) => {
    const error = (await violate().catch((caught: unknown) => caught)) as { code?: string; constraint_name?: string };
    expect(error).toBeInstanceOf(Error);
    expect(error.code).toMatch(/^23/); // integrity constraint violation
    expect(error.constraint_name).toContain(constraint.replace(/_$/, ''));
  });

  test('every key begins with tenant and pool', async () => {
    const keys = await database.sql<{ tab: string; columns: string }[]>`
      select c.conrelid::regclass::text as tab, string_agg(a.attname, ',' order by k.ordinality) as columns
      from pg_constraint c cross join lateral unnest(c.conkey) with ordinality k(num, ordinality)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num
      where c.contype = 'p' and c.connamespace = 'public'::regnamespace group by 1`;
    const without = keys.filter(({ columns }) => !columns.startsWith('tenant,pool')).map(({ tab }) => tab);
    // The outbox is ordered by its own number; a file of the shared cache belongs to no pool.
    expect(without.sort()).toEqual(['outbox', 'removed_files']);
  });
});

describe('outbox', () => {
  const fill = async (count: number): Promise<void> => {
    for (let index = 0; index < count; index++)
      await insert('outbox', { ...key, kind: 'response', subject: randomUUID(), payload: '{}', created_at: at });
  };
  const left = async () =>
    (await database.sql<{ n: number }[]>`select count(*)::int as n from outbox where published_at is null`)[0].n;
  const drained = async (): Promise<void> => {
    for (let tries = 0; tries < 200 && (await left()) > 0; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
  };

  test('two relays beside each other publish each message once', async () => {
    await fill(60);
    const published: number[] = [];
    const publish = async (messages: readonly OutboxMessage[]): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      published.push(...messages.map(({ id }) => id));
    };
    const other = openDatabase(server.url, { connectionsMax: 2 });
    const relays = [database, other].map((handle) => startOutboxRelay(handle, publish, () => undefined));
    await fill(60);
    await drained();
    await Promise.all(relays.map((relay) => relay.stop()));
    await other.close();
    expect(published).toHaveLength(120);
    expect(new Set(published).size).toBe(120);
  });

  test('a publisher that fails gets the same messages again, in order; nothing is marked meanwhile', async () => {
    await fill(5);
    const failing = publishPage(database.db, () => Promise.reject(new Error('the broker is away')));
    await expect(failing).rejects.toThrow('the broker is away');
    expect(await left()).toBe(5);
    const seen: number[] = [];
    expect(
      await publishPage(database.db, (messages) => Promise.resolve(void seen.push(...messages.map(({ id }) => id)))),
    ).toBe(5);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(await left()).toBe(0);
    expect(await publishPage(database.db, () => Promise.reject(new Error('never called')))).toBe(0);
  });
});

describe('housekeeping', () => {
  const HOUR = 3_600_000;
  const nowMs = Date.parse('2020-06-01T00:00:00Z');
  const iso = (ms: number) => new Date(ms).toISOString();
  const entry = (path: string, usedMs: number) =>
    insert('cache_entries', {
      ...key,
      shape: path,
      ...{ content_id: 'c', as_of_ms: 0, path, file_bytes: 100, slice: '{}' },
      created_at: iso(usedMs),
      used_at: iso(usedMs),
    });

  test('the least recently used go first, until the cache is within its budget; leases and what is in use stay', async () => {
    await entry('old', nowMs - 5 * HOUR);
    await entry('older', nowMs - 6 * HOUR);
    await entry('newer', nowMs - 4 * HOUR);
    await entry('in-use', nowMs - 60_000);
    const request = await insert('requests', requestRow());
    await insert(
      'deliveries',
      deliveryRow(request, {
        path: 'leased',
        file_bytes: 100,
        created_at: iso(nowMs - 9 * HOUR),
        lease_until: iso(nowMs + HOUR),
      }),
    );
    expect(await evictCache(database.db, 500, nowMs)).toEqual([]);
    expect(await evictCache(database.db, 300, nowMs)).toEqual(['older', 'old']);
    // Whatever the budget: a leased file and one in use are never removed.
    expect(await evictCache(database.db, 0, nowMs)).toEqual(['newer']);
    expect(await evictCache(database.db, 0, nowMs + 2 * HOUR)).toEqual(['leased', 'in-use']);
    expect(await evictCache(database.db, 0, nowMs + 2 * HOUR)).toEqual([]);
    const removed = await database.sql<{ path: string }[]>`select path from removed_files order by path`;
    expect(removed.map(({ path }) => path)).toEqual(['in-use', 'leased', 'newer', 'old', 'older']);
  });

  test('what saves little for its size goes first, and what is not used any more is overtaken', async () => {
    const worth = (path: string, value: number) =>
      database.sql`update cache_entries set worth = ${value} where path = ${path}`;
    for (const [path, value] of [
      ['dear', 9],
      ['cheap', 1],
      ['middling', 4],
    ] as const) {
      // The cheap one was used last: age alone would keep it.
      await entry(path, nowMs - (path === 'cheap' ? 4 : 8) * HOUR);
      await worth(path, value);
    }
    // Two workers look at the same time: the excess goes once.
    const evicted = await Promise.all([evictCache(database.db, 200, nowMs), evictCache(database.db, 200, nowMs)]);
    expect(evicted.flat()).toEqual(['cheap']);
    expect(await evictCache(database.db, 100, nowMs)).toEqual(['middling']);
    const [{ clock }] = await database.sql<
      { clock: number }[]
    >`select state::float8 as clock from learned where kind = 'cache-clock'`;
    expect(clock).toBe(4);
  });

  test('retention lets go of what is older than each pool keeps; open requests stay', async () => {
    const definition = poolSchema.parse({
      sources: {},
      datasets: {},
      models: {},
      retention: { decisions: '10d', metrics: '10d' },
    });
    await insert('pools', { ...key, version: 1, definition: JSON.stringify(definition), digest: 'd', base_dir: '/' });
    // The driver quotes text for jsonb: what the store writes is an object.
    await database.sql`update pools set definition = (definition #>> '{}')::jsonb where jsonb_typeof(definition) = 'string'`;
    for (const [number, days] of [
      [1, 20],
      [2, 5],
    ] as const) {
      const closed = iso(nowMs - days * 24 * HOUR);
      const { id } = await insert('cycles', cycleRow({ number, opened_at: closed, closed_at: closed }));
      await insert('decisions', decisionRow(id, { state: 'closed', outcome: 'empty', closed_at: closed }));
      await insert('requests', requestRow({ state: 'refused', closed_at: closed, decision_id: id }));
      await insert('metric_history', {
        ...key,
        metric: 'demand',
        subject: 's',
        at_ms: nowMs - days * 24 * HOUR,
        value: 1,
      });
    }
    await insert('requests', requestRow({ created_at: iso(nowMs - 99 * 24 * HOUR) }));
    expect(await prune(database.db, nowMs)).toMatchObject({ decisions: 1 });
    const [counts] = await database.sql<Record<string, number>[]>`
      select (select count(*)::int from cycles) as cycles, (select count(*)::int from decisions) as decisions,
        (select count(*)::int from requests) as requests, (select count(*)::int from metric_history) as metrics`;
    expect(counts).toEqual({ cycles: 1, decisions: 1, requests: 2, metrics: 1 });
    expect(await prune(database.db, nowMs)).toMatchObject({ decisions: 0 });
  });
});
