/** The options of every command that talks to a running Balance. Loads nothing: `--help` stays quick. */
import type { Command } from 'commander';

export interface ConnectionOptions {
  readonly json?: boolean;
  readonly pool?: string;
  readonly tenant?: string;
  readonly databaseUrl?: string;
  readonly temporalAddress?: string;
  readonly cacheDir?: string;
}

export function withConnection(command: Command): Command {
  return command
    .option('--pool <id>', 'pool; may be left out when there is only one')
    .option('--tenant <id>', 'tenant', 'default')
    .option('--database-url <url>', 'PostgreSQL (else DATABASE_URL, else .balance/endpoints.json)')
    .option('--temporal-address <host:port>', 'Temporal (else TEMPORAL_ADDRESS, else .balance/endpoints.json)')
    .option(
      '--cache-dir <path>',
      'shared cache of deliveries (else BALANCE_DELIVERIES_DIR, else .balance/endpoints.json)',
    )
    .option('--json', 'print JSON');
}
