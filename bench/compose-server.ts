/**
 * The proof of temporal-compose.yml without containers: builds the production Temporal server of the same version from
 * the Go module proxy, starts it on the embedded PostgreSQL with the variables and the setup scripts of the compose
 * file, and runs cycles of a small pool on it. The first build takes minutes; later runs find it in the cache.
 *
 *   npx tsx bench/compose-server.ts
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { connect } from '../client/index.js';
import { migrateDatabase, openDatabase } from '../db/client.js';
import { loadConfig } from '../interfaces/config/load.js';
import { createLoopClient } from '../interfaces/model/loop-gateway.js';
import { applyConfig } from '../workers/apply.js';
import { findTemporal } from '../workers/embedded/find-temporal.js';
import { freePort, isPortFree } from '../workers/embedded/ports.js';
import { startPostgres } from '../workers/embedded/postgres.js';
import { removeSharedData } from '../workers/embedded/postgres-files.js';
import { startProcess } from '../workers/embedded/server-process.js';
import { startWorker } from '../workers/worker.js';
import { TASK_QUEUE } from '../workflows/contract.js';

const CYCLES = 10;
const VISIBLE_MS_MAX = 10_000;
const FRONTEND_PORT = 7233;

interface Compose {
  readonly services: Readonly<Record<string, { image?: string; environment: Readonly<Record<string, string>> }>>;
}
const { services } = parse(readFileSync('temporal-compose.yml', 'utf8')) as Compose;
const version = services.temporal.image!.split(':')[1];
const programs = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'balance', `temporal-server-${version}`);
const seconds = (sinceMs: number): string => `${((Date.now() - sinceMs) / 1000).toFixed(1)} s`;
const say = (what: string, figure: string): void => void process.stdout.write(`${what.padEnd(54)}${figure}\n`);

if (spawnSync('go', ['version']).status !== 0) say('skipped:', 'go is not installed');
else if (!(await isPortFree(FRONTEND_PORT))) say('skipped:', `port ${FRONTEND_PORT}, which the server takes, is busy`);
else await prove();

/** Builds what is missing. Result: the folder of the server's sources, with its configuration template. */
function build(): string {
  const started = Date.now();
  const modules = 'go.temporal.io/server';
  for (const path of ['cmd/server', 'cmd/tools/sql']) {
    const program = join(programs, path.split('/').at(-1)!);
    if (existsSync(program)) continue;
    execFileSync('go', ['install', `${modules}/${path}@v${version}`], {
      env: { ...process.env, GOBIN: programs },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  say(`server ${version}, built or found`, seconds(started));
  const found = execFileSync('go', ['mod', 'download', '-json', `${modules}@v${version}`], { encoding: 'utf8' });
  return (JSON.parse(found) as { Dir: string }).Dir;
}

async function prove(): Promise<void> {
  const sources = build();
  const folder = mkdtempSync(join(tmpdir(), 'balance-compose-'));
  const instanceDir = join(folder, 'postgres');
  const stops: (() => Promise<void>)[] = [];
  try {
    const database = await startPostgres({ instanceDir, port: await freePort(), report: () => undefined });
    stops.push(() => database.stop());
    const url = new URL(database.url);
    // What differs from the compose file: where PostgreSQL is, and its password.
    const given = (name: string): Record<string, string> => ({
      ...services[name].environment,
      ...(name === 'temporal-schema' ? { SQL_HOST: url.hostname, SQL_PORT: url.port, SQL_PASSWORD: url.password } : {}),
      ...(name === 'temporal'
        ? { POSTGRES_SEEDS: url.hostname, DB_PORT: url.port, POSTGRES_PWD: url.password, BIND_ON_IP: '127.0.0.1' }
        : {}),
      ...(name === 'temporal-namespace'
        ? { TEMPORAL_ADDRESS: `127.0.0.1:${FRONTEND_PORT}`, TEMPORAL_RETENTION: '7d' }
        : {}),
    });
    const bin = await toolsOf(folder);
    const script = (name: string, file: string): void => {
      const started = Date.now();
      const log = openSync(join(folder, `${name}.log`), 'a');
      execFileSync('sh', [file], {
        env: { PATH: `${bin}:${process.env.PATH}`, HOME: folder, ...given(name) },
        stdio: ['ignore', log, log],
      });
      say(`${name} (${file})`, seconds(started));
    };
    script('temporal-schema', 'compose/setup-schema.sh');
    script('temporal-schema', 'compose/setup-schema.sh');
    const started = Date.now();
    const server = await startProcess({
      name: 'Temporal server',
      program: join(programs, 'server'),
      args: ['--config-file', join(sources, 'common/config/config_template_embedded.yaml'), '--allow-no-auth', 'start'],
      logFile: join(folder, 'temporal.log'),
      signal: 'SIGTERM',
      env: {
        PATH: process.env.PATH,
        ...given('temporal'),
        DYNAMIC_CONFIG_FILE_PATH: resolve('compose/dynamic-config.yaml'),
      },
    });
    stops.push(() => server.stop());
    script('temporal-namespace', 'compose/setup-namespace.sh');
    script('temporal-namespace', 'compose/setup-namespace.sh');
    say('server healthy, namespace ready twice, after', seconds(started));
    await cycles(folder, database.url, stops);
  } finally {
    for (const stop of stops.reverse()) await stop();
    removeSharedData(instanceDir);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A folder with the programs by the names that the admin-tools image has. */
async function toolsOf(folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(join(programs, 'sql'), join(bin, 'temporal-sql-tool'));
  const cli = await findTemporal(() => undefined, { ...process.env, TEMPORAL_ADDRESS: undefined });
  if (cli.kind === 'program') symlinkSync(cli.path, join(bin, 'temporal'));
  return bin;
}

/** A worker as the compose file's, and cycles on it one after the other. */
async function cycles(folder: string, databaseUrl: string, stops: (() => Promise<void>)[]): Promise<void> {
  const rows = Array.from({ length: 4_000 }, (_, id) => `${id},${id % 100}`);
  writeFileSync(join(folder, 'events.csv'), ['id,value', ...rows].join('\n') + '\n');
  writeFileSync(
    join(folder, 'balance.yaml'),
    `version: 1
pools:
  small:
    sources: { lake: { kind: files, root: . } }
    datasets: { events: { source: lake, path: events.csv, key: [id] } }
    models: { trainer: { kind: training, needs: [{ id: sample, dataset: events, fields: [id, value], rows: 100 }] } }
`,
  );
  const temporalAddress = `127.0.0.1:${FRONTEND_PORT}`;
  const cacheDir = join(folder, 'deliveries');
  mkdirSync(cacheDir);
  await migrateDatabase(databaseUrl);
  const database = openDatabase(databaseUrl, { connectionsMax: 1 });
  await applyConfig(database, loadConfig(join(folder, 'balance.yaml')), {
    projectRoot: resolve('.'),
    env: process.env,
  });
  await database.close();
  const worker = await startWorker(
    {
      ...{ databaseUrl, temporalAddress, cacheDir, temporalNamespace: 'default', taskQueue: TASK_QUEUE },
      ...{ scratchDir: join(folder, 'scratch'), projectRoot: resolve('.'), memoryBytesMax: 5e8, threads: 2 },
    },
    { onError: (error) => say('worker', error.message) },
  );
  stops.push(() => worker.stop());
  const pool = { tenant: 'default', pool: 'small' };
  const client = await connect({ databaseUrl, temporalAddress, cacheDir }, pool);
  stops.push(() => client.close());
  await createLoopClient(worker.composition.client).ensure(pool);
  const tookMs: number[] = [];
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const begun = Date.now();
    const { id } = await client.request({
      model: 'trainer',
      dataset: 'events',
      fields: ['id', 'value'],
      rows: 50,
      seed: cycle,
    });
    const { rows: delivered } = await client.waitForDelivery(id);
    if (delivered !== 50) throw new Error(`expected 50 rows, got ${delivered}`);
    tookMs.push(Date.now() - begun);
  }
  tookMs.sort((a, b) => a - b);
  say(`${CYCLES} requests, each delivered by a cycle`, `p50 ${tookMs[CYCLES / 2]} ms, max ${tookMs[CYCLES - 1]} ms`);
  // Visibility lags behind: the last cycle closes after its delivery.
  let found = 0;
  for (const endMs = Date.now() + VISIBLE_MS_MAX; found < CYCLES && Date.now() < endMs;) {
    await new Promise((done) => setTimeout(done, 250));
    const query = `BalancePool = 'small' AND BalanceStage = 'closed' AND BalanceOutcome = 'delivered'`;
    found = (await worker.composition.client.workflow.count(query)).count;
  }
  if (found < CYCLES) throw new Error(`expected ${CYCLES} cycles by their search attributes, got ${found}`);
  say('cycles found by their search attributes', String(found));
}
