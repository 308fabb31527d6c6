/** One slice of a merged read: cut out of the pool, measured, written as a Parquet file. */
import type { SliceAsk, SliceResult } from '../../activities/ports.js';
import { cellBytesSql, classSql, columnNamed, type SourceColumn } from './columns.js';
import { largestClasses, newestSql, numberOrNull, wholeMs, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import type { FileCache } from './file-cache.js';
import { Bindings, predicateSql } from './predicate-sql.js';
import type { RankedPool } from './ranked-pool.js';

function fieldsOf(slice: SliceAsk, at: DatasetScope): SourceColumn[] {
  return slice.fields.map((name) => columnNamed(at.open.columns, name));
}

/** Makes the table `slice`: the slice's rows in its order, with the columns that it is measured by and `pos`. */
export async function cutSlice(slice: SliceAsk, at: DatasetScope, session: Session, pool: RankedPool): Promise<void> {
  const { columns } = at.open;
  const bindings = new Bindings();
  const where = predicateSql(slice.where, { dialect: 'duckdb', columns, bindings, spell: (column) => column.alias });
  const kept = new Set(fieldsOf(slice, at).map((column) => column.alias));
  if (at.eventColumn !== null) kept.add(at.eventColumn.alias);
  if (slice.classColumn !== null) kept.add(columnNamed(columns, slice.classColumn).alias);
  // Rows of one declared key have one identity: their order, and so which of them fit, ends in the slice's own values.
  const order = `ORDER BY ${['rank', 'id', ...(at.dataset.definition.key === undefined ? [] : kept)].join(', ')}`;
  const limit = slice.rows === null ? '' : `LIMIT ${wholeMs(slice.rows)}`;
  const quotas = quotaSql(slice, columns, order, bindings);
  const wanted = Math.min(slice.rows ?? Infinity, slice.quotas === null ? Infinity : sum(Object.values(slice.quotas)));
  let expected = Infinity;
  for (const share of pool.shares(slice.seed, wanted)) {
    // What the last share gave tells what this one will: a share that is sure to run out is not asked.
    if (share > 1 && expected / share < wanted) continue;
    const from = await pool.relation(slice.seed, share);
    const [made] = await session.rows(
      `CREATE OR REPLACE TEMP TABLE slice AS SELECT ${[...kept].join(', ')}, id, pos FROM ${from} ${quotas.join}
       WHERE ${where} ${quotas.keep} ${order} ${limit}`,
      bindings.values,
    );
    // Every row outside the share ranks behind every row in it: enough rows are the right rows.
    if (Number(made.Count) >= wanted) return;
    expected = Number(made.Count) * share;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Of each class with a quota, the first so many rows in the slice's order. */
function quotaSql(slice: SliceAsk, columns: readonly SourceColumn[], order: string, bindings: Bindings) {
  if (slice.quotas === null) return { join: '', keep: '' };
  const text = classSql(columnNamed(columns, slice.classColumn!));
  const quotas = Object.entries(slice.quotas).map(
    ([name, quota]) => `(CAST(${bindings.bind(name)} AS VARCHAR), ${wholeMs(quota)})`,
  );
  return {
    join: `JOIN (VALUES ${[...quotas, '(CAST(NULL AS VARCHAR), 0)'].join(', ')}) quotas (class, quota) ON ${text} = class`,
    keep: `QUALIFY row_number() OVER (PARTITION BY class ${order}) <= quota`,
  };
}

/** Measures the table `slice` and stores it as a file of its fields. */
export async function writeSlice(
  slice: SliceAsk,
  at: DatasetScope,
  session: Session,
  cache: FileCache,
): Promise<SliceResult> {
  const bindings = new Bindings();
  const fields = fieldsOf(slice, at);
  const contract = fields.map((column) => brokenSql(column, at, bindings));
  const aggregates = [
    'count(*) AS n',
    `coalesce(sum(${fields.map(cellBytesSql).join(' + ')}), 0) AS bytes`,
    `${newestSql(at.eventColumn)} AS newest`,
    `${at.dataset.definition.key === undefined ? '0' : 'count(*) - count(DISTINCT id)'} AS duplicates`,
    ...fields.map((column) => `count(${column.alias}) AS ${column.alias}_n`),
    ...fields.map(
      ({ alias }, index) => `${contract[index] === null ? '0' : `count(*) FILTER (${contract[index]})`} AS ${alias}_x`,
    ),
  ];
  const [row] = await session.rows(`SELECT ${aggregates.join(', ')} FROM slice`, bindings.values);
  const rows = Number(row.n);
  const share = (part: number, whole: number, none: number): number => (whole === 0 ? none : part / whole);
  const file = await cache.store((path) => {
    const named = fields.map((column) => `${column.alias} AS ${quoteIdentifier(column.name)}`);
    return session.run(`COPY (SELECT ${named.join(', ')} FROM slice) TO ${quoteText(path)} (FORMAT parquet)`);
  });
  return {
    id: slice.id,
    ...file,
    rows,
    bytes: Number(row.bytes),
    newestEventMs: numberOrNull(row.newest),
    completeness: Object.fromEntries(
      fields.map(({ name, alias }) => [name, share(Number(row[`${alias}_n`]), rows, 1)]),
    ),
    invalid: Object.fromEntries(
      fields.map(({ name, alias }) => [name, share(Number(row[`${alias}_x`]), Number(row[`${alias}_n`]), 0)]),
    ),
    duplicateRows: Number(row.duplicates),
    classCounts:
      slice.classColumn === null ? null : await classCounts(columnNamed(at.open.columns, slice.classColumn), session),
  };
}

async function classCounts(column: SourceColumn, session: Session): Promise<Readonly<Record<string, number>>> {
  const rows = await session.rows(
    `SELECT ${classSql(column)} AS class, count(*) AS n FROM slice WHERE ${column.alias} IS NOT NULL GROUP BY ALL`,
  );
  return largestClasses(rows.map((row) => [String(row.class), Number(row.n)]));
}

/** Condition of a non-null cell that breaks its column's contract; null when nothing is promised of its values. */
function brokenSql(column: SourceColumn, at: DatasetScope, bindings: Bindings): string | null {
  const contract = at.dataset.definition.columns[column.name] as
    (typeof at.dataset.definition.columns)[string] | undefined;
  if (contract === undefined) return null;
  const { values, min, max } = contract;
  const numeric = column.kind === 'number' ? column.alias : `TRY_CAST(${column.alias} AS DOUBLE)`;
  const bound = (value: number): string => `CAST(${bindings.bind(String(value))} AS DOUBLE)`;
  const kept: string[] = [];
  if (values !== undefined) {
    const numbers = column.kind === 'number';
    const list = values.map((value) =>
      numbers ? bound(Number(value)) : `CAST(${bindings.bind(String(value))} AS VARCHAR)`,
    );
    kept.push(`${numbers ? column.alias : `CAST(${column.alias} AS VARCHAR)`} IN (${list.join(', ')})`);
  }
  if (min !== undefined) kept.push(`${numeric} >= ${bound(min)}`);
  if (max !== undefined) kept.push(`${numeric} <= ${bound(max)}`);
  return kept.length === 0 ? null : `${column.alias} IS NOT NULL AND NOT coalesce(${kept.join(' AND ')}, FALSE)`;
}
