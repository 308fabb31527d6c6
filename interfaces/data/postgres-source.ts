/** Datasets that are Postgres tables, read through postgres.js in one read-only snapshot. */
import postgres from 'postgres';
import type { DatasetRef } from '../../activities/ports.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { cellBytes, columnNamed, sourceColumns, type SourceColumn } from './columns.js';
import { quoteIdentifier, type Session } from './engine.js';
import { Bindings, predicateSql } from './predicate-sql.js';
import type { ScanPace } from './paced-scan.js';
import { tableVersion, type KnownDigests } from './table-version.js';
import { keyIdentitySql, type DataSource, type OpenDataset, type ScanNeed } from './source.js';

export interface PostgresSourceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What hashes the rows of a table: the server. */
const HASHED_BY = 'postgres md5';

/** Rows fetched from the cursor at a time: some hundred kilobytes, so that memory stays flat whatever the table's size. */
const CURSOR_ROWS = 5_000;
/** The same of a paced read, as many as the engine's pieces have: who waits between them is to notice soon. */
const PACED_ROWS = 2_048;
/** Time to reach the server before it counts as unreachable. */
const CONNECT_TIMEOUT_SECONDS = 10;

/** The source kind `postgres`. */
export function postgresSource(options: PostgresSourceOptions): DataSource {
  const known: KnownDigests = new Map();
  return { hashedBy: HASHED_BY, open: (dataset, session) => openTable(dataset, session, options.env, known) };
}

