/**
 * One PostgreSQL and one Temporal dev server for a whole test run, started when a test first asks.
 * Tests ask over loopback (they run in other processes); `servers.ts` is the asking side.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { findTemporal, findTestServer } from '../../workers/embedded/find-temporal.js';
import { resetData } from '../../workers/embedded/index.js';
import { LOOPBACK } from '../../workers/embedded/ports.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { claimRun, type ProcessRecord, signalIfAlive, stateDir, terminate } from '../../workers/embedded/processes.js';
import { startTemporal } from '../../workers/embedded/temporal.js';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the servers of the run are asked for. */
    readonly serversUrl: string;
  }
}

const PREFIX = 'balance-test-';
const silent = (): void => undefined;

/** Clears what runs that were killed left behind; a run that still lives is left alone. */
async function clearDeadRuns(): Promise<void> {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(PREFIX))) {
    const folder = join(tmpdir(), name);
    if (!existsSync(join(stateDir(folder), 'run.json'))) continue;
    try {
      (await claimRun(folder, silent)).release();
      await resetData(folder);
      rmSync(folder, { recursive: true, force: true });
    } catch {
      continue;
    }
  }
}

/** Called by vitest once before and, by what it returns, once after all files of the project `servers`. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await clearDeadRuns();
  const folder = join(tmpdir(), `${PREFIX}${process.pid}`);
  mkdirSync(folder, { recursive: true });
  const run = await claimRun(folder, silent);
  const records: ProcessRecord[] = [];
  const onSpawn = (record: ProcessRecord): void => {
    records.push(record);
    run.add(record);
  };
  // The last resort, when vitest itself is interrupted: nothing in these servers is worth keeping.
  const killAll = (): void => records.forEach((record) => void signalIfAlive(record, 'SIGKILL'));
  process.once('exit', killAll);

  const starters: Partial<Record<string, () => Promise<string>>> = {
    '/postgres': async () => {
      const instanceDir = join(stateDir(folder), 'postgres');
      return (await startPostgres({ instanceDir, port: 0, throwaway: true, report: silent, onSpawn })).url;
    },
    '/temporal': async () => {
      const dataDir = join(folder, 'temporal');
      const program = await programPath();
      return (
        await startTemporal({ program, dataDir, port: 0, uiPort: false, inMemory: true, report: silent, onSpawn })
      ).address;
    },
    '/temporal-program': programPath,
    '/test-server-program': () => findTestServer(silent),
  };
  const answers = new Map<string, Promise<string>>();
  const desk = createServer((request, response) => {
    const path = request.url ?? '';
    const answer = answers.get(path) ?? starters[path]?.() ?? Promise.reject(new Error(`nothing at ${path}`));
    answers.set(path, answer);
    answer.then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  const port = await new Promise<number>((resolve) => {
    desk.listen(0, LOOPBACK, () => resolve((desk.address() as { port: number }).port));
  });
  project.provide('serversUrl', `http://${LOOPBACK}:${port}`);

  return async () => {
    desk.close();
    await Promise.allSettled(answers.values());
    await Promise.all(records.map((record) => terminate(record)));
    run.release();
    await resetData(folder);
    rmSync(folder, { recursive: true, force: true });
    process.off('exit', killAll);
  };
}

/** The dev server's program, even when TEMPORAL_ADDRESS is set: tests never touch a server of the user's own. */
async function programPath(): Promise<string> {
  const found = await findTemporal(silent, { ...process.env, TEMPORAL_ADDRESS: undefined });
  if (found.kind === 'server') throw new Error('expected a program');
  return found.path;
}
