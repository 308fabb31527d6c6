import { type ChildProcess, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Endpoints, readEndpoints, writeEndpoints } from '../../workers/embedded/endpoints.js';
import {
  claimRun,
  isAlive,
  type ProcessRecord,
  processIdentity,
  recordProcess,
  stateDir,
  stopAll,
  terminate,
} from '../../workers/embedded/processes.js';

let projectDir: string;
let children: ChildProcess[];

beforeEach(() => {
  projectDir = mkdtempSync(join(tmpdir(), 'balance-processes-'));
  mkdirSync(stateDir(projectDir));
  children = [];
});

afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(projectDir, { recursive: true, force: true });
});

/** A process that runs until it is told to stop, or does not listen. */
async function start(script = 'setInterval(() => {}, 1e6)'): Promise<ProcessRecord> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('ready')`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  children.push(child);
  await new Promise((resolve) => child.stdout.once('data', resolve));
  return recordProcess('test process', child.pid!, 'SIGTERM');
}

function writeRun(owner: ProcessRecord, others: readonly ProcessRecord[]): void {
  writeFileSync(join(stateDir(projectDir), 'run.json'), JSON.stringify({ owner, children: others }));
}

const nobody: ProcessRecord = { name: 'balance', pid: process.pid, identity: 'an earlier life', signal: 'SIGTERM' };
const silent = (): void => undefined;

describe('one process, known by its id and the moment it began', () => {
  test('a living process has an identity, the same at every look; one that ended has none', async () => {
    const record = await start();
    expect(processIdentity(record.pid)).toBe(record.identity);
    expect(await terminate(record)).toBe('stopped');
    expect(processIdentity(record.pid)).toBeUndefined();
    expect(await terminate(record)).toBe('gone');
  });

  test('two processes have different identities under one id', async () => {
    const record = await start();
    const reused = { ...record, identity: 'an earlier life' };
    expect(isAlive(reused)).toBe(false);
    expect(await terminate(reused)).toBe('gone');
    expect(isAlive(record)).toBe(true);
  });

  test('one that ignores its signal is killed after the grace time', async () => {
    const record = await start("process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)");
    expect(await terminate(record, 100)).toBe('killed');
    expect(isAlive(record)).toBe(false);
  });

  test('ids that no process has are answered', () => {
    for (const pid of [0, -1, 2 ** 30]) expect(processIdentity(pid)).toBeUndefined();
  });
});

describe('the claim on a project', () => {
  test('is written with the owner, grows and shrinks with its servers, and is given back', async () => {
    const run = await claimRun(projectDir, silent);
    const read = (): { owner: ProcessRecord; children: ProcessRecord[] } =>
      JSON.parse(readFileSync(join(stateDir(projectDir), 'run.json'), 'utf8')) as never;
    const server = await start();
    run.add(server);
    expect(read()).toEqual({ owner: recordProcess('balance', process.pid, 'SIGTERM'), children: [server] });
    run.remove(server);
    expect(read().children).toEqual([]);
    run.release();
    expect(readdirSync(stateDir(projectDir))).toEqual([]);
  });

  test('is refused while the owner lives', async () => {
    const owner = await start();
    writeRun(owner, []);
    await expect(claimRun(projectDir, silent)).rejects.toMatchObject({ type: 'AlreadyRunning', kind: 'usage' });
    expect(isAlive(owner)).toBe(true);
  });

  test('of a dead owner passes on: its servers are cleared, a reused id is left alone', async () => {
    const [server, bystander] = [await start(), await start()];
    writeRun(nobody, [server, { ...bystander, identity: 'an earlier life' }]);
    const lines: string[] = [];
    const run = await claimRun(projectDir, (line) => lines.push(line));
    expect(lines).toEqual([`cleared test process (process ${server.pid}) that an earlier run left behind`]);
    expect([isAlive(server), isAlive(bystander)]).toEqual([false, true]);
    run.release();
  });

  test.each(['', '{"owner":'])('a run file torn by a crash of the machine (%j) counts as none', async (text) => {
    writeFileSync(join(stateDir(projectDir), 'run.json'), text);
    (await claimRun(projectDir, silent)).release();
  });

  test('by many at once goes to one of them', async () => {
    writeRun(nobody, []);
    const claims = await Promise.allSettled(Array.from({ length: 5 }, () => claimRun(projectDir, silent)));
    expect(claims.filter((claim) => claim.status === 'fulfilled')).toHaveLength(1);
  });
});

describe('stopAll', () => {
  test('stops the owner first, so that it stops its servers itself, then what is left', async () => {
    const [server, orphan] = [await start(), await start()];
    const owner = await start(
      `process.on('SIGTERM', () => { process.kill(${server.pid}, 'SIGTERM'); setTimeout(() => process.exit(), 200) }); setInterval(() => {}, 1e6)`,
    );
    writeRun(owner, [server, orphan]);
    expect(await stopAll(projectDir)).toEqual([
      `test process (process ${owner.pid}) stopped`,
      `test process (process ${orphan.pid}) stopped`,
    ]);
    expect([owner, server, orphan].some(isAlive)).toBe(false);
    expect(existsSync(join(stateDir(projectDir), 'run.json'))).toBe(false);
  });

  test('finds nothing to do where nothing runs', async () => {
    expect(await stopAll(projectDir)).toEqual([]);
    expect(await stopAll(join(projectDir, 'missing'))).toEqual([]);
  });
});

describe('endpoints.json', () => {
  const endpoints: Endpoints = {
    pid: 4711,
    startedAt: '2026-01-02T03:04:05.000Z',
    temporalAddress: '127.0.0.1:7233',
    temporalNamespace: 'default',
    temporalUiUrl: 'http://127.0.0.1:8233',
    databaseUrl: 'postgres://balance:secret@127.0.0.1:54329/balance',
    cacheDir: '/project/.balance/cache',
    dataDir: '/project/.balance',
  };

  test('is read as it was written, by this user alone', () => {
    writeEndpoints(projectDir, endpoints);
    expect(readEndpoints(projectDir)).toEqual(endpoints);
    expect(statSync(join(stateDir(projectDir), 'endpoints.json')).mode & 0o777).toBe(0o600);
  });

  test('is absent where nothing runs', () => {
    expect(readEndpoints(projectDir)).toBeUndefined();
  });

  test.each(['', '{}', '[]', '{"pid":"4711"}'])('is refused with what to do when it holds %j', (text) => {
    writeFileSync(join(stateDir(projectDir), 'endpoints.json'), text);
    expect(() => readEndpoints(projectDir)).toThrow(
      expect.objectContaining({ type: 'BadEndpoints', hint: 'Run `balance stop`, then `balance up`.' }) as Error,
    );
  });
});
