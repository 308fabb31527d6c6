/** What `balance up` and `balance worker` do: servers, schema, configuration, worker, first cycle, orderly end. */
import { availableParallelism } from 'node:os';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createDecisionStore, type Explanation } from '../db/decision-store.js';
import { migrateDatabase, openDatabase, type DatabaseHandle } from '../db/client.js';
import { PUBLISHED_CHANNEL } from '../db/outbox.js';
import { BalanceError, EXIT_CODES } from '../domain/types/errors.js';
import type { PoolRef } from '../domain/types/pool.js';
import { loadConfig, type LoadedConfig } from '../interfaces/config/load.js';
import { createScheduleClient } from '../interfaces/model/schedules.js';
import { applyConfig } from '../workers/apply.js';
import type { WorkerSettings } from '../workers/compose.js';
import { writeEndpoints } from '../workers/embedded/endpoints.js';
import { startEmbedded, type Embedded } from '../workers/embedded/index.js';
import { stateDir } from '../workers/embedded/processes.js';
import { startWorker, type RunningWorker } from '../workers/worker.js';
import { TASK_QUEUE } from '../workflows/contract.js';
import { printJson } from './command.js';
import { followDecision } from './progress.js';
import { renderDecision } from './render.js';

export interface UpSettings {
  readonly projectDir: string;
  readonly packageRoot: string;
  readonly configPath: string;
  readonly once: boolean;
  readonly json: boolean;
}

/** Memory that the data plane may use: beyond it, DuckDB spills to disk. */
const DATA_PLANE_BYTES = 1e9;
const FIRST_CYCLE_TIMEOUT_MS = 300_000;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

export async function runUp(settings: UpSettings): Promise<number> {
  const loaded = loadConfig(settings.configPath);
  const interrupted = onInterrupt();
  const started: (() => Promise<void>)[] = [];
  try {
    const embedded = await startEmbedded(settings.projectDir, say);
    started.push(() => embedded.stop());
    interrupted.throwIfSet();
    const worker = await startWork(settings, embedded, loaded);
    started.push(() => worker.stop());
    interrupted.throwIfSet();
    const pools = Object.entries(loaded.config.pools).map(([pool, { tenant }]): PoolRef => ({ tenant, pool }));
    await firstCycles(settings, embedded, worker, pools, interrupted.signal);
    if (settings.once) return 0;
    await stayUp(embedded, worker, loaded, interrupted.signal);
    return interrupted.signal.aborted ? EXIT_CODES.interrupted : 0;
  } finally {
    if (!settings.once && started.length > 0) say('stopping');
    for (const stop of started.reverse())
      await stop().catch((error: unknown) => say(`while stopping: ${(error as Error).message}`));
    interrupted.release();
  }
}

/** A worker beside servers that somebody else runs: what the compose file starts. */
export async function runWorker(
  settings: Pick<UpSettings, 'projectDir' | 'packageRoot'> & { readonly configPath: string | null },
): Promise<number> {
  const {
    DATABASE_URL: databaseUrl,
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: temporalNamespace = 'default',
    BALANCE_DELIVERIES_DIR: cacheDir,
  } = process.env;
  if (!databaseUrl || !temporalAddress || !cacheDir) {
    throw new BalanceError('usage', {
      type: 'MissingEnvironment',
      message: 'a worker needs to know its servers',
      expected: 'DATABASE_URL, TEMPORAL_ADDRESS and BALANCE_DELIVERIES_DIR',
      got: 'not all of them are set',
      hint: 'For servers of its own, run `balance up`.',
    });
  }
  const interrupted = onInterrupt();
  await migrateDatabase(databaseUrl);
  const worker = await startWorker(
    workerSettings(settings, { databaseUrl, temporalAddress, temporalNamespace }, cacheDir),
    { onError: (error) => say(`worker: ${error.message}`) },
  );
  try {
    if (settings.configPath !== null) {
      const loaded = loadConfig(settings.configPath);
      await applyConfig(worker.composition.database, loaded, {
        projectRoot: settings.packageRoot,
        env: { ...process.env, DATABASE_URL: databaseUrl },
      });
      await ensureRunning(worker, loaded);
    }
    say(`worker on ${temporalAddress}, task queue ${TASK_QUEUE}`);
    await Promise.race([worker.ended, aborted(interrupted.signal)]);
    return interrupted.signal.aborted ? EXIT_CODES.interrupted : 0;
  } finally {
    say('stopping');
    await worker.stop();
    interrupted.release();
  }
}

async function startWork(settings: UpSettings, embedded: Embedded, loaded: LoadedConfig): Promise<RunningWorker> {
  await migrateDatabase(embedded.databaseUrl);
  const cacheDir = join(stateDir(settings.projectDir), 'deliveries');
  mkdirSync(cacheDir, { recursive: true });
  const database = openDatabase(embedded.databaseUrl, { connectionsMax: 1 });
  try {
    await applyConfig(database, loaded, {
      projectRoot: settings.packageRoot,
      env: { ...process.env, DATABASE_URL: embedded.databaseUrl },
    });
  } finally {
    await database.close();
  }
  const worker = await startWorker(workerSettings(settings, embedded, cacheDir), {
    onError: (error) => say(`worker: ${error.message}`),
  });
  writeEndpoints(settings.projectDir, {
    pid: process.pid,
    startedAt: new Date().toISOString(),
    temporalAddress: embedded.temporalAddress,
    temporalNamespace: embedded.temporalNamespace,
    ...(embedded.temporalUiUrl === undefined ? {} : { temporalUiUrl: embedded.temporalUiUrl }),
    databaseUrl: embedded.databaseUrl,
    cacheDir,
    dataDir: stateDir(settings.projectDir),
  });
  return worker;
}

