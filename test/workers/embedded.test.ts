import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeEndpoints } from '../../workers/embedded/endpoints.js';
import { type Embedded, resetData, startEmbedded } from '../../workers/embedded/index.js';
import { startPostgres } from '../../workers/embedded/postgres.js';
import { placePostgres } from '../../workers/embedded/postgres-files.js';
import { isAlive, type ProcessRecord, stateDir } from '../../workers/embedded/processes.js';
import { temporalProgram } from '../support/servers.js';

interface RunFile {
  readonly owner: ProcessRecord;
  readonly children: readonly ProcessRecord[];
}

/** One story in order: every step starts from where the one before ended, so that few servers are started. */
describe('the embedded servers of a project', () => {
  let projectDir: string;
  let databaseUrl: string;
  let leftBehind: RunFile;
  let embedded: Embedded;
  let squatter: Server | undefined;
  const lines: string[] = [];
  const report = (line: string): void => void lines.push(line);
  const readRun = (): RunFile => JSON.parse(readFileSync(join(stateDir(projectDir), 'run.json'), 'utf8')) as RunFile;

  beforeAll(async () => {
    // Fetched beforehand, so that the first step has the time for its servers.
    await temporalProgram();
    projectDir = mkdtempSync(join(tmpdir(), 'balance-embedded-')); // mode 0700
    squatter = await occupy(54329);
    // What an initdb that was killed leaves.
    const { dataDir } = placePostgres(join(stateDir(projectDir), 'postgres'));
    mkdirSync(join(`${dataDir}.new`, 'half-made'), { recursive: true });
  });

  afterAll(async () => {
    squatter?.close();
    await resetData(projectDir);
    rmSync(projectDir, { recursive: true, force: true });
  });

  test('a folder with mode 0700 is enough, and a busy port is named and replaced', async () => {
    expect(statSync(projectDir).mode & 0o777).toBe(0o700);
    const owner = spawn(
      process.execPath,
      ['--import', 'tsx', fileURLToPath(new URL('../support/embedded-owner.ts', import.meta.url)), projectDir],
      { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, TEMPORAL_ADDRESS: '', DATABASE_URL: '' } },
    );
    const started = JSON.parse(await firstLine(owner.stdout)) as {
      databaseUrl: string;
      temporalAddress: string;
      lines: string[];
    };
    ({ databaseUrl } = started);
    expect(started.lines.join('\n')).toMatch(/port 54329 for PostgreSQL is busy: taking \d+ instead/);
    expect(new URL(databaseUrl).port).not.toBe('54329');
    await query(databaseUrl, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const connection = await Connection.connect({ address: started.temporalAddress });
    await new Client({ connection }).workflow.start('kept', { workflowId: 'kept', taskQueue: 'nobody-polls' });
    await connection.close();

    leftBehind = readRun();
    owner.kill('SIGKILL');
    await new Promise((resolve) => owner.once('close', resolve));
    expect(leftBehind.owner.pid).toBe(owner.pid);
    expect(leftBehind.children.map((child) => child.name).sort()).toEqual(['PostgreSQL', 'Temporal']);
    expect(leftBehind.children.every(isAlive)).toBe(true);
  });

  test('the next start clears what a SIGKILL left behind and goes on with the same data', async () => {
    embedded = await startEmbedded(projectDir, report, ownServers());
    expect(lines.filter((line) => line.startsWith('cleared')).sort()).toEqual(
      leftBehind.children
        .map((child) => `cleared ${child.name} (process ${child.pid}) that an earlier run left behind`)
        .sort(),
    );
    expect(leftBehind.children.some(isAlive)).toBe(false);
    expect(await query(embedded.databaseUrl, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    const connection = await Connection.connect({ address: embedded.temporalAddress });
    const { status } = await new Client({ connection }).workflow.getHandle('kept').describe();
    await connection.close();
    expect(status.name).toBe('RUNNING');
    expect(embedded.temporalUiUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  test('a second start in the same folder is refused with the process that runs', async () => {
    await expect(startEmbedded(projectDir, report, ownServers())).rejects.toMatchObject({
      type: 'AlreadyRunning',
      got: expect.stringContaining(String(process.pid)) as string,
    });
  });

  test('a server that dies is named', async () => {
    const server = readRun().children.find((child) => child.name === 'PostgreSQL')!;
    process.kill(server.pid, 'SIGKILL');
    expect(await embedded.died).toBe('PostgreSQL');
  });

  test('stop leaves no process and no endpoints, and may be called twice', async () => {
    const { children } = readRun();
    let died: string | undefined;
    void embedded.died.then((name) => (died = name));
    writeEndpoints(projectDir, {
      pid: process.pid,
      startedAt: new Date(0).toISOString(),
      temporalAddress: embedded.temporalAddress,
      temporalNamespace: embedded.temporalNamespace,
      databaseUrl: embedded.databaseUrl,
      cacheDir: join(projectDir, 'cache'),
      dataDir: stateDir(projectDir),
    });
    await embedded.stop();
    await embedded.stop();
    expect(died).toBe('PostgreSQL'); // the one of the step before; Temporal was stopped, it did not die
    expect(children.some(isAlive)).toBe(false);
    expect(existsSync(join(stateDir(projectDir), 'run.json'))).toBe(false);
    expect(existsSync(join(stateDir(projectDir), 'endpoints.json'))).toBe(false);
  });

  test('after a crash, a postmaster.pid whose id now is another process is no obstacle, and that process lives', async () => {
    const instanceDir = join(stateDir(projectDir), 'postgres');
    const { dataDir } = placePostgres(instanceDir);
    const pidFile = join(dataDir, 'postmaster.pid');
    const [, ...rest] = readFileSync(pidFile, 'utf8').split('\n');
    const bystander = spawn('sleep', ['60'], { stdio: 'ignore' });
    writeFileSync(pidFile, [bystander.pid, ...rest].join('\n'));
    const server = await startPostgres({ instanceDir, port: 0, report });
    expect(await query(server.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    await server.stop();
    expect(bystander.exitCode).toBeNull();
    bystander.kill();
  });

  test('data of another major version are refused, not touched', async () => {
    const instanceDir = join(stateDir(projectDir), 'postgres');
    const versionFile = join(placePostgres(instanceDir).dataDir, 'PG_VERSION');
    writeFileSync(versionFile, '14\n');
    await expect(startPostgres({ instanceDir, port: 0, report })).rejects.toMatchObject({
      type: 'DataOfAnotherVersion',
      expected: 'PostgreSQL 18',
    });
    expect(readFileSync(versionFile, 'utf8')).toBe('14\n');
  });

  test('reset removes every trace, wherever it lies', async () => {
    const { dataDir } = placePostgres(join(stateDir(projectDir), 'postgres'));
    expect(existsSync(dataDir)).toBe(true);
    await resetData(projectDir);
    expect(existsSync(dataDir)).toBe(false);
    expect(existsSync(stateDir(projectDir))).toBe(false);
  });
});

/** The environment without servers of the user's own. */
function ownServers(): NodeJS.ProcessEnv {
  return { ...process.env, TEMPORAL_ADDRESS: undefined, DATABASE_URL: undefined };
}

/** Takes a port, unless something else has it already: busy it is either way. */
function occupy(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function firstLine(stream: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error('the process ended without a line');
}

async function query(url: string, statement: string): Promise<unknown[]> {
  const sql = postgres(url, { max: 1 });
  try {
    return [...(await sql.unsafe(statement))];
  } finally {
    await sql.end();
  }
}
