/** What leaves a source while reads run: by the real buckets and slots of two workers, over a source that tells when. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import { createReadBatch } from '../../activities/read-batch.js';
import type { PlannedBatch } from '../../activities/store-ports.js';
import { migrateDatabase, openDatabase, type DatabaseHandle } from '../../db/client.js';
import { createPace } from '../../db/pace.js';
import { createScanSlots } from '../../db/scan-slots.js';
import { poolSchema } from '../../domain/types/pool.js';
import { startTestPostgres } from '../support/servers.js';

const [PER_SECOND, WINDOW_MS, SLOTS] = [40_000, 200, 2];
const BURST = (PER_SECOND * WINDOW_MS) / 1_000;
const definition = poolSchema.parse({
  window: `${WINDOW_MS}ms`,
  sources: { lake: { kind: 'files', root: '.', limits: { bytesPerSecond: `${PER_SECOND}B`, scansAtOnce: SLOTS } } },
  datasets: { events: { source: 'lake', path: 'events.csv' } },
  models: {},
});

let server: Awaited<ReturnType<typeof startTestPostgres>>;
beforeAll(async () => {
  server = await startTestPostgres();
  await migrateDatabase(server.url);
});
afterAll(() => server.stop());

/** One read: when its bytes were taken from the bucket (the database's time), and when it had ended. */
interface Seen {
  readonly bytes: number;
  readonly takenMs: number;
  endedMs: number;
}

/** A worker whose source takes `serve` for a read, and what it did. */
function worker(pool: string, database: DatabaseHandle, seen: Seen[], serve: (read: Seen) => Promise<void>) {
  const slots = createScanSlots(server.url);
  const pace = createPace(database.db);
  const clock = async (): Promise<number> => {
    const [row] = await database.sql<
      { ms: number }[]
    >`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`;
    return row.ms;
  };
  const readOnce = async (bytes: number): Promise<void> => {
    let current: Seen | undefined;
    const plan = { batchId: 'b', dataset: 'events', source: 'lake', asOfMs: 0, contentId: null, slices: [] };
    const deps = {
      now: () => Date.now(),
      contextOf: () => Promise.resolve({ tenant: 't', pool, decisionId: 'd', definition, baseDir: '/' }),
      batches: {
        find: () =>
          Promise.resolve({
            state: 'planned',
            plan: { ...plan, predictedBytes: bytes, predictedRows: 1 } as unknown as PlannedBatch,
          }),
        done: () => Promise.resolve(),
      },
      scanSlots: slots,
      pace: {
        ...pace,
        take: async (...args: Parameters<typeof pace.take>) => {
          const takenMs = await pace.take(...args);
          current = { bytes, takenMs: takenMs!, endedMs: Infinity };
          seen.push(current);
          return takenMs;
        },
      },
      data: {
        read: async () => {
          await serve(current!);
          current!.endedMs = await clock();
          return { id: 'b', contentId: '', rowsRead: 1, bytesRead: bytes, slices: [] };
        },
      },
    } as unknown as StageDependencies;
    const { readBatch } = createReadBatch(deps);
    await new MockActivityEnvironment().run(readBatch, { tenant: 't', pool, decisionId: 'd', batchId: 'b' });
  };
  return { readOnce, close: () => slots.close() };
}

describe('reads of two workers', () => {
  test('bytes that leave in any interval: at most the limit, the burst, and what its first running reads had taken', async () => {
    const databases = [openDatabase(server.url), openDatabase(server.url)];
    const seen: Seen[] = [];
    let running = 0;
    const most = { running: 0 };
    // Slow and quick reads: a slow one lets the bucket refill while its bytes are still to leave.
    const serve = async ({ bytes }: Seen): Promise<void> => {
      most.running = Math.max(most.running, ++running);
      for (let turn = 0; turn < (bytes % 3) * 20; turn++) await databases[0].sql`select pg_sleep(0.005)`;
      running -= 1;
    };
    const workers = databases.map((database) => worker('paced', database, seen, serve));
    const sizes = Array.from({ length: 40 }, (_, index) => 200 + ((index * 1_733) % (BURST - 200)));
    await Promise.all(sizes.map((bytes, index) => workers[index % 2].readOnce(bytes)));
    expect(seen).toHaveLength(sizes.length);
    expect(most.running).toBeLessThanOrEqual(SLOTS);

    const during = (fromMs: number): Seen[] =>
      seen.filter(({ takenMs, endedMs }) => takenMs < fromMs && endedMs >= fromMs);
    // Whoever holds tokens has a slot: never more than there are.
    for (const { takenMs } of seen) expect(during(takenMs).length).toBeLessThan(SLOTS);
    const ends = seen.map(({ endedMs }) => endedMs).sort((a, b) => a - b);
    const sum = (some: readonly Seen[]): number => some.reduce((total, { bytes }) => total + bytes, 0);
    const excess = ends.flatMap((fromMs, index) =>
      ends.slice(index).map((toMs) => {
        // The worst that can be: all bytes of a read leave as it ends.
        const left = sum(seen.filter(({ endedMs }) => endedMs >= fromMs && endedMs <= toMs));
        return left - BURST - (PER_SECOND * (toMs - fromMs)) / 1_000 - sum(during(fromMs));
      }),
    );
    expect(Math.max(...excess)).toBeLessThanOrEqual(1);
    await Promise.all(workers.map((one) => one.close()));
    await Promise.all(databases.map((database) => database.close()));
  });

  test('a read that fails gives back what it had taken, and its failure is told', async () => {
    const database = openDatabase(server.url);
    const seen: Seen[] = [];
    let fail = true;
    const one = worker('failing', database, seen, () =>
      fail ? Promise.reject(new Error('no such file')) : Promise.resolve(),
    );
    const level = async (): Promise<number> => {
      const [row] = await database.sql<
        { tokens: number }[]
      >`select tokens from budgets where pool = 'failing' and resource = 'pace:bytes:lake'`;
      return row.tokens;
    };
    await expect(one.readOnce(BURST)).rejects.toThrow('no such file');
    expect(await level()).toBe(BURST);
    fail = false;
    await one.readOnce(BURST);
    expect(await level()).toBe(0);
    await one.close();
    await database.close();
  });
});
