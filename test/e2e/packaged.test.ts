/** The package as it is published: installed from its tarball in an empty folder, used by another process there. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cacheDir } from '../../workers/embedded/server-files.js';
import { cleanEnv, MAIN, start, startCli, type Result } from '../support/cli.js';

const folder = mkdtempSync(join(tmpdir(), 'balance-packaged-'));
const installed = join(folder, 'node_modules', 'balance');
const INSTALL_MS_MAX = 240_000;

/** A program in the folder of the installed package, with the environment of a user. */
const run = (program: string, ...args: string[]): Promise<Result> => start(program, args, folder, npmEnv()).ended;
/** npm's own variables of the run around us would steer the npm inside. */
const npmEnv = (): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(cleanEnv()).filter(([name]) => !/^npm_(package|lifecycle|config_prefix)/.test(name)),
  );

beforeAll(async () => {
  expect(existsSync(MAIN), 'dist is missing: run `npm run build` first').toBe(true);
  // The build is there already: packing must not clean it away under the other tests.
  const pack = ['pack', '--ignore-scripts', '--silent', '--pack-destination', folder];
  const packed = await start('npm', pack, resolve('.'), npmEnv()).ended;
  expect(packed.code, packed.err).toBe(0);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  writeFileSync(join(folder, 'package.json'), '{ "name": "somebody", "private": true, "type": "module" }\n');
  const result = await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', `./${tarball}`);
  expect(result.code, result.err).toBe(0);
}, INSTALL_MS_MAX);
afterAll(async () => {
  await startCli(folder, ['reset', '--yes']).ended;
  rmSync(folder, { recursive: true, force: true });
});

/** What a model service would be: it knows the endpoints and nothing else. */
const SERVICE = `
import { connect } from 'balance/client';
const balance = await connect('.balance/endpoints.json', { pool: 'demo' });
const { id } = await balance.request({ model: 'route-planner', dataset: 'flights',
  fields: ['origin', 'distance'], where: "origin = 'SEA'", rows: 200 });
const delivery = await balance.waitForDelivery(id, { timeoutMs: 90_000 });
let origins = new Set(), count = 0;
for await (const row of balance.read(delivery)) { count += 1; origins.add(row.origin); }
console.log(JSON.stringify({ count, origins: [...origins], rows: delivery.rows, path: delivery.path }));
await balance.close();
`;
const DUCKDB = `
import { DuckDBInstance } from '@duckdb/node-api';
const connection = await (await DuckDBInstance.create()).connect();
const result = await connection.runAndReadAll('select count(*)::int as n, min(distance)::int as least from read_parquet($1)', [process.argv[2]]);
console.log(JSON.stringify(result.getRowObjectsJson()[0]));
`;
const PYARROW = `
import json, sys
import pyarrow.parquet as parquet
table = parquet.read_table(sys.argv[1])
print(json.dumps({"n": table.num_rows, "columns": sorted(table.column_names)}))
`;
/** The newest of the wheels for CPython 3.11 on Linux x64 is pinned; elsewhere pip takes the release by its number. */
const PYARROW_RELEASE = 'pyarrow==26.0.1';
const PYARROW_HASH = '39cb0f2418282c24bea6ceda77b03e5a8f0a5766b63a8bf194d4e2a2c423548c';

