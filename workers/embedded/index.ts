/** The servers behind `balance up`: those the environment names, embedded ones otherwise. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { removeEndpoints } from './endpoints.js';
import { findTemporal } from './find-temporal.js';
import { checkPlatform } from './platform.js';
import type { Report } from './ports.js';
import { checkDatabase, startPostgres } from './postgres.js';
import { removeSharedData } from './postgres-files.js';
import { claimRun, type ProcessRecord, type Run, stateDir, stopAll } from './processes.js';
import { startTemporal } from './temporal.js';

/** The running servers of a project. */
export interface Embedded {
  readonly temporalAddress: string;
  readonly temporalNamespace: string;
  /** Absent when the server is not ours. */
  readonly temporalUiUrl?: string;
  readonly databaseUrl: string;
  /** Settles with a server's name when one that we started ends by itself; never when none is ours. */
  readonly died: Promise<string>;
  /** Stops what was started here, Temporal first, and gives the project free. Safe to call twice. */
  stop(): Promise<void>;
}

interface Part {
  readonly stop: () => Promise<void>;
  readonly died?: Promise<string>;
}

/**
 * Starts both servers of a project side by side, after clearing what an earlier run left behind.
 * @param projectDir absolute path of the project's folder; its state lies in `.balance` there
 * @param report takes progress, a line at a time
 * @throws BalanceError `AlreadyRunning`, `UnsupportedPlatform`, and those of the two servers; nothing is left running then
 */
export async function startEmbedded(
  projectDir: string,
  report: Report,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Embedded> {
  if (!env.TEMPORAL_ADDRESS || !env.DATABASE_URL) checkPlatform();
  const run = await claimRun(projectDir, report);
  const parts = await Promise.allSettled([
    temporalPart(projectDir, run, report, env),
    databasePart(projectDir, run, report, env),
  ]);
  const [temporal, database] = parts;
  const stop = async (): Promise<void> => {
    for (const part of parts) if (part.status === 'fulfilled') await part.value.stop();
    removeEndpoints(projectDir);
    run.release();
  };
  if (temporal.status === 'rejected' || database.status === 'rejected') {
    await stop();
    throw (temporal.status === 'rejected' ? temporal.reason : (database as PromiseRejectedResult).reason) as Error;
  }
  const deaths = [temporal.value.died, database.value.died].filter((died) => died !== undefined);
  return {
    temporalAddress: temporal.value.address,
    temporalNamespace: temporal.value.namespace,
    ...(temporal.value.uiUrl === undefined ? {} : { temporalUiUrl: temporal.value.uiUrl }),
    databaseUrl: database.value.url,
    died: Promise.race(deaths.length > 0 ? deaths : [new Promise<string>(() => undefined)]),
    stop,
  };
}

/** A server of ours as a part of the whole: crossed out of the run file once it is stopped. */
function ownPart(
  run: Run,
  server: { readonly record: ProcessRecord; readonly exited: Promise<void>; stop(): Promise<void> },
): Required<Part> {
  let stopping = false;
  const died = new Promise<string>((resolve) => {
    void server.exited.then(() => {
      if (!stopping) resolve(server.record.name);
    });
  });
  return {
    died,
    stop: async () => {
      stopping = true;
      await server.stop();
      run.remove(server.record);
    },
  };
}

async function temporalPart(
  projectDir: string,
  run: Run,
  report: Report,
  env: NodeJS.ProcessEnv,
): Promise<Part & { address: string; namespace: string; uiUrl?: string }> {
  const found = await findTemporal(report, env);
  if (found.kind === 'server') {
    return { address: found.address, namespace: found.namespace, stop: () => Promise.resolve() };
  }
  const dataDir = join(stateDir(projectDir), 'temporal');
  const server = await startTemporal({ program: found.path, dataDir, report, onSpawn: (record) => run.add(record) });
  return { address: server.address, namespace: 'default', uiUrl: server.uiUrl, ...ownPart(run, server) };
}

async function databasePart(
  projectDir: string,
  run: Run,
  report: Report,
  env: NodeJS.ProcessEnv,
): Promise<Part & { url: string }> {
  if (env.DATABASE_URL) {
    await checkDatabase(env.DATABASE_URL);
    report('PostgreSQL: the server of DATABASE_URL');
    return { url: env.DATABASE_URL, stop: () => Promise.resolve() };
  }
  const server = await startPostgres({
    instanceDir: instanceDir(projectDir),
    report,
    onSpawn: (record) => run.add(record),
  });
  return { url: server.url, ...ownPart(run, server) };
}

function instanceDir(projectDir: string): string {
  return join(stateDir(projectDir), 'postgres');
}

/**
 * Stops whatever runs for the project and removes all its state: decisions, deliveries, workflow history.
 * A DATABASE_URL or TEMPORAL_ADDRESS of the user's own is not touched.
 */
export async function resetData(projectDir: string): Promise<void> {
  await stopAll(projectDir);
  removeSharedData(instanceDir(projectDir));
  rmSync(stateDir(projectDir), { recursive: true, force: true });
}
