/** How commands find a running Balance: flags, then the environment, then `.balance/endpoints.json`. */
import { Client } from '@temporalio/client';
import { connect, type BalanceClient, type Endpoints } from '../client/index.js';
import { openDatabase, type DatabaseHandle } from '../db/client.js';
import { createPoolStore } from '../db/pool-store.js';
import { BalanceError, usageError } from '../domain/types/errors.js';
import type { PoolRef } from '../domain/types/pool.js';
import type { ConnectionOptions } from './connection-options.js';
import { connectTemporal } from '../interfaces/model/temporal-connection.js';
import { readEndpoints } from '../workers/embedded/endpoints.js';

/** Explicit addresses win; one that cannot be reached is an error, never a reason to take another. */
export function resolveEndpoints(
  options: ConnectionOptions,
  env: NodeJS.ProcessEnv = process.env,
): Required<Endpoints> & { readonly temporalUiUrl?: string } {
  const file = readEndpoints(process.cwd());
  const databaseUrl = options.databaseUrl ?? env.DATABASE_URL ?? file?.databaseUrl;
  const temporalAddress = options.temporalAddress ?? env.TEMPORAL_ADDRESS ?? file?.temporalAddress;
  const cacheDir = options.cacheDir ?? env.BALANCE_DELIVERIES_DIR ?? file?.cacheDir;
  if (databaseUrl === undefined || temporalAddress === undefined || cacheDir === undefined) {
    throw new BalanceError('unreachable', {
      type: 'NotRunning',
      message: 'no running Balance was found',
      expected:
        '--database-url, --temporal-address and --cache-dir, or their environment variables, or .balance/endpoints.json in this folder',
      got: 'none of them',
      hint: 'Start one here with `balance up` (or `npm start`), or run this where it runs.',
    });
  }
  return {
    databaseUrl,
    temporalAddress,
    temporalNamespace: env.TEMPORAL_NAMESPACE ?? file?.temporalNamespace ?? 'default',
    cacheDir,
    ...(file?.temporalUiUrl === undefined ? {} : { temporalUiUrl: file.temporalUiUrl }),
  };
}

/** Runs `job` with a connected client of the pool, and closes it. */
export async function withClient<T>(
  options: ConnectionOptions,
  job: (client: BalanceClient, pool: PoolRef) => Promise<T>,
): Promise<T> {
  const endpoints = resolveEndpoints(options);
  const ref = await withDatabase(options, (database) => resolvePool(database, options));
  const client = await connect(endpoints, ref);
  try {
    return await job(client, ref);
  } finally {
    await client.close();
  }
}

export async function withDatabase<T>(
  options: ConnectionOptions,
  job: (database: DatabaseHandle) => Promise<T>,
): Promise<T> {
  const { databaseUrl } = resolveEndpoints(options);
  const database = openDatabase(databaseUrl, { connectionsMax: 2 });
  try {
    const answer = await database.sql<{ ours: boolean }[]>`
      select to_regclass('pools') is not null and to_regclass('decisions') is not null as ours`.catch(
      (cause: unknown) => {
        throw new BalanceError(
          'unreachable',
          {
            type: 'DatabaseUnreachable',
            message: `PostgreSQL does not answer: ${(cause as Error).message}`,
            hint: 'Is `balance up` running? `balance doctor` names what is wrong.',
          },
          { cause },
        );
      },
    );
    if (!answer[0].ours) throw notOurs(databaseUrl);
    return await job(database);
  } finally {
    await database.close();
  }
}

/** The server answers, but the database is another one, or nothing set it up yet. */
function notOurs(databaseUrl: string): BalanceError {
  const { host, pathname } = new URL(databaseUrl);
  return usageError({
    type: 'NotBalanceDatabase',
    message: 'this database holds no Balance',
    expected: 'a database that `balance up` or `balance worker` has set up',
    got: `${decodeURIComponent(pathname.slice(1))} on ${host}`,
    hint: 'Correct --database-url or DATABASE_URL; `balance worker` sets an empty database up.',
  });
}

export async function withTemporal<T>(options: ConnectionOptions, job: (client: Client) => Promise<T>): Promise<T> {
  const { temporalAddress, temporalNamespace } = resolveEndpoints(options);
  const connection = await connectTemporal(temporalAddress);
  try {
    return await job(new Client({ connection, namespace: temporalNamespace }));
  } finally {
    await connection.close();
  }
}

/** The pool that is meant: named, or the only one. */
export async function resolvePool(database: DatabaseHandle, options: ConnectionOptions): Promise<PoolRef> {
  const tenant = options.tenant ?? 'default';
  const pools = await createPoolStore(database.db).list(tenant);
  const names = pools.map(({ pool }) => pool);
  const pool = options.pool ?? (names.length === 1 ? names[0] : undefined);
  if (pool !== undefined && names.includes(pool)) return { tenant, pool };
  throw new BalanceError('usage', {
    type: pool === undefined ? 'PoolNeeded' : 'UnknownPool',
    message: pool === undefined ? 'which pool is meant?' : `no pool ${pool}`,
    expected: names.length === 0 ? 'a pool that was applied; none is' : `--pool with one of ${names.join(', ')}`,
    got: pool ?? 'no --pool',
  });
}