function workerSettings(
  { projectDir, packageRoot }: Pick<UpSettings, 'projectDir' | 'packageRoot'>,
  servers: Pick<WorkerSettings, 'databaseUrl' | 'temporalAddress' | 'temporalNamespace'>,
  cacheDir: string,
): WorkerSettings {
  const { databaseUrl, temporalAddress, temporalNamespace } = servers;
  return {
    databaseUrl,
    temporalAddress,
    temporalNamespace,
    taskQueue: TASK_QUEUE,
    cacheDir,
    scratchDir: join(stateDir(projectDir), 'scratch'),
    projectRoot: packageRoot,
    memoryBytesMax: DATA_PLANE_BYTES,
    threads: availableParallelism(),
  };
}

/** One full cycle of each pool, followed stage by stage and told in full. */
async function firstCycles(
  settings: UpSettings,
  embedded: Embedded,
  worker: RunningWorker,
  pools: readonly PoolRef[],
  signal: AbortSignal,
): Promise<void> {
  const { loops, database } = worker.composition;
  for (const pool of pools) {
    say(`pool ${pool.pool}: running a cycle`);
    const { decisionId } = await loops.balanceNow(pool, { trigger: 'manual', asOfMs: null });
    await followDecision(database, pool, decisionId, {
      timeoutMs: FIRST_CYCLE_TIMEOUT_MS,
      quiet: settings.json,
      signal,
    });
    const explanation = (await createDecisionStore(database.db).explain(pool, decisionId)) as Explanation;
    if (settings.json) printJson(explanation);
    else
      process.stdout.write(
        renderDecision(explanation, {
          cacheDir: join(stateDir(settings.projectDir), 'deliveries'),
          namespace: embedded.temporalNamespace,
          ...(settings.once || embedded.temporalUiUrl === undefined ? {} : { uiUrl: embedded.temporalUiUrl }),
        }),
      );
  }
}

async function ensureRunning(worker: RunningWorker, loaded: LoadedConfig): Promise<void> {
  const schedules = createScheduleClient(worker.composition.client);
  for (const [pool, definition] of Object.entries(loaded.config.pools)) {
    const ref = { tenant: definition.tenant, pool };
    await worker.composition.loops.ensure(ref);
    for (const schedule of definition.schedules) await schedules.put(ref, schedule);
  }
}

async function stayUp(
  embedded: Embedded,
  worker: RunningWorker,
  loaded: LoadedConfig,
  signal: AbortSignal,
): Promise<void> {
  await ensureRunning(worker, loaded);
  const stopTelling = await tellDecisions(worker.composition.database);
  if (embedded.temporalUiUrl !== undefined) say(`Temporal Web UI  ${embedded.temporalUiUrl}`);
  say(
    'up: further cycles run on their schedules and when requests come (balance request --help). Ctrl-C stops everything.',
  );
  const died = embedded.died.then((name) => {
    throw new BalanceError('unreachable', {
      type: 'ServerDied',
      message: `${name} ended by itself`,
      hint: 'Its log is in .balance; start again with `balance up`: nothing is lost.',
    });
  });
  try {
    await Promise.race([worker.ended, died, aborted(signal)]);
  } finally {
    await stopTelling();
  }
}

/** A line for every decision that is published while we are up. */
async function tellDecisions(database: DatabaseHandle): Promise<() => Promise<void>> {
  const subscription = await database.sql.listen(PUBLISHED_CHANNEL, (payload) => {
    const [tenant, pool, kind, id] = payload.split('/');
    if (kind !== 'decision') return;
    void database.sql<{ number: number; outcome: string; summary: string }[]>`
      select c.number, d.outcome, d.summary from decisions d join cycles c using (tenant, pool, id)
      where tenant = ${tenant} and pool = ${pool} and id = ${id}`.then(
      ([row]) =>
        row !== undefined &&
        say(`cycle ${row.number} of ${pool}: ${row.outcome}. ${row.summary}  (balance explain ${id})`),
      () => undefined,
    );
  });
  return () => subscription.unlisten().catch(() => undefined);
}

interface Interrupt {
  readonly signal: AbortSignal;
  throwIfSet(): void;
  release(): void;
}

/** A closed terminal (SIGHUP) is an end like any other. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** SIGINT and SIGTERM end the wait, not the process: everything that was started is stopped in order first. */
function onInterrupt(): Interrupt {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  for (const name of STOP_SIGNALS) process.on(name, stop);
  return {
    signal: controller.signal,
    throwIfSet: () => {
      if (controller.signal.aborted)
        throw new BalanceError('interrupted', { type: 'Interrupted', message: 'interrupted while starting' });
    },
    release: () => {
      for (const name of STOP_SIGNALS) process.off(name, stop);
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
