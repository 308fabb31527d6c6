/** The connection: postgres.js under Drizzle, column names in snake case, migrations applied under a lock. */
import { fileURLToPath } from 'node:url';
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
  const sql = postgres(url, {
    max: options.connectionsMax ?? 8,
    connect_timeout: 10,
    idle_timeout: 60,
    onnotice: () => undefined,
    connection: { application_name: 'balance' },
  });
  return { db: drizzle(sql, { schema, casing: 'snake_case' }), sql, close: () => sql.end({ timeout: 5 }) };
}

/** Brings the schema up to date. Safe when several processes start together. */
export async function migrateDatabase(url: string): Promise<void> {
  const sql = postgres(url, { max: 1, connect_timeout: 10, onnotice: () => undefined });
  try {
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await migrate(drizzle(sql), { migrationsFolder: fileURLToPath(new URL('./migrations', import.meta.url)) });
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
    await sql.end({ timeout: 5 });
  }
}

/** Splits rows so that one statement stays below PostgreSQL's 65,535 parameters. */
export function chunked<T>(rows: readonly T[], columns: number): T[][] {
  const size = Math.floor(60_000 / columns);
  const chunks: T[][] = [];
  for (let start = 0; start < rows.length; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}
