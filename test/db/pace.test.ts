/** What leaves a source is limited at every instant, whoever reads. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { migrateDatabase, openDatabase } from '../../db/client.js';
import { createPace } from '../../db/pace.js';
import { startTestPostgres } from '../support/servers.js';

let server: Awaited<ReturnType<typeof startTestPostgres>>;
beforeAll(async () => {
  server = await startTestPostgres();
  await migrateDatabase(server.url);
});
afterAll(() => server.stop());

const never = new AbortController().signal;
const bytes = { resource: 'bytes:lake', perSecond: 20_000, burst: 2_000 };
const rows = { resource: 'rows:lake', perSecond: 1_000, burst: 150 };

test('two workers: in no interval more than the limit and the declared burst, in bytes and in rows', async () => {
  const workers = [openDatabase(server.url), openDatabase(server.url)];
  const pool = { tenant: 't', pool: 'paced' };
  const begun: { atMs: number; bytes: number; rows: number }[] = [];
  // Sixty reads of all sizes up to the burst, thirty of each worker, all at once: three seconds of the limit.
  const sizes = Array.from({ length: 60 }, (_, index) => ({
    bytes: 100 + ((index * 617) % 1_900),
    rows: (index * 37) % 150,
  }));
  await Promise.all(
    sizes.map(async (size, index) => {
      const charges = [
        { ...bytes, amount: size.bytes },
        { ...rows, amount: size.rows },
      ];
      const atMs = await createPace(workers[index % 2].db).take(pool, charges, never);
      begun.push({ atMs: atMs!, ...size });
    }),
  );
  begun.sort((a, b) => a.atMs - b.atMs);
  const excess = (name: 'bytes' | 'rows', { perSecond, burst }: typeof bytes): number =>
    Math.max(
      ...begun.flatMap((_, from) =>
        begun.slice(from).map((last, count) => {
          const sum = begun.slice(from, from + count + 1).reduce((total, one) => total + one[name], 0);
          return sum - burst - (perSecond * (last.atMs - begun[from].atMs)) / 1_000;
        }),
      ),
    );
  // Times are kept to the microsecond.
  expect(excess('bytes', bytes)).toBeLessThanOrEqual(1);
  expect(excess('rows', rows)).toBeLessThanOrEqual(1);
  const total = begun.reduce((sum, one) => sum + one.bytes, 0);
  expect(begun.at(-1)!.atMs - begun[0].atMs).toBeGreaterThanOrEqual(
    ((total - 2 * bytes.burst) / bytes.perSecond) * 1_000,
  );
  await Promise.all(workers.map((worker) => worker.close()));
});

test('what was taken beyond the charge delays the next; what was not taken does not; a wait can be cancelled', async () => {
  const database = openDatabase(server.url);
  const pace = createPace(database.db);
  const pool = { tenant: 't', pool: 'settled' };
  const take = (amount: number, signal = never) => pace.take(pool, [{ ...bytes, perSecond: 10, amount }], signal);
  await take(2_000);
  await pace.settle(pool, [{ ...bytes, amount: -2_000 }]);
  // All of it was given back: at once again, and then nothing for 200 seconds.
  await take(2_000);
  await expect(take(2_000, AbortSignal.timeout(50))).rejects.toMatchObject({
    kind: 'interrupted',
    type: 'Interrupted',
  });
  expect(await pace.take(pool, [], never)).toBeNull();
  await database.close();
});
