/** A whole Balance for a test: a fresh database, a worker on a task queue of its own, a pool over files that the test writes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { fileURLToPath } from 'node:url';
import { connect, type BalanceClient } from '../../client/index.js';
import { digestOf } from '../../activities/digest.js';
import { replayDecision } from '../../activities/replay.js';
import { createDecisionStore, type Explanation } from '../../db/decision-store.js';
import { migrateDatabase, openDatabase, type DatabaseHandle } from '../../db/client.js';
import { createPoolStore } from '../../db/pool-store.js';
import { STAGES } from '../../domain/decision/stages.js';
import { poolSchema, type PoolDefinition } from '../../domain/types/pool.js';
import { startWorker, type RunningWorker, type WorkerHooks } from '../../workers/worker.js';
import { startTestPostgres, startTestTemporal } from './servers.js';

export const TENANT = 'default';
const PROJECT_ROOT = fileURLToPath(new URL('../../', import.meta.url));

let bundled: Promise<string> | undefined;
/** Bundled once in each test process. */
export function workflowCode(): Promise<string> {
  bundled ??= bundleWorkflowCode({
    workflowsPath: join(PROJECT_ROOT, 'workflows', 'index.ts'),
    logger: { log: noop, trace: noop, debug: noop, info: noop, warn: noop, error: console.error },
  }).then(({ code }) => code);
  return bundled;
}

export interface TestBalance {
  readonly client: BalanceClient;
  readonly database: DatabaseHandle;
  readonly dir: string;
  readonly pool: { readonly tenant: string; readonly pool: string };
  readonly cacheDir: string;
  readonly taskQueue: string;
  readonly temporalAddress: string;
  readonly databaseUrl: string;
  worker: RunningWorker;
  /** Runs one full cycle to its end and explains it. */
  cycle(): Promise<Explanation>;
  /** Waits for a decision that somebody else asked for. */
  closed(decisionId: string): Promise<Explanation>;
  /** Declares another definition; the next cycle uses it. */
  apply(definition: PoolInput): Promise<void>;
  /** Writes a CSV file into the pool's folder. */
  write(name: string, rows: readonly CsvRow[]): void;
  /** Rows of what a need or request got in a decision. */
  rowsOf(explanation: Explanation, idOrNeed: string): Promise<Readonly<Record<string, unknown>>[]>;
  /** Stages of the decision whose stored inputs give another outcome when they are replayed. */
  differences(explanation: Explanation): Promise<string[]>;
  /** Whether the decision has all its stages, and each gives the stored outcome again. */
  replays(explanation: Explanation): Promise<boolean>;
  startWorker(hooks?: Partial<WorkerHooks>): Promise<RunningWorker>;
  stop(): Promise<void>;
}
/** As balance.yaml has it, without the file: durations and sizes as text. */
export type PoolInput = Parameters<typeof poolSchema.parse>[0];

/** A row of a CSV file. */
export type CsvRow = Readonly<Record<string, string | number | boolean | null>>;

let pools = 0;

export async function startBalance(
  definition: (dir: string) => PoolInput,
  hooks: Partial<WorkerHooks> = {},
  options: { readonly noWorker?: boolean } = {},
): Promise<TestBalance> {
  const dir = mkdtempSync(join(tmpdir(), 'balance-pool-'));
  const postgres = await startTestPostgres();
  const { address, taskQueue } = await startTestTemporal();
  await migrateDatabase(postgres.url);
  const database = openDatabase(postgres.url, { connectionsMax: 4 });
  const cacheDir = join(dir, 'deliveries');
  mkdirSync(cacheDir);
  // Workflow ids carry the pool's name: one server serves every test file.
  const ref = { tenant: TENANT, pool: `p${process.pid}-${Date.now().toString(36)}-${pools++}` };
  const apply = async (input: PoolInput): Promise<void> => {
    const parsed: PoolDefinition = poolSchema.parse(input);
    await createPoolStore(database.db).apply(ref, parsed, digestOf(parsed), dir);
  };
  await apply(definition(dir));
  const workers: RunningWorker[] = [];
  const start = async (more: Partial<WorkerHooks> = {}): Promise<RunningWorker> => {
    const settings = {
      databaseUrl: postgres.url,
      temporalAddress: address,
      temporalNamespace: 'default',
      taskQueue,
      cacheDir,
      scratchDir: join(dir, 'scratch'),
      projectRoot: PROJECT_ROOT,
      memoryBytesMax: 5e8,
      threads: 2,
    };
    const worker = await startWorker(settings, {
      onError: process.env.BALANCE_DEBUG === undefined ? noop : (error) => console.error(error),
      workflowCode: await workflowCode(),
      ...hooks,
      ...more,
    });
    workers.push(worker);
    return worker;
  };
  const client = await connect(
    { databaseUrl: postgres.url, temporalAddress: address, cacheDir },
    { ...ref, taskQueue },
  );
  const decisions = createDecisionStore(database.db);
  const closed = async (decisionId: string): Promise<Explanation> => {
    for (let tries = 0; tries < 600; tries++) {
      const [row] = await database.sql`select 1 from decisions where id = ${decisionId} and state = 'closed'`;
      if (row !== undefined) return (await decisions.explain(ref, decisionId)) as Explanation;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`decision ${decisionId} did not close within 60 s`);
  };
  const replayed = async ({ decision: { id } }: Explanation) => {
    const stages = await decisions.decisionStages(ref, id);
    return replayDecision(stages, await decisions.decisionStates(ref, stages));
  };
  const balance: TestBalance = {
    client,
    database,
    dir,
    pool: ref,
    cacheDir,
    taskQueue,
    temporalAddress: address,
    databaseUrl: postgres.url,
    worker: undefined as never,
    closed,
    cycle: async () => closed((await client.balanceNow()).decisionId),
    apply,
    write: (name, rows) => writeCsv(join(dir, name), rows),
    rowsOf: async (explanation, id) => {
      const found = explanation.requests.find((one) => one.id === id || one.needId === id);
      if (found?.delivery == null) throw new Error(`${id} was not delivered: ${JSON.stringify(found)}`);
      const rows: Readonly<Record<string, unknown>>[] = [];
      for await (const row of client.read({ path: join(cacheDir, found.delivery.path) })) rows.push(row);
      return rows;
    },
    differences: async (explanation) =>
      (await replayed(explanation)).filter(({ same }) => !same).map(({ stage }) => stage),
    replays: async (explanation) => {
      const stages = await replayed(explanation);
      return stages.length === STAGES.length && stages.every(({ same }) => same);
    },
    startWorker: start,
    stop: async () => {
      const { client: temporal } = balance.worker.composition;
      await temporal.workflow.getHandle(`balance-loop/${TENANT}/${ref.pool}`).terminate('test over').catch(noop);
      await client.close();
      for (const worker of workers) await worker.stop().catch(noop);
      await database.close();
      await postgres.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  if (options.noWorker !== true) balance.worker = await start();
  return balance;
}

export function writeCsv(path: string, rows: readonly CsvRow[]): void {
  mkdirSync(dirname(path), { recursive: true });
  const columns = Object.keys(rows[0]);
  const cell = (value: CsvRow[string]): string =>
    value === null ? '' : /[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);
  writeFileSync(
    path,
    [columns.join(','), ...rows.map((row) => columns.map((column) => cell(row[column])).join(','))].join('\n') + '\n',
  );
}

function noop(): void {
  return undefined;
}
