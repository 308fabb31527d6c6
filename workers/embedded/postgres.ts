/** The embedded PostgreSQL: real server programs from npm, on loopback, with a random password. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { BalanceError } from '../../domain/types/errors.js';
import { choosePort, freePort, LOOPBACK, type Report } from './ports.js';
import { type ProcessRecord, processIdentity, terminate } from './processes.js';
import { giveTo, placePostgres, type PostgresPlace } from './postgres-files.js';
import { type ServerProcess, startProcess, waitReady } from './server-process.js';

/** Not 5432, where a PostgreSQL of the user's own would be. */
export const POSTGRES_PORT_DEFAULT = 54329;
const USER = 'balance';
const DATABASE = 'balance';
/** A start takes under a second; replaying the log after a crash may take long, and is worth waiting for. */
const READY_MS_MAX = 120_000;
const INITDB_MS_MAX = 120_000;
const CONNECT_S_MAX = 5;
const PORT_ATTEMPTS = 3;

/** How to start the server. */
export interface PostgresOptions {
  /** Folder of this instance in the project: password, log, and (unless root starts it) the data. */
  readonly instanceDir: string;
  /** Preferred port; 0 for any free one. Default 54329. */
  readonly port?: number;
  /** True: survives neither a crash nor a power cut, for tests. */
  readonly throwaway?: boolean;
  readonly report: Report;
  readonly onSpawn?: (record: ProcessRecord) => void;
}

/** A running server. */
export interface PostgresServer {
  /** `postgres://balance:PASSWORD@127.0.0.1:PORT/balance` */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly record: ProcessRecord;
  readonly exited: Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts the server over the instance's data, which are made at the first start, and waits until it answers.
 * @throws BalanceError `ServerNotStarted`, `DataOfAnotherVersion`, `PostgresNotInstalled`
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const { instanceDir, report, port: wanted = POSTGRES_PORT_DEFAULT } = options;
  mkdirSync(instanceDir, { recursive: true, mode: 0o700 });
  const place = placePostgres(instanceDir);
  const password = await ensureCluster(instanceDir, place, report);
  await clearStalePidFile(place, report);
  for (let attempt = 1; ; attempt += 1) {
    const port = attempt === 1 ? await choosePort('PostgreSQL', wanted, report) : await freePort();
    const server = await startProcess({
      name: 'PostgreSQL',
      program: join(place.binDir, 'postgres'),
      args: ['-D', place.dataDir, ...settings(port, options.throwaway ?? false)],
      logFile: join(instanceDir, 'postgres.log'),
      signal: 'SIGINT', // fast shutdown: connections are closed, what is committed is kept
      ...runAs(place),
      onSpawn: options.onSpawn,
    });
    const url = `postgres://${USER}:${password}@${LOOPBACK}:${port}/${DATABASE}`;
    try {
      await waitReady(server, () => isAnswering(url), READY_MS_MAX);
    } catch (error) {
      const portTaken = error instanceof BalanceError && error.got?.includes('Address already in use') === true;
      if (portTaken && attempt < PORT_ATTEMPTS) continue;
      throw error;
    }
    await ensureDatabase(url);
    return {
      url,
      port,
      pid: server.record.pid,
      record: server.record,
      exited: server.exited,
      stop: () => stop(server),
    };
  }
}

function stop(server: ServerProcess): Promise<void> {
  return server.stop();
}

/**
 * Checks a PostgreSQL that the user named.
 * @throws BalanceError `DatabaseUnreachable`: an explicit address is never replaced by another.
 */
