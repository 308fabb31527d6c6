/** The connection: postgres.js under Drizzle, column names in snake case, migrations applied under a lock. */
import { fileURLToPath } from 'node:url';
import { getTableColumns, sql } from 'drizzle-orm';
import { toSnakeCase } from 'drizzle-orm/casing';
import type { PgTable } from 'drizzle-orm/pg-core';
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
    db: drizzle(preparing(connections), { schema, casing: 'snake_case' }),
    sql: connections,
    close: () => connections.end({ timeout: 5 }),
  };
}

/** Statements with more parameters are bulk inserts: each number of rows is another text, not worth keeping. */
const PREPARED_PARAMETERS_MAX = 64;

/**
 * The same client, whose statements are prepared once for each connection. Drizzle asks for unnamed ones: those take a
 * second round trip each, for the types of their parameters, are planned anew every time, and cannot be pipelined.
 */
function preparing<T extends postgres.Sql | postgres.TransactionSql>(client: T): T {
  return new Proxy(client, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'unsafe') {
        return (text: string, values: postgres.ParameterOrJSON<never>[] = [], options?: postgres.UnsafeQueryOptions) =>
          target.unsafe(text, values, { ...options, prepare: values.length <= PREPARED_PARAMETERS_MAX });
      }
      if (name === 'begin' || name === 'savepoint') {
        return (work: (inner: postgres.TransactionSql) => unknown) =>
          (value as (work: (inner: postgres.TransactionSql) => unknown) => unknown).call(target, (inner) =>
            work(preparing(inner)),
          );
      }
      return value;
    },
  });
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
 * and may loop over all pairs of 10,000 requests. Before PostgreSQL 18, a join that is off all the same looks so costly
 * that it would be compiled.
 */
export const HASH_JOINS = sql`select set_config('enable_nestloop', 'off', true), set_config('jit', 'off', true)`;

/**
 * For transactions that write many rows. A connection keeps the plans of its statements and of its foreign keys' checks:
 * one made while a table was nearly empty reads all of it, and would do so for each row that is written.
 */
export const PLAN_ANEW = sql`discard plans`;

/** Rows in one statement: bounds its parameter, at one to two kilobytes a row. */
const ROWS_AT_ONCE = 2_000;

/**
 * Inserts rows, all of the same columns, that are not there yet. They travel as one JSON parameter: a short statement,
 * the same for any number of rows.
 */
export async function insertRows<T extends PgTable>(
  tx: Queryable,
  table: T,
  rows: readonly T['$inferInsert'][],
): Promise<void> {
  if (rows.length === 0) return;
  const columns = getTableColumns(table);
  const keys = Object.keys(rows[0]).filter((key) => Object.hasOwn(columns, key));
  const name = (key: string) => sql.identifier(toSnakeCase(key));
  const names = sql.join(keys.map(name), sql`, `);
  // The row's keys name the record's fields; the order of both lists is the same.
  const fields = sql.join(
    keys.map((key) => sql`${sql.identifier(key)} ${sql.raw(columns[key].getSQLType())}`),
    sql`, `,
  );
  const values = sql.join(
    keys.map((key) => sql.identifier(key)),
    sql`, `,
  );
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    const json = JSON.stringify(rows.slice(start, start + ROWS_AT_ONCE));
    await tx.execute(sql`
      insert into ${table} (${names}) select ${values} from jsonb_to_recordset(${json}::jsonb) as r(${fields})
      on conflict do nothing`);
  }
}

/** Splits rows, all of the same columns, so that one statement stays below PostgreSQL's 65,535 parameters. */
export function chunked<T extends object>(rows: readonly T[]): T[][] {
  const size = Math.floor(65_000 / Math.max(1, ...rows.slice(0, 1).map((row) => Object.keys(row).length)));
  const chunks: T[][] = [];
  for (let start = 0; start < rows.length; start += size) chunks.push(rows.slice(start, start + size));
  return chunks;
}
