/** What leaves a source while reads run: two workers with real planes, buckets and slots, and a clock beside every piece. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { StageDependencies } from '../../activities/dependencies.js';
import type { DataPlane, MergedReadResult, ReadPace, SliceAsk } from '../../activities/ports.js';
import { createReadBatch } from '../../activities/read-batch.js';
import type { PlannedBatch } from '../../activities/store-ports.js';
import { migrateDatabase, openDatabase } from '../../db/client.js';
import { createPace } from '../../db/pace.js';
import { createScanSlots } from '../../db/scan-slots.js';
import { poolSchema } from '../../domain/types/pool.js';
import { endOfTime, slice, testPlane } from '../interfaces/data/plane-kit.js';
import { startTestPostgres } from '../support/servers.js';

const [ROWS, SLOTS, WINDOW_MS] = [24_000, 2, 200];
const PER_SECOND = { bytes: 400_000, rows: 20_000 };
const BURST = { bytes: (PER_SECOND.bytes * WINDOW_MS) / 1_000, rows: (PER_SECOND.rows * WINDOW_MS) / 1_000 };
const folder = mkdtempSync(join(tmpdir(), 'balance-paced-'));
// Wide rows first: bytes do not leave as rows do.
const textOf = (id: number): string => 'x'.repeat(id < ROWS / 4 ? 60 : 1 + (id % 7));
const lines = Array.from({ length: ROWS }, (_, id) => `${id},${id % 5},${textOf(id)}`);

const env: Record<string, string> = {};
const planes = [await testPlane(env), await testPlane(env)];
let server: Awaited<ReturnType<typeof startTestPostgres>>;
let sql: postgres.Sql;
beforeAll(async () => {
  server = await startTestPostgres();
  env.SERVER_URL = server.url;
  await migrateDatabase(server.url);
  writeFileSync(join(folder, 'events.csv'), `id,class,text\n${lines.join('\n')}\n`);
  sql = postgres(server.url, { onnotice: () => undefined });
  await sql`create table events (id int primary key, class int, text text)`;
  await sql`insert into events select i, i % 5, repeat('x', case when i < ${ROWS / 4} then 60 else 1 + i % 7 end) from generate_series(0, ${ROWS - 1}) i`;
});
afterAll(async () => {
  await sql.end();
  await server.stop();
});

/** `stopped`: what a bucket of the same size loses does not come back within the test. */
type Kind = 'files' | 'postgres' | 'stopped';

function definition(kind: Kind) {
  const { bytes, rows } = PER_SECOND;
  const per = kind === 'stopped' ? bytes : 1;
  const limits = { bytesPerSecond: `${bytes / per}B`, rowsPerSecond: Math.max(1, rows / per), scansAtOnce: SLOTS };
  const source = kind === 'postgres' ? { kind, url: '${SERVER_URL}' } : { kind: 'files' as const, root: folder };
  const at = kind !== 'postgres' ? { path: 'events.csv' } : { table: 'events' };
  return poolSchema.parse({
    window: `${WINDOW_MS * per}ms`,
    sources: { lake: { ...source, limits } },
    datasets: { events: { source: 'lake', ...at, key: ['id'] } },
    models: {},
  });
}

interface Foreseen {
  readonly bytes: number;
  readonly rows: number;
}
/** One attempt of a worker to read. */
interface Attempt extends Foreseen {
  readonly slices: readonly SliceAsk[];
  readonly environment?: MockActivityEnvironment;
}

/** A worker whose reads are those of `data`. */
function worker(pool: string, data: Pick<DataPlane, 'read'>, kind: Kind) {
  const database = openDatabase(server.url);
  const slots = createScanSlots(server.url);
  const readOnce = async ({ slices, bytes, rows, environment }: Attempt): Promise<MergedReadResult> => {
    let stored: MergedReadResult | undefined;
    const plan = { batchId: 'b', dataset: 'events', source: 'lake', asOfMs: endOfTime, contentId: null, slices };
    const deps = {
      now: () => Date.now(),
      contextOf: () => {
        const rests = { resting: {} };
        return Promise.resolve({ tenant: 't', pool, decisionId: 'd', definition: definition(kind), items: [], rests });
      },
      batches: {
        find: () =>
          Promise.resolve({
            state: 'planned',
            plan: { ...plan, predictedBytes: bytes, predictedRows: rows } as unknown as PlannedBatch,
          }),
        late: () => Promise.resolve([]),
        wanted: () => Promise.resolve(true),
        done: (_ref: unknown, _id: unknown, result: MergedReadResult) => Promise.resolve((stored = result)),
      },
      scanSlots: slots,
      pace: createPace(database.db),
      data,
    } as unknown as StageDependencies;
    const { readBatch } = createReadBatch(deps);
    const ref = { tenant: 't', pool, decisionId: 'd', batchId: 'b' };
    await (environment ?? new MockActivityEnvironment()).run(readBatch, ref);
    return stored!;
  };
  return { readOnce, close: () => Promise.all([slots.close(), database.close()]) };
}

