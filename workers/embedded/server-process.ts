/** One server as a child process: started apart from the terminal, logged to a file, waited for, stopped. */
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BalanceError } from '../../domain/types/errors.js';
import { type ProcessRecord, recordProcess, terminate } from './processes.js';

/** How to start a server. */
export interface ServerCommand {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Absolute path. What an earlier start wrote there is kept beside it as `.1`. */
  readonly logFile: string;
  readonly signal: ProcessRecord['signal'];
  readonly env?: NodeJS.ProcessEnv;
  /** A folder that the server's user may enter. */
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Called in the same tick as the spawn, to write the process down. */
  readonly onSpawn?: (record: ProcessRecord) => void;
}

/** A server that was started. */
export interface ServerProcess {
  readonly record: ProcessRecord;
  readonly logFile: string;
  /** Settles when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Whether it has ended. */
  hasExited(): boolean;
  /** Stops it in good order, by force after a grace time. Safe to call twice. */
  stop(): Promise<void>;
}

/**
 * Starts a server in a session of its own: a Ctrl-C at the terminal reaches the owner only, which then stops
 * its servers in order.
 * @throws BalanceError `ServerNotStarted` when the program cannot be run.
 */
export async function startProcess(command: ServerCommand): Promise<ServerProcess> {
  mkdirSync(dirname(command.logFile), { recursive: true });
  if (existsSync(command.logFile)) renameSync(command.logFile, `${command.logFile}.1`);
  const log = openSync(command.logFile, 'w', 0o600);
  const child = spawn(command.program, command.args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(command.env === undefined ? {} : { env: command.env }),
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(command.uid === undefined ? {} : { uid: command.uid, gid: command.gid }),
  });
  closeSync(log);
  const record = child.pid === undefined ? undefined : recordProcess(command.name, child.pid, command.signal);
  if (record) command.onSpawn?.(record);
  const failure = await new Promise<Error | undefined>((resolve) => {
    child.once('spawn', () => resolve(undefined));
    child.once('error', resolve);
  });
  if (failure !== undefined || record === undefined) throw notStarted(command.name, failure?.message ?? 'no process');
  let ended = child.exitCode !== null || child.signalCode !== null;
  const exited = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      resolve();
    };
    if (ended) resolve();
    else child.once('exit', end);
  });
  const stop = async (): Promise<void> => {
    await terminate(record);
  };
  return { record, logFile: command.logFile, exited, hasExited: () => ended, stop };
}

/**
 * Waits until `isReady` says true, asking every 50 ms.
 * @throws BalanceError `ServerNotStarted` with the last lines of the log when the process ends first or
 *   `timeoutMs` passes; it is stopped then.
 */
export async function waitReady(
  server: ServerProcess,
  isReady: () => Promise<boolean>,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isReady())) {
    if (server.hasExited()) throw notStarted(server.record.name, lastLines(server.logFile));
    if (Date.now() > deadline) {
      await server.stop();
      throw notStarted(server.record.name, `not ready after ${timeoutMs / 1000} s; ${lastLines(server.logFile)}`);
    }
    await sleep(50);
  }
}

function notStarted(name: string, got: string): BalanceError {
  return new BalanceError('unreachable', {
    type: 'ServerNotStarted',
    message: `The embedded ${name} did not start.`,
    expected: `a running ${name}`,
    got,
    hint: 'Run `balance doctor`; `balance reset` starts over with empty data.',
  });
}

/** The end of a log, in one line, for a message. */
function lastLines(path: string, count = 4): string {
  const lines = readFileSync(path, 'utf8').trim().split('\n').slice(-count);
  return lines.join(' | ') || 'nothing in its log';
}