/** Installs pyarrow into the project's own cache, once; says why where the registry cannot be reached. */
function fetchPyarrow(): { readonly path: string } | { readonly missing: string } {
  const python = spawnSync('python3', ['-c', 'import sys; print(*sys.version_info[:2])'], { encoding: 'utf8' });
  if (python.status !== 0) return { missing: 'python3 is not installed' };
  const path = join(cacheDir(), `${PYARROW_RELEASE.replace('==', '-')}-py${python.stdout.trim().replace(' ', '.')}`);
  if (existsSync(path)) return { path };
  const draft = `${path}.draft-${process.pid}`;
  const pinned = python.stdout.trim() === '3 11' && process.platform === 'linux' && process.arch === 'x64';
  const requirements = join(folder, 'pyarrow.txt');
  writeFileSync(requirements, pinned ? `${PYARROW_RELEASE} --hash=sha256:${PYARROW_HASH}\n` : `${PYARROW_RELEASE}\n`);
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary=:all:', '--target', draft];
  const installed = spawnSync('python3', [...pip, '-r', requirements], {
    encoding: 'utf8',
    env: { ...process.env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_DISABLE_PIP_VERSION_CHECK: '1' },
  });
  if (installed.status !== 0) {
    rmSync(draft, { recursive: true, force: true });
    // Another content than the pinned one, or a pip that fails otherwise, is a failure and no reason to skip.
    if (!/No matching distribution|connection|timed out|No module named pip/i.test(installed.stderr))
      throw new Error(installed.stderr);
    return { missing: installed.stderr.trim().split('\n').at(-1)! };
  }
  renameSync(draft, path);
  return { path };
}

describe('the installed package', () => {
  test('holds what it needs and no sources or tests', () => {
    const names = readdirSync(installed);
    expect(names).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'balance.yaml', 'dist', 'docs']));
    expect(names).not.toContain('test');
    for (const name of [
      'workflow-bundle.js',
      'balance.schema.json',
      'db/migrations',
      'cli/main.js',
      'client/index.d.ts',
    ])
      expect(existsSync(join(installed, 'dist', name)), name).toBe(true);
  });

  test('`npx balance` answers', async () => {
    const help = await run('npx', 'balance', '--help');
    expect(help.code, help.err).toBe(0);
    expect(help.out).toContain('Usage: balance');
    expect((await run('npx', 'balance', '--version')).out).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('its kernels are importable by name', async () => {
    writeFileSync(join(folder, 'kernels.js'), `import { allocate } from 'balance'; console.log(typeof allocate);\n`);
    expect((await run(process.execPath, 'kernels.js')).out).toBe('function\n');
  });

  test('`up --demo` runs; another process, given the endpoints, requests, waits and reads; DuckDB reads the same', async (context) => {
    const up = start(process.execPath, [join(installed, 'dist/cli/main.js'), 'up', '--demo'], folder, npmEnv());
    try {
      await up.said('\nup: ');
      writeFileSync(join(folder, 'service.js'), SERVICE);
      writeFileSync(join(folder, 'duckdb.js'), DUCKDB);
      const service = await run(process.execPath, 'service.js');
      expect(service.code, service.err).toBe(0);
      const got = JSON.parse(service.out) as { count: number; origins: string[]; rows: number; path: string };
      expect(got).toMatchObject({ count: 200, origins: ['SEA'], rows: 200 });
      const read = await run(process.execPath, 'duckdb.js', got.path);
      expect(read.code, read.err).toBe(0);
      expect((JSON.parse(read.out) as { n: number }).n).toBe(200);
      const pyarrow = fetchPyarrow();
      if ('missing' in pyarrow)
        return void context.annotate(`pyarrow cannot be had, the delivery was not read with it: ${pyarrow.missing}`);
      const program = `import sys; sys.path.insert(0, ${JSON.stringify(pyarrow.path)})\n${PYARROW}`;
      const arrow = await run('python3', '-c', program, got.path);
      expect(arrow.code, arrow.err).toBe(0);
      expect(JSON.parse(arrow.out)).toEqual({ n: 200, columns: ['distance', 'origin'] });
    } finally {
      up.child.kill('SIGINT');
      expect((await up.ended).code).toBe(130);
    }
  });

  test('`up --demo --once` runs one cycle and ends with 0', async () => {
    const once = await run('npx', 'balance', 'up', '--demo', '--once');
    expect(once.code, once.err).toBe(0);
    expect(once.out).toContain('delay-trainer/flights');
  });
});
