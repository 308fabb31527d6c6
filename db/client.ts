/** The connection: postgres.js under Drizzle, column names in snake case, migrations applied under a lock. */
import { fileURLToPath } from 'node:url';
import { sql } from 'drizzle-orm';
import { drizzle, type PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';
import { BalanceError } from '../domain/types/errors.js';
import * as schema from './schema.js';

export type Database = PostgresJsDatabase<typeof schema>;
/** A transaction, or the database itself: what a query runs on. */
export type Queryable = Pick<Database, 'select' | 'insert' | 'update' | 'delete' | 'execute'>;

export interface DatabaseHandle {
  readonly db: Database;
  readonly sql: postgres.Sql;
  close(): Promise<void>;
}

/** Key of the advisory lock that lets one process migrate at a time: "bal" in ASCII. */
const MIGRATION_LOCK = 0x62616c;

export function openDatabase(url: string, options: { readonly connectionsMax?: number } = {}): DatabaseHandle {
  const connections = postgres(url, {
    max: options.connectionsMax ?? 8,
    connect_timeout: 10,
    idle_timeout: 60,
    onnotice: () => undefined,
    connection: { application_name: 'balance' },
  });
  return {
    db: drizzle(connections, { schema, casing: 'snake_case' }),
    sql: connections,
    close: () => connections.end({ timeout: 5 }),
  };
}

/** Brings the schema up to date. Safe when several processes start together. */
export async function migrateDatabase(url: string): Promise<void> {
  const connection = postgres(url, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    await connection`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(connection), { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) });
  } catch (cause) {
    throw new BalanceError(
      'unreachable',
      {
        type: 'MigrationFailed',
        message: `could not bring the database up to date: ${(cause as Error).message}`,
        hint: 'Check that DATABASE_URL names a PostgreSQL 14 or newer that this user may create tables in.',
      },
      { cause },
    );
  } finally {
    await connection.end({ timeout: 5 });
  }
}

/**
 * For transactions that join what was just written in bulk: before statistics know of it, the planner expects a few rows
 * and may loop over all pairs of 10,000 requests.
 */
export const HASH_JOINS = sql`set local enable_nestloop = off`;

/** Splits rows, all of the same columns, so that one statement stays below PostgreSQL's 65,535 parameters. */
export function chunked<T extends object>(rows: readonly T[]): T[][] {
  const size = Math.floor(65_000 / Math.max(1, ...rows.slice(0, 1).map((row) => Object.keys(row).length)));
  const chunks: T[][] = [];
  for (let start = 0; start < rows.length; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}
