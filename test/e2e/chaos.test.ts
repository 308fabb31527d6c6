/** Real processes die in the middle of a cycle: a worker, PostgreSQL, the Temporal server. Nothing is lost, nothing happens twice. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type BalanceClient } from '../../client/index.js';
import { digestOf } from '../../activities/digest.js';
import { migrateDatabase, openDatabase } from '../../db/client.js';
import { createPoolStore } from '../../db/pool-store.js';
import { poolSchema } from '../../domain/types/pool.js';
import { startPostgres, type PostgresServer } from '../../workers/embedded/postgres.js';
import { startTemporal, type TemporalServer } from '../../workers/embedded/temporal.js';
import { startWorker, type RunningWorker } from '../../workers/worker.js';
import { workflowCode, writeCsv } from '../support/balance.js';
import { temporalProgram } from '../support/servers.js';
import { EVENTS, smallPool, until, watchReads, wrongs } from './small-pool.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'balance-chaos-'));
const silent = (): void => undefined;
let postgres: PostgresServer;
let temporal: TemporalServer;
const ref = { tenant: 'default', pool: 'chaos' };
const children: ChildProcess[] = [];

const startDatabase = (port: number) => startPostgres({ instanceDir: join(dir, 'postgres'), port, report: silent });
const startServer = async (port: number) =>
  startTemporal({
    program: await temporalProgram(),
    dataDir: join(dir, 'temporal'),
    port,
    uiPort: false,
    report: silent,
  });
const settings = () => ({
  ...{ databaseUrl: postgres.url, temporalAddress: temporal.address, temporalNamespace: 'default' },
  ...{ taskQueue: 'chaos', cacheDir: join(dir, 'deliveries'), scratchDir: join(dir, 'scratch'), projectRoot: root },
  ...{ memoryBytesMax: 5e8, threads: 2 },
});

beforeAll(async () => {
  [postgres, temporal] = await Promise.all([startDatabase(0), startServer(0)]);
  mkdirSync(join(dir, 'deliveries'));
  writeCsv(join(dir, 'events.csv'), EVENTS as never);
  await migrateDatabase(postgres.url);
  const definition = poolSchema.parse(smallPool(dir));
  const database = openDatabase(postgres.url, { connectionsMax: 1 });
  await createPoolStore(database.db).apply(ref, definition, digestOf(definition), dir);
  await database.close();
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await temporal.stop();
  await postgres.stop();
  rmSync(dir, { recursive: true, force: true });
});

/** What became of everything, by a connection of its own. */
async function check(requests: readonly string[]): Promise<void> {
  const database = openDatabase(postgres.url, { connectionsMax: 1 });
  try {
    expect(await wrongs({ database })).toEqual([]);
    const states = await database.sql<
      { state: string }[]
    >`select state from requests where id in ${database.sql(requests)}`;
    expect(states.map(({ state }) => state)).toEqual(requests.map(() => 'delivered'));
  } finally {
    await database.close();
  }
}
const open = (): Promise<BalanceClient> => connect({ ...settings() }, { ...ref, taskQueue: 'chaos' });
const requests = async (client: BalanceClient, seed: number): Promise<string[]> => {
  const ids: string[] = [];
  for (const model of ['trainer', 'auditor'])
    ids.push((await client.request({ model, dataset: 'events', fields: ['id'], rows: 20, seed })).id);
  return ids;
};

function workerProcess(hold: boolean): { child: ChildProcess; said: (line: string) => Promise<void> } {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(root, 'test/e2e/slow-worker.ts'), JSON.stringify({ ...settings(), hold })],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  children.push(child);
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return { child, said: (line) => until(`the worker says ${line}`, () => lines.includes(line), 60) };
}

test('a worker is killed in the middle of a read: another one finishes its cycle', async () => {
  const client = await open();
  try {
    const first = workerProcess(true);
    await first.said('working');
    const ids = await requests(client, 1);
    await first.said('reading');
    first.child.kill('SIGKILL');
    const second = workerProcess(false);
    const deliveries = await Promise.all(ids.map((id) => client.waitForDelivery(id, { timeoutMs: 90_000 })));
    expect(deliveries.map(({ rows }) => rows)).toEqual([20, 20]);
    await second.said('reading');
    second.child.kill('SIGTERM');
    second.child.kill('SIGKILL');
    await check(ids);
  } finally {
    await client.close();
  }
});

/** Stops a server while a read of a running cycle waits, starts it again, and lets the read go on. */
async function interrupted(seed: number, restart: () => Promise<void>): Promise<void> {
  const reads = watchReads();
  reads.hold();
  const worker: RunningWorker = await startWorker(settings(), {
    onError: silent,
    workflowCode: await workflowCode(),
    replace: reads.replace,
  });
  let client = await open();
  try {
    const ids = await requests(client, seed);
    await until('the read begins', () => reads.begun.length > 0, 60);
    await restart();
    reads.release();
    await client.close();
    client = await open();
    for (const id of ids) expect((await client.waitForDelivery(id, { timeoutMs: 90_000 })).rows).toBe(20);
    await check(ids);
  } finally {
    await client.close();
    await worker.stop();
  }
}

test('PostgreSQL is stopped and started again in the middle of a cycle', () =>
  interrupted(2, async () => {
    await postgres.stop();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    postgres = await startDatabase(postgres.port);
  }));

test('the Temporal server is stopped and started again in the middle of a cycle', () =>
  interrupted(3, async () => {
    await temporal.stop();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    temporal = await startServer(temporal.port);
  }));
