/** The embedded Temporal dev server: on loopback, with a store on disk that survives restarts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { choosePort, freePort, LOOPBACK, type Report } from './ports.js';
import type { ProcessRecord } from './processes.js';
import { type ServerProcess, startProcess, waitReady } from './server-process.js';

/** The search attributes of a cycle (docs/ARCHITECTURE.md), registered with the server. */
const SEARCH_ATTRIBUTES = {
  BalancePool: 'Keyword',
  BalanceModels: 'KeywordList',
  BalanceStage: 'Keyword',
  BalanceOutcome: 'Keyword',
} as const;

/** Temporal's own defaults. */
export const TEMPORAL_PORT_DEFAULT = 7233;
export const TEMPORAL_UI_PORT_DEFAULT = 8233;
/** A healthy start takes two seconds; a busy machine with a large store on a slow disk may take many more. */
const READY_MS_MAX = 60_000;
/** Another process can take a port between the choice and the start: that often the start is tried anew. */
const PORT_ATTEMPTS = 3;

/** How to start the server. */
export interface TemporalOptions {
  /** The `temporal` program, from `findTemporal`. */
  readonly program: string;
  /** Folder for the store and the log. */
  readonly dataDir: string;
  /** Preferred port; 0 for any free one. Default 7233. */
  readonly port?: number;
  /** Preferred port of the Web UI; 0 for any free one, false for no Web UI. Default 8233. */
  readonly uiPort?: number | false;
  /** True: nothing is kept, for tests. */
  readonly inMemory?: boolean;
  readonly report: Report;
  readonly onSpawn?: (record: ProcessRecord) => void;
}

/** A running server. */
export interface TemporalServer {
  /** host:port of the frontend. */
  readonly address: string;
  readonly port: number;
  readonly uiUrl?: string;
  readonly pid: number;
  readonly record: ProcessRecord;
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts the dev server and waits until it serves with its search attributes registered.
 * @throws BalanceError `ServerNotStarted`
 */
export async function startTemporal(options: TemporalOptions): Promise<TemporalServer> {
  mkdirSync(options.dataDir, { recursive: true, mode: 0o700 });
  const { report, port: wanted = TEMPORAL_PORT_DEFAULT, uiPort: uiWanted = TEMPORAL_UI_PORT_DEFAULT } = options;
  for (let attempt = 1; ; attempt += 1) {
    const port = attempt === 1 ? await choosePort('Temporal', wanted, report) : await freePort();
    const uiPort = uiWanted === false ? undefined : await choosePort('the Temporal Web UI', uiWanted, report);
    const address = `${LOOPBACK}:${port}`;
    const server = await startProcess({
      name: 'Temporal',
      program: options.program,
      args: serverArgs(options, port, uiPort),
      logFile: join(options.dataDir, 'temporal.log'),
      signal: 'SIGTERM',
      // The variables that steer the CLI as a client (address, profile, TLS) do not concern the server.
      env: withoutTemporalVariables(process.env),
      onSpawn: options.onSpawn,
    });
    try {
      await waitReady(server, () => isServing(address), READY_MS_MAX);
    } catch (error) {
      const portTaken = error instanceof Error && /address already in use|port .* in use/i.test(JSON.stringify(error));
      if (portTaken && attempt < PORT_ATTEMPTS) continue;
      throw error;
    }
    return running(server, address, port, uiPort);
  }
}

function running(server: ServerProcess, address: string, port: number, uiPort: number | undefined): TemporalServer {
  return {
    address,
    port,
    ...(uiPort === undefined ? {} : { uiUrl: `http://${LOOPBACK}:${uiPort}` }),
    pid: server.record.pid,
    record: server.record,
    exited: server.exited,
    stop: () => server.stop(),
  };
}

function serverArgs(options: TemporalOptions, port: number, uiPort: number | undefined): string[] {
  const pair = (flag: string, key: string, value: string): string[] => [flag, `${key}=${value}`];
  return [
    ...['server', 'start-dev', '--ip', LOOPBACK, '--port', String(port)],
    ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort), '--ui-disable-news-fetch']),
    ...(options.inMemory
      ? []
      : [
          ...['--db-filename', join(options.dataDir, 'temporal.db')],
          // Four times the throughput of the default journal on a plain disk.
          ...pair('--sqlite-pragma', 'journal_mode', 'WAL'),
          ...pair('--sqlite-pragma', 'synchronous', 'NORMAL'),
        ]),
    // Off in every open-source server by default; the fair order of models in a queue needs it.
    ...pair('--dynamic-config-value', 'matching.enableFairness', 'true'),
    ...pair('--dynamic-config-value', 'system.enableActivityEagerExecution', 'true'),
    ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => pair('--search-attribute', name, type)),
  ];
}

function withoutTemporalVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('TEMPORAL_')));
}

/** Whether a server at the address serves the default namespace with every search attribute of ours. */
async function isServing(address: string): Promise<boolean> {
  const connection = Connection.lazy({ address, connectTimeout: 1_000 });
  try {
    return await connection.withDeadline(Date.now() + 2_000, async () => {
      await connection.ensureConnected();
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      const known = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
      return Object.keys(SEARCH_ATTRIBUTES).every((name) => name in known.customAttributes);
    });
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
