/** The composition root: wires stores, data plane and Temporal into activities. Configuration is parsed once, here. */
import { createRequire } from 'node:module';
import { Client } from '@temporalio/client';
import { createActivities, type Activities } from '../activities/create.js';
import type { ActivityDependencies } from '../activities/dependencies.js';
import { createCloseStore } from '../db/close-store.js';
import { createCycleStore } from '../db/cycle-store.js';
import { createHistoryStore, createSeriesStore } from '../db/history-store.js';
import { createRecurrenceStore } from '../db/recurrence-store.js';
import { createPace } from '../db/pace.js';
import { createRequestGate } from '../db/release-store.js';
import { createScanSlots } from '../db/scan-slots.js';
import { createBatchStore } from '../db/batch-store.js';
import { createPlanStore, createStageStore } from '../db/stage-store.js';
import { openDatabase, type DatabaseHandle } from '../db/client.js';
import { defaultAnalyzers } from '../domain/analyzers/registry.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine, type Engine } from '../interfaces/data/engine.js';
import { fileCache, type FileCache } from '../interfaces/data/file-cache.js';
import { createSliceFiles } from '../interfaces/data/slice-files.js';
import { connectTemporal } from '../interfaces/model/temporal-connection.js';
import { createLoopClient, type LoopClient } from '../interfaces/model/loop-gateway.js';
import { loadPredictors } from './predictor-plugins.js';

const require = createRequire(import.meta.url);

/** Where a worker finds everything. Absolute paths. */
export interface WorkerSettings {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  readonly taskQueue: string;
  readonly cacheDir: string;
  /** Scratch space of the data plane. */
  readonly scratchDir: string;
  /** Folder whose node_modules `package:` roots point into. */
  readonly projectRoot: string;
  /** Memory that the data plane may use, in bytes. */
  readonly memoryBytesMax: number;
  readonly threads: number;
}

export interface Composition {
  readonly activities: Activities;
  readonly database: DatabaseHandle;
  readonly cacheFiles: FileCache;
  readonly loops: LoopClient;
  readonly client: Client;
  close(): Promise<void>;
}

/** Versions of everything that a decision depends on: recorded with it. */
export function versions(): Readonly<Record<string, string>> {
  const of = (name: string) => (require(`${name}/package.json`) as { version: string }).version;
  return { balance: ownVersion(), duckdb: of('@duckdb/node-api'), temporal: of('@temporalio/worker') };
}

function ownVersion(): string {
  // From dist/workers as from workers: the nearest package.json above is the project's own.
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = require(path) as { name?: string; version: string };
      if (found.name === 'balance') return found.version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}

export async function compose(
  settings: WorkerSettings,
  replace: (dependencies: ActivityDependencies) => ActivityDependencies = (dependencies) => dependencies,
): Promise<Composition> {
  const predictors = await loadPredictors(process.env, process.cwd());
  const database = openDatabase(settings.databaseUrl, { connectionsMax: 12 });
  const engine: Engine = await openEngine({
    threads: settings.threads,
    memoryLimit: `${Math.round(settings.memoryBytesMax / 1e6)}MB`,
    tempDir: settings.scratchDir,
  });
  const connection = await connectTemporal(settings.temporalAddress);
  const client = new Client({ connection, namespace: settings.temporalNamespace });
  const { db } = database;
  const scanSlots = createScanSlots(settings.databaseUrl);
  const cacheFiles = fileCache(settings.cacheDir);
  const loops = createLoopClient(client, settings.taskQueue);
  const activities = createActivities(
    replace({
      now: () => Date.now(),
      versions: versions(),
      analyzers: defaultAnalyzers,
      predictors,
      data: createDataPlane({
        engine,
        cacheDir: settings.cacheDir,
        env: { ...process.env, DATABASE_URL: settings.databaseUrl },
        baseDir: settings.projectRoot,
        projectRoot: settings.projectRoot,
      }),
      cacheFiles,
      sliceFiles: createSliceFiles({ engine, cache: cacheFiles, cacheDir: settings.cacheDir }),
      scanSlots,
      pace: createPace(db),
      cycles: createCycleStore(db),
      stages: createStageStore(db),
      plans: createPlanStore(db),
      batches: createBatchStore(db),
      series: createSeriesStore(db),
      recurrences: createRecurrenceStore(db),
      history: createHistoryStore(db),
      closing: createCloseStore(db),
      requests: createRequestGate(db),
      loops,
    }),
  );
  const close = async (): Promise<void> => {
    await connection.close();
    engine.close();
    await scanSlots.close();
    await database.close();
  };
  return { activities, database, cacheFiles, loops, client, close };
}
