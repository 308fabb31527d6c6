/** How Temporal is reached: the variables and profiles of the Temporal CLI (TLS, API key) belong to the address that they name. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { Connection, type ConnectionOptions } from '@temporalio/client';
import { BalanceError } from '../../domain/types/errors.js';

const CONNECT_TIMEOUT_MS = 5_000;

/** Connection options for an address; TLS and API key are taken from the environment only when it names this very address. */
export function temporalConnectionOptions(address: string, env: NodeJS.ProcessEnv = process.env): ConnectionOptions {
  if (env.TEMPORAL_ADDRESS !== address) return { address };
  return { ...loadClientConnectConfig().connectionOptions, address };
}

/** Connects a client. @throws BalanceError `TemporalUnreachable` */
export async function connectTemporal(address: string): Promise<Connection> {
  try {
    return await Connection.connect({ ...temporalConnectionOptions(address), connectTimeout: CONNECT_TIMEOUT_MS });
  } catch (cause) {
    throw new BalanceError(
      'unreachable',
      {
        type: 'TemporalUnreachable',
        message: `Temporal does not answer at ${address}: ${(cause as Error).message}`,
        hint: 'Is `balance up` running? `balance doctor` names what is wrong.',
      },
      { cause },
    );
  }
}