/** Something that has left the source. */
interface Left {
  readonly atMs: number;
  readonly rows: number;
  readonly bytes: number;
}

/** A plane that tells, by the database's clock, what leaves the source when; of an unpaced read all when it ends. */
function watched(plane: DataPlane, left: Left[]): Pick<DataPlane, 'read'> {
  const tell = async (rows: number, bytes: number): Promise<void> => {
    const [{ ms }] = await sql<{ ms: number }[]>`select extract(epoch from clock_timestamp())::float8 * 1000 as ms`;
    left.push({ atMs: ms, rows, bytes });
  };
  return {
    read: async (read, signal, joining, pace) => {
      const result = await plane.read(
        read,
        signal,
        joining,
        pace && {
          ...{ rows: pace.rows, bytes: pace.bytes },
          onward: async (rows, bytes) => {
            await tell(rows, bytes);
            await pace.onward(rows, bytes);
          },
        },
      );
      if (pace === undefined) await tell(result.rowsRead, result.bytesRead);
      return result;
    },
  };
}

/** The most that left in any interval beyond the limit's part of it. */
function excessOf(left: readonly Left[], name: 'bytes' | 'rows'): number {
  const sorted = [...left].sort((a, b) => a.atMs - b.atMs);
  return Math.max(
    ...sorted.map(({ atMs: fromMs }, first) => {
      let sum = 0;
      return Math.max(
        ...sorted.slice(first).map((one) => {
          sum += one[name];
          return sum - (PER_SECOND[name] * (one.atMs - fromMs)) / 1_000;
        }),
      );
    }),
  );
}

const everything: Attempt = {
  slices: [slice('all', { fields: ['id', 'text'] })],
  rows: ROWS,
  bytes: lines.reduce((sum, _, id) => sum + 8 + textOf(id).length, 0),
};
const sample = (rows: number, seed: number): Attempt => ({
  slices: [slice(`s${seed}`, { fields: ['id'], rows, seed })],
  rows,
  bytes: 8 * rows,
});
const classes: Attempt = {
  slices: [0, 1].map((value) => {
    return slice(`c${value}`, { fields: ['id', 'class'], where: [{ column: 'class', op: '=', value }], rows: 2_000 });
  }),
  rows: 4_000,
  bytes: 64_000,
};

describe.each(['files', 'postgres'] as const)('reads of two workers from %s', (kind) => {
  test('in any interval: the limit, the burst, an eighth of it, and a piece of each scan; the rows are the same', async () => {
    const left: Left[] = [];
    const workers = planes.map(({ plane }) => worker(`paced ${kind}`, watched(plane, left), kind));
    // Larger than the bucket, a sample of the same size, two parts by class, and some that are read at once.
    const attempts = [
      everything,
      sample(9_000, 1),
      classes,
      ...Array.from({ length: 8 }, (_, nth) => sample(90 + nth, 10 + nth)),
    ];
    const results = await Promise.all(attempts.map((attempt, nth) => workers[nth % 2].readOnce(attempt)));
    const sum = (name: 'bytes' | 'rows'): number => left.reduce((total, one) => total + one[name], 0);
    for (const [name, done] of [
      ['rows', 'rowsRead'],
      ['bytes', 'bytesRead'],
    ] as const) {
      const piece = Math.max(...left.map((one) => one[name]));
      expect(excessOf(left, name)).toBeLessThanOrEqual(BURST[name] * (1 + 1 / 8) + SLOTS * piece);
      // What was told is what was read: to a row where all is taken, as foreseen where a part is.
      expect(sum(name)).toBeCloseTo(
        results.reduce((total, one) => total + one[done], 0),
        3,
      );
      expect(piece).toBeLessThan(BURST[name] * 2);
    }
    const free = worker(`free ${kind}`, { read: (read, signal) => planes[0].plane.read(read, signal) }, kind);
    for (const [nth, attempt] of attempts.slice(0, 3).entries()) {
      const again = await free.readOnce(attempt);
      expect(results[nth].slices.map(({ path }) => path)).toEqual(again.slices.map(({ path }) => path));
      expect([results[nth].rowsRead, results[nth].bytesRead]).toEqual([again.rowsRead, again.bytesRead]);
    }
    await Promise.all([...workers, free].map((one) => one.close()));
  });
});

