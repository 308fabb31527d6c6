/** `balance/client`: connects a program to a running Balance, given only its endpoints. */
import { readFileSync } from 'node:fs';
import { Client, type Connection } from '@temporalio/client';
import { openDatabase } from '../db/client.js';
import { createDecisionStore } from '../db/decision-store.js';
import { PUBLISHED_CHANNEL } from '../db/outbox.js';
import { createRequestStore } from '../db/request-store.js';
import { BalanceError } from '../domain/types/errors.js';
import { BalanceClient } from '../interfaces/model/client.js';
import { connectTemporal } from '../interfaces/model/temporal-connection.js';
import { createLoopClient } from '../interfaces/model/loop-gateway.js';
import { readParquetRows } from '../interfaces/data/read-rows.js';

export {
  BalanceClient,
  type DataRequest,
  type Delivery,
  type DeliveryReport,
  type RequestState,
  type RequestStatus,
} from '../interfaces/model/client.js';
export { BalanceError, EXIT_CODES, type ErrorFacts, type ErrorKind } from '../domain/types/errors.js';

/** Where a running Balance is: what `balance up` writes to `.balance/endpoints.json`. */
export interface Endpoints {
  readonly databaseUrl: string;
  readonly temporalAddress: string;
  readonly temporalNamespace?: string;
  /** Folder of the shared cache: deliveries are files in it. */
  readonly cacheDir: string;
}
export interface ConnectOptions {
  readonly pool: string;
  readonly tenant?: string;
  readonly taskQueue?: string;
}

/**
 * Connects to a running Balance.
 * @param endpoints the endpoints, or the path of an `endpoints.json`
 * @throws BalanceError of kind `unreachable` when a server does not answer
 */
export async function connect(endpoints: Endpoints | string, options: ConnectOptions): Promise<BalanceClient> {
  const {
    databaseUrl,
    temporalAddress,
    temporalNamespace = 'default',
    cacheDir,
  } = typeof endpoints === 'string' ? readEndpointsFile(endpoints) : endpoints;
  const database = openDatabase(databaseUrl, { connectionsMax: 4 });
  let connection: Connection;
  try {
    await database.sql`select 1`;
    connection = await connectTemporal(temporalAddress);
  } catch (cause) {
    await database.close();
    throw new BalanceError(
      'unreachable',
      {
        type: 'Unreachable',
        message: `cannot reach Balance: ${(cause as Error).message}`,
        hint: 'Is `balance up` running? `balance doctor` names what is wrong.',
      },
      { cause },
    );
  }
  let waiters: (() => void)[] = [];
  const wake = (): void => {
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter();
  };
  let listening: Promise<unknown> | undefined;
  const stores = { ...createRequestStore(database.db), ...createDecisionStore(database.db) };
  return new BalanceClient(
    {
      stores,
      loops: createLoopClient(new Client({ connection, namespace: temporalNamespace }), options.taskQueue),
      cacheDir,
      rows: readParquetRows,
      published: async (timeoutMs) => {
        listening ??= database.sql.listen(PUBLISHED_CHANNEL, wake, wake);
        await listening;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          waiters.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      },
      close: async () => {
        await connection.close();
        await database.close();
      },
    },
    { tenant: options.tenant ?? 'default', pool: options.pool },
  );
}

function readEndpointsFile(path: string): Endpoints {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Endpoints;
  } catch (cause) {
    throw new BalanceError(
      'usage',
      {
        type: 'BadEndpoints',
        message: `cannot read endpoints from ${path}`,
        expected: 'the JSON that `balance up` writes',
        got: (cause as Error).message,
        hint: 'Is `balance up` running in that folder?',
      },
      { cause },
    );
  }
}