export async function checkDatabase(url: string): Promise<void> {
  const sql = connect(url);
  try {
    await sql`SELECT 1`;
  } catch (error) {
    throw new BalanceError('unreachable', {
      type: 'DatabaseUnreachable',
      message: 'The PostgreSQL of DATABASE_URL does not answer.',
      expected: `a connection to ${withoutPassword(url)} within ${CONNECT_S_MAX} s`,
      got: error instanceof Error ? error.message : String(error),
      hint: 'Start that server or correct the address; unset DATABASE_URL to use the embedded one.',
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function connect(url: string): postgres.Sql {
  return postgres(url, { max: 1, connect_timeout: CONNECT_S_MAX, onnotice: () => undefined });
}

/** The address as it may be shown. */
export function withoutPassword(url: string): string {
  return url.replace(/^(\w+:\/\/[^:@/]*):.*@/, '$1@').replace(/([?&]password=)[^&]*/, '$1...');
}

function settings(port: number, throwaway: boolean): string[] {
  const values = {
    listen_addresses: LOOPBACK,
    port: String(port),
    unix_socket_directories: '',
    // Bounded by the pools of a few workers and clients on one machine.
    max_connections: '100',
    ...(throwaway ? { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' } : {}),
  };
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** The account of the server, a folder it may enter, and an environment without the user's own PG* settings. */
function runAs(place: PostgresPlace): { cwd: string; env: NodeJS.ProcessEnv; uid?: number; gid?: number } {
  return {
    cwd: dirname(place.dataDir),
    env: { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC' },
    ...place.account,
  };
}

/** Makes the cluster when there is none. Result: the password of its user. */
async function ensureCluster(instanceDir: string, place: PostgresPlace, report: Report): Promise<string> {
  const secret = join(instanceDir, 'password');
  if (existsSync(place.dataDir) && existsSync(secret)) {
    checkVersion(place);
    return readFileSync(secret, 'utf8');
  }
  if (existsSync(place.dataDir)) throw noPassword(secret);
  report('creating the PostgreSQL data');
  const password = randomBytes(24).toString('base64url');
  writeFileSync(secret, password, { mode: 0o600 });
  await initCluster(place, password);
  return password;
}

function noPassword(path: string): BalanceError {
  return new BalanceError('usage', {
    type: 'PasswordMissing',
    message: 'The embedded PostgreSQL has data but its password is gone.',
    expected: path,
    got: 'no such file',
    hint: 'Restore that file, or start over with empty data: `balance reset`.',
  });
}

/** Makes the cluster aside and moves it into place whole: an interrupted start leaves nothing half-made. */
async function initCluster(place: PostgresPlace, password: string): Promise<void> {
  const draft = `${place.dataDir}.new`;
  const passwordFile = `${place.dataDir}.password`;
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(draft, { recursive: true });
  giveTo(place, draft, 0o700);
  writeFileSync(passwordFile, password, { mode: 0o600 });
  giveTo(place, passwordFile, 0o600);
  const args = ['-D', draft, '-U', USER, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  // The built-in C.UTF-8 orders text the same on every machine: by code point.
  args.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--no-sync', '--no-instructions');
  try {
    await promisify(execFile)(join(place.binDir, 'initdb'), args, { ...runAs(place), timeout: INITDB_MS_MAX });
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    throw new BalanceError('internal', {
      type: 'PostgresInitFailed',
      message: 'The data of the embedded PostgreSQL could not be made.',
      got: (stderr?.trim() || message).split('\n').slice(-3).join(' | '),
      hint: 'Check the free space and the rights of the folder with `balance doctor`.',
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, place.dataDir);
}

/** A cluster belongs to one major version of the programs. */
function checkVersion(place: PostgresPlace): void {
  const found = readFileSync(join(place.dataDir, 'PG_VERSION'), 'utf8').trim();
  const expected = POSTGRES_MAJOR;
  if (found === expected) return;
  throw new BalanceError('usage', {
    type: 'DataOfAnotherVersion',
    message: 'The embedded data were made by another major version of PostgreSQL.',
    expected: `PostgreSQL ${expected}`,
    got: `PostgreSQL ${found} in ${place.dataDir}`,
    hint: 'Go back to the version of Balance that made them, or start over with `balance reset`.',
  });
}

/** Major version of the pinned package; its data folders say the same in PG_VERSION. */
const POSTGRES_MAJOR = '18';

/**
 * `postmaster.pid` of a server that was killed: PostgreSQL itself removes it unless its process id lives
 * again as something else of the same account. A server that really still runs there is stopped.
 */
async function clearStalePidFile(place: PostgresPlace, report: Report): Promise<void> {
  const path = join(place.dataDir, 'postmaster.pid');
  if (!existsSync(path)) return;
  const pid = Number(readFileSync(path, 'utf8').split('\n')[0]);
  const identity = Number.isInteger(pid) && pid > 1 ? processIdentity(pid) : undefined;
  if (identity !== undefined && (await commandOf(pid)).includes(place.dataDir)) {
    await terminate({ name: 'PostgreSQL', pid, identity, signal: 'SIGINT' });
    report(`cleared PostgreSQL (process ${pid}) that an earlier run left behind`);
  }
  rmSync(path, { force: true });
}

async function commandOf(pid: number): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'command=', '-ww', '-p', String(pid)]);
  return stdout;
}

/** Whether the server takes connections. A refused password is an answer of the wrong server: that throws. */
async function isAnswering(url: string): Promise<boolean> {
  const sql = connect(url.replace(/\/[^/]*$/, '/postgres'));
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function ensureDatabase(url: string): Promise<void> {
  const sql = connect(url.replace(/\/[^/]*$/, '/postgres'));
  try {
    const found = await sql`SELECT 1 FROM pg_database WHERE datname = ${DATABASE}`;
    if (found.length === 0) await sql.unsafe(`CREATE DATABASE ${DATABASE}`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