describe('many reads that are each too small to be paced', () => {
  const EACH = 200;
  // Less than a portion each, three buckets in sum.
  const many = (foreseen: Foreseen): Attempt[] =>
    Array.from({ length: (3 * BURST.rows) / EACH }, (_, nth) => ({ ...sample(EACH, 100 + nth), ...foreseen }));

  test.each([
    ['as they are', { rows: EACH, bytes: 8 * EACH }],
    ['far too small', { rows: 1, bytes: 8 }],
    ['as nothing at all', { rows: 0, bytes: 0 }],
  ])(
    'foreseen %s, together keep to the limit: what was foreseen wrongly is owed before the next begins',
    async (name, foreseen) => {
      const left: Left[] = [];
      const pool = `small ${name}`;
      const workers = planes.map(({ plane }) => worker(pool, watched(plane, left), 'files'));
      await Promise.all(many(foreseen).map((attempt, nth) => workers[nth % 2].readOnce(attempt)));
      expect(left.reduce((sum, { rows }) => sum + rows, 0)).toBe(3 * BURST.rows);
      expect(excessOf(left, 'rows')).toBeLessThanOrEqual(BURST.rows * (1 + 1 / 8) + SLOTS * EACH);
      expect(excessOf(left, 'bytes')).toBeLessThanOrEqual(BURST.bytes * (1 + 1 / 8) + SLOTS * 8 * EACH);
      await Promise.all(workers.map((one) => one.close()));
    },
  );
});

describe('a read that ends early', () => {
  const level = async (pool: string): Promise<number> => {
    const [row] = await sql<{ tokens: number }[]>`
      select tokens from budgets where pool = ${pool} and resource = 'pace:bytes:lake'`;
    return row.tokens;
  };
  const large = { slices: [], rows: 1, bytes: BURST.bytes * 4 };

  test('gives back what is not known to have left, and its failure is told', async () => {
    let lose = 0;
    const failing = async (_read: unknown, _signal: unknown, _joining: unknown, pace?: ReadPace) => {
      if (lose > 0) await pace!.onward(0, lose);
      throw new Error('no such file');
    };
    const one = worker('failing', { read: failing }, 'stopped');
    await expect(one.readOnce(large)).rejects.toThrow('no such file');
    expect(await level('failing')).toBe(BURST.bytes);
    lose = BURST.bytes / 2;
    await expect(one.readOnce(large)).rejects.toThrow('no such file');
    // Within a minute's refill, a byte a second.
    expect(Math.abs((await level('failing')) - lose)).toBeLessThan(60);
    await one.close();
  });

  test('on being cancelled while it waits between two pieces: its slot is free', async () => {
    const environment = new MockActivityEnvironment();
    let pieces = 0;
    const endless: DataPlane['read'] = async (_read, _signal, _joining, pace) => {
      for (;;) {
        // The first piece empties the bucket: whoever waits after the second is called off.
        if (++pieces === 2) environment.cancel('CANCELLED');
        await pace!.onward(0, BURST.bytes);
      }
    };
    const one = worker('cancelled', { read: endless }, 'stopped');
    await expect(one.readOnce({ ...large, environment })).rejects.toMatchObject({ kind: 'interrupted' });
    expect(pieces).toBe(2);
    // All slots at once, of another worker.
    const slots = createScanSlots(server.url);
    const never = new AbortController().signal;
    let held = 0;
    let open = (): void => undefined;
    const both = new Promise<void>((resolve) => (open = resolve));
    const hold = () =>
      slots.hold('t/cancelled/lake', SLOTS, async () => (++held === SLOTS ? open() : undefined, both), never);
    await Promise.all(Array.from({ length: SLOTS }, hold));
    await slots.close();
    await one.close();
  });
});
