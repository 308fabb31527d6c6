/** One slice of a merged read: cut out of the pool and written as a Parquet file. */
import type { SliceAsk } from '../../activities/ports.js';
import { classSql, columnNamed, type SourceColumn } from './columns.js';
import { wholeMs, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import type { FileCache, Written } from './file-cache.js';
import { Bindings, predicateSql } from './predicate-sql.js';
import type { RankedPool } from './ranked-pool.js';

export function fieldsOf(slice: SliceAsk, at: DatasetScope): SourceColumn[] {
  return slice.fields.map((name) => columnNamed(at.open.columns, name));
}

/** Columns that a slice is delivered with or measured by. */
export function keptColumns(slice: SliceAsk, at: DatasetScope): string[] {
  const kept = new Set(fieldsOf(slice, at).map((column) => column.alias));
  if (at.eventColumn !== null) kept.add(at.eventColumn.alias);
  if (slice.classColumn !== null) kept.add(columnNamed(at.open.columns, slice.classColumn).alias);
  return [...kept];
}

/** Makes the table `slice`: the slice's rows in its order, with its kept columns, `id` and `pos`. Gives their number. */
export async function cutSlice(slice: SliceAsk, at: DatasetScope, session: Session, pool: RankedPool): Promise<number> {
  const { columns } = at.open;
  const bindings = new Bindings();
  const where = predicateSql(slice.where, { dialect: 'duckdb', columns, bindings, spell: (column) => column.alias });
  const kept = keptColumns(slice, at);
  // Rows of one declared key have one identity: their order, and so which of them fit, ends in the slice's own values.
  const order = `ORDER BY ${['rank', 'id', ...(at.dataset.definition.key === undefined ? [] : kept)].join(', ')}`;
  const limit = slice.rows === null ? '' : `LIMIT ${wholeMs(slice.rows)}`;
  const quotas = quotaSql(slice, columns, order, bindings);
  const wanted = Math.min(slice.rows ?? Infinity, slice.quotas === null ? Infinity : sum(Object.values(slice.quotas)));
  let count = 0;
  for (const share of await pool.shares(slice, wanted)) {
    const from = await pool.relation(slice.seed, share);
    const [made] = await session.rows(
      `CREATE OR REPLACE TEMP TABLE slice AS SELECT ${kept.join(', ')}, id, pos FROM ${from} ${quotas.join}
       WHERE ${where} ${quotas.keep} ${order} ${limit}`,
      bindings.values,
    );
    // Every row outside the share ranks behind every row in it: enough rows are the right rows.
    count = Number(made.Count);
    if (count >= wanted) break;
  }
  return count;
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

/** Writes the table `slice` as a file of its fields; the file's way into the cache goes on beside the next slice. */
export function writeSlice(slice: SliceAsk, at: DatasetScope, session: Session, cache: FileCache): Promise<Written> {
  const named = fieldsOf(slice, at).map((column) => `${column.alias} AS ${quoteIdentifier(column.name)}`);
  return cache.write((path) =>
    session.run(`COPY (SELECT ${named.join(', ')} FROM slice) TO ${quoteText(path)} (FORMAT parquet)`),
  );
}