async function openTable(
  dataset: DatasetRef,
  session: Session,
  env: PostgresSourceOptions['env'],
  known: KnownDigests,
): Promise<OpenDataset> {
  const { source } = dataset;
  if (source.kind !== 'postgres') throw new Error(`dataset ${dataset.id} is not of a postgres source`);
  const { table, key } = located(dataset);
  const client = postgres(filledUrl(source.url, dataset.sourceId, env), {
    max: 1,
    max_lifetime: null,
    connect_timeout: CONNECT_TIMEOUT_SECONDS,
    onnotice: () => undefined,
    connection: { application_name: 'balance data plane', TimeZone: 'UTC', DateStyle: 'ISO, YMD' },
  });
  const abort = (): void => void client.end({ timeout: 0 });
  session.signal.addEventListener('abort', abort);
  const close = async (): Promise<void> => {
    session.signal.removeEventListener('abort', abort);
    await client.end({ timeout: 1 });
  };
  const relation = `${quoteIdentifier(source.schema)}.${quoteIdentifier(table)}`;
  try {
    return await translated(dataset, session.signal, async () => {
      await client.unsafe('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const begun = await transactionStart(client);
      const columns = await tableColumns(client, dataset, source.schema, table);
      for (const name of key) columnNamed(columns, name);
      const contentId = await tableVersion(
        client,
        JSON.stringify([dataset.tenant, dataset.pool, dataset.id]),
        relation,
        known,
      );
      return {
        contentId,
        columns,
        parts: {},
        lazy: false,
        fingerprint: {
          by: HASHED_BY,
          sum: (of, event, range) =>
            translated(dataset, session.signal, () => rowsFingerprint(client, relation, of, event, range)),
        },
        scan: (need) =>
          translated(dataset, session.signal, () => loadRows({ client, relation, columns, key, session, need })),
        finish: () =>
          translated(dataset, session.signal, async () => {
            // The driver reconnects by itself; what it read after that is of another snapshot.
            const same = (await transactionStart(client)) === begun;
            await close();
            if (same) return;
            throw new BalanceError('unreachable', {
              type: 'SourceChanged',
              message: `dataset ${dataset.id}: the connection was lost while it was read`,
              hint: 'Try again.',
            });
          }),
        abandon: () => close().catch(() => undefined),
      };
    });
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** @throws BalanceError `IncompleteDataset` */
function located({ id, definition: { table, key } }: DatasetRef): {
  readonly table: string;
  readonly key: readonly string[];
} {
  if (table === undefined || key === undefined) {
    throw usageError({
      type: 'IncompleteDataset',
      message: `dataset ${id} of a postgres source has no ${table === undefined ? 'table' : 'key'}`,
      expected: 'table, and key: the columns that identify a row',
      got: 'none',
      hint: 'Rows of a table have no position; only a key tells them apart.',
    });
  }
  return { table, key };
}

/** In a transaction `now()` stands still at its start: it tells one transaction from another. */
async function transactionStart(client: postgres.Sql): Promise<string> {
  const [{ start }] = await client.unsafe<[{ start: string }]>('SELECT now()::text AS start');
  return start;
}

/** A source's URL with `${NAME}` taken from the environment. @throws `MissingVariable`, naming the variable only. */
export function filledUrl(url: string, sourceId: string, env: PostgresSourceOptions['env']): string {
  return url.replaceAll(/\$\{([^}]*)\}/g, (_, name: string) => {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    throw usageError({
      type: 'MissingVariable',
      message: `source ${sourceId} needs the environment variable ${name}`,
      expected: name,
      got: 'not set',
    });
  });
}

/** Runs a job on the server; what it reports becomes facts. URLs and passwords never enter a message. */
async function translated<T>(dataset: DatasetRef, signal: AbortSignal, job: () => Promise<T>): Promise<T> {
  try {
    return await job();
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof BalanceError) throw error;
    const { code = '' } = error as { code?: string };
    // SQLSTATE classes: 08 connection, 53 resources, 57 shutdown; 40 serialisation; all others of the server are our caller's.
    const serverFault = /^[0-9A-Z]{5}$/.test(code) && !/^(08|53|57|40|3D|28)/.test(code);
    throw new BalanceError(
      serverFault ? 'usage' : 'unreachable',
      {
        type: 'UnreadableSource',
        message: `dataset ${dataset.id}: Postgres source ${dataset.sourceId} ${serverFault ? `refused the read (${(error as Error).message})` : 'cannot be read'}`,
        got: code,
        hint: serverFault ? 'Check table and rights.' : 'Is the server up, and is the address right?',
      },
      { cause: error },
    );
  }
}

/** Postgres types by their DuckDB twins; all others are read as text. Unbounded numerics become doubles. */
function engineType(type: string): string {
  const numeric = /^numeric\((\d+),(-?\d+)\)$/.exec(type);
  if (numeric !== null && Number(numeric[1]) <= 38 && Number(numeric[2]) >= 0)
    return `DECIMAL(${numeric[1]},${numeric[2]})`;
  const twins: Readonly<Record<string, string>> = {
    smallint: 'SMALLINT',
    integer: 'INTEGER',
    bigint: 'BIGINT',
    real: 'FLOAT',
    'double precision': 'DOUBLE',
    numeric: 'DOUBLE',
    uuid: 'UUID',
    boolean: 'BOOLEAN',
    date: 'DATE',
    'timestamp without time zone': 'TIMESTAMP',
    'timestamp with time zone': 'TIMESTAMP WITH TIME ZONE',
  };
  return twins[type.replace(/\(\d+\)/, '')] ?? 'VARCHAR';
}

async function tableColumns(
  client: postgres.Sql,
  dataset: DatasetRef,
  schema: string,
  table: string,
): Promise<readonly SourceColumn[]> {
  const rows = await client<{ name: string; type: string }[]>`
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = ${schema} AND relname = ${table} AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;
  if (rows.length === 0) {
    throw usageError({
      type: 'UnreadableSource',
      message: `dataset ${dataset.id}: no table ${schema}.${table}`,
      expected: 'an existing table',
      got: `${schema}.${table}`,
    });
  }
  return sourceColumns(rows.map(({ name, type }) => ({ name, type: engineType(type) })));
}

/** As the digest of a whole table, over some columns and a stretch of event time: one sum, so that sums of stretches add up. */
async function rowsFingerprint(
  client: postgres.Sql,
  relation: string,
  columns: readonly SourceColumn[],
  event: SourceColumn,
  { afterMs, upToMs }: { readonly afterMs: number | null; readonly upToMs: number },
): Promise<bigint> {
  const at = quoteIdentifier(event.name);
  const bound = (ms: number): string => `'${new Date(ms).toISOString()}'::timestamptz`;
  const within = `${at} <= ${bound(upToMs)}`;
  const range = afterMs === null ? `(${within} OR ${at} IS NULL)` : `${within} AND ${at} > ${bound(afterMs)}`;
  const cells = columns.map(({ name }) => quoteIdentifier(name)).join(', ');
  const [row] = await client.unsafe<{ sum: string }[]>(
    `SELECT coalesce(sum(('x' || substr(md5(ROW(${cells})::text), 1, 15))::bit(60)::bigint), 0)::text AS sum FROM ${relation} WHERE ${range}`,
  );
  return BigInt(row.sum);
}

interface Load {
  readonly client: postgres.Sql;
  readonly relation: string;
  readonly columns: readonly SourceColumn[];
  readonly key: readonly string[];
  readonly session: Session;
  readonly need: ScanNeed;
}

/** Streams the needed rows as text into a temporary table, and gives the query that casts them to the columns' types. */
async function loadRows({ client, relation, columns, key, session, need }: Load): Promise<string> {
  const keyColumns = need.identity ? key.map((name) => columnNamed(columns, name)) : [];
  const wanted = columns.filter((column) => need.columns.includes(column) || keyColumns.includes(column));
  const bindings = new Bindings();
  // Texts compare by their bytes, as in the engine: a server's own collation may order, and so filter, differently.
  const spell = (column: SourceColumn): string =>
    quoteIdentifier(column.name) + (column.kind === 'string' ? '::text COLLATE "C"' : '');
  const conditions = ['TRUE'];
  if (need.anyOf.length > 0) {
    const any = need.anyOf.map(
      (where) => `(${predicateSql(where, { dialect: 'postgres', columns, bindings, spell })})`,
    );
    conditions.push(`(${any.join(' OR ')})`);
  }
  // Text times are bounded by the engine, which knows one rule for all sources.
  if (need.upTo?.column.kind === 'time') {
    const name = quoteIdentifier(need.upTo.column.name);
    conditions.push(
      `(${name} <= ${bindings.bind(new Date(need.upTo.ms).toISOString())}::text::timestamptz OR ${name} IS NULL)`,
    );
  }
  const fields =
    wanted.length === 0 ? 'NULL::text' : wanted.map((column) => `${quoteIdentifier(column.name)}::text`).join(', ');
  const stage = 'balance_stage';
  const stageColumns = wanted.length === 0 ? ['one'] : wanted.map((column) => column.alias);
  await session.run(
    `CREATE OR REPLACE TEMP TABLE ${stage} (${stageColumns.map((alias) => `${alias} VARCHAR`).join(', ')})`,
  );
  const appender = await session.connection.createAppender(stage);
  const from = `FROM ${relation} WHERE ${conditions.join(' AND ')}`;
  const values = bindings.values as postgres.ParameterOrJSON<never>[];
  const paced = need.pace && (await pacedBy(need.pace, wanted, client, from, values));
  const query = client.unsafe(`SELECT ${fields} ${from}`, values);
  for await (const found of query.values().cursor(paced === undefined ? CURSOR_ROWS : PACED_ROWS)) {
    session.signal.throwIfAborted();
    const rows = found as unknown as TextRow[];
    for (const row of rows) {
      for (const cell of row) {
        if (cell === null) appender.appendNull();
        else appender.appendVarchar(cell);
      }
      appender.endRow();
    }
    appender.flushSync();
    await paced?.(rows);
  }
  appender.closeSync();
  if (wanted.length === 0) return stage;
  const typed = wanted.map((column) => `CAST(${column.alias} AS ${column.type}) AS ${column.alias}`);
  const identity = need.identity ? [`${keyIdentitySql(keyColumns.map((column) => column.alias))} AS id`] : [];
  return `(SELECT ${[...typed, ...identity].join(', ')} FROM ${stage})`;
}

type TextRow = readonly (string | null)[];

/** Tells a pace what rows have come, their bytes as the engine counts them, and waits for it. */
async function pacedBy(
  { counted, begin }: ScanPace,
  wanted: readonly SourceColumn[],
  client: postgres.Sql,
  from: string,
  values: postgres.ParameterOrJSON<never>[],
): Promise<(rows: readonly TextRow[]) => Promise<void>> {
  const onward = await begin(async () => {
    const [{ n }] = await client.unsafe<{ n: string }[]>(`SELECT count(*)::text AS n ${from}`, values);
    return Number(n);
  });
  const cells = counted.map((column) => [wanted.indexOf(column), cellBytes(column)] as const);
  const bytesOf = (row: TextRow): number =>
    cells.reduce((sum, [at, bytes]) => sum + (bytes ?? Buffer.byteLength(row[at] ?? '')), 0);
  return (rows) =>
    onward(
      rows.length,
      rows.reduce((sum, row) => sum + bytesOf(row), 0),
    );
}
