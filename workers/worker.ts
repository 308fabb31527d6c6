/** A Balance worker: workflows and activities on one task queue, the outbox relay, housekeeping, orderly shutdown. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  DefaultLogger,
  makeTelemetryFilterString,
  NativeConnection,
  type NativeConnectionOptions,
  Runtime,
  Worker,
  type WorkerOptions,
} from '@temporalio/worker';
import type { ActivityDependencies } from '../activities/dependencies.js';
import { evictCache, EVICTION_GRACE_MS, prune, unreferencedFiles } from '../db/maintenance.js';
import { startOutboxRelay, type Publisher } from '../db/outbox.js';
import { createPoolStore } from '../db/pool-store.js';
import { temporalConnectionOptions } from '../interfaces/model/temporal-connection.js';
import { compose, type Composition, type WorkerSettings } from './compose.js';

/** Activities at the same time: what two database connections each and the data plane's memory bear. */
const ACTIVITIES_MAX = 8;
/**
 * A poller holds one of the slots above while it waits, and a stage starts with the workflow task that schedules it only
 * if a slot is free: as many pollers as slots (the SDK's default) send every stage the long way, through the queue.
 */
const ACTIVITY_POLLERS = 2;
const CACHED_WORKFLOWS_MAX = 100;
/** How often leases, budgets and retention are looked at. */
const HOUSEKEEPING_MS = 60_000;

export interface RunningWorker {
  readonly composition: Composition;
  /** Settles when the worker ends by itself: with its error when it failed. */
  readonly ended: Promise<void>;
  /** Lets running activities end within their grace time, then closes everything. */
  stop(): Promise<void>;
}

export interface WorkerHooks {
  /** Where outbox messages go besides Postgres. */
  readonly publish?: Publisher;
  readonly onError: (error: Error) => void;
  /** Bundled workflow code; default: the build's bundle, else the sources. */
  readonly workflowCode?: string;
  /** Replaces parts of the composition: tests give ports that fail. */
  readonly replace?: (dependencies: ActivityDependencies) => ActivityDependencies;
}

let runtimeInstalled = false;

export async function startWorker(settings: WorkerSettings, options: WorkerHooks): Promise<RunningWorker> {
  if (!runtimeInstalled) {
    // Signals are the composition root's business: it stops servers and workers in order.
    Runtime.install({
      shutdownSignals: [],
      logger: new DefaultLogger('WARN', (entry) => options.onError(new Error(entry.message))),
      telemetryOptions: {
        logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }), forward: {} },
      },
    });
    runtimeInstalled = true;
  }
  const composition = await compose(settings, options.replace);
  const connection = await NativeConnection.connect(
    temporalConnectionOptions(settings.temporalAddress) as NativeConnectionOptions,
  );
  const worker = await Worker.create({
    connection,
    namespace: settings.temporalNamespace,
    taskQueue: settings.taskQueue,
    activities: composition.activities,
    ...(options.workflowCode === undefined ? workflowSource() : { workflowBundle: { code: options.workflowCode } }),
    maxConcurrentActivityTaskExecutions: ACTIVITIES_MAX,
    activityTaskPollerBehavior: { type: 'simple-maximum', maximum: ACTIVITY_POLLERS },
    maxCachedWorkflows: CACHED_WORKFLOWS_MAX,
    shutdownGraceTime: '10s',
    shutdownForceTime: '20s',
  });
  const relay = startOutboxRelay(composition.database, options.publish ?? (() => Promise.resolve()), options.onError);
  const housekeeping = setInterval(
    () => void keepHouse(composition).catch((error: unknown) => options.onError(error as Error)),
    HOUSEKEEPING_MS,
  );
  const running = worker.run();
  const ended = running.catch((error: unknown) => {
    throw error;
  });
  ended.catch(() => undefined);
  let stopping: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    clearInterval(housekeeping);
    if (worker.getState() === 'RUNNING') worker.shutdown();
    await running.catch(() => undefined);
    await relay.stop();
    await connection.close();
    await composition.close();
  };
  return { composition, ended, stop: () => (stopping ??= stop()) };
}

/** The bundle of the build when there is one; the sources while developing and testing. */
function workflowSource(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const bundle = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(bundle)) return { workflowBundle: { codePath: bundle } };
  return { workflowsPath: fileURLToPath(new URL('../workflows/index.ts', import.meta.url)) };
}

/**
 * Evicts cache files beyond the budget (the largest of the pools: they share one cache), prunes what retention lets go
 * and removes files that nothing refers to: a sixteenth of the cache each time, by the first digit of the name.
 */
export async function keepHouse(
  { database, cacheFiles }: Pick<Composition, 'database' | 'cacheFiles'>,
  nowMs = Date.now(),
): Promise<{ evicted: number; pruned: number; orphans: number }> {
  const pools = await createPoolStore(database.db).list();
  const bytesMax = Math.max(...pools.map(({ definition }) => definition.cache.maxBytes), 0);
  if (pools.length === 0) return { evicted: 0, pruned: 0, orphans: 0 };
  const evicted = await evictCache(database.db, bytesMax, nowMs);
  const { decisions, unreferenced } = await prune(database.db, nowMs);
  const beforeMs = nowMs - EVICTION_GRACE_MS;
  await cacheFiles.remove([...evicted, ...unreferenced], beforeMs);
  let orphans = 0;
  const digit = (Math.floor(nowMs / HOUSEKEEPING_MS) % 16).toString(16);
  for await (const paths of cacheFiles.older(digit, beforeMs)) {
    const lost = await unreferencedFiles(database.db, paths);
    await cacheFiles.remove(lost, beforeMs);
    orphans += lost.length;
  }
  return { evicted: evicted.length, pruned: decisions, orphans };
}
