/** One slice of a merged read: the SQL of its rows, and its file when the engine writes it. */
import type { SliceAsk } from '../../activities/ports.js';
import { classSql, columnNamed, type SourceColumn } from './columns.js';
import { wholeMs, whereSql, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import type { FileCache, Written } from './file-cache.js';
import type { Bindings } from './predicate-sql.js';
import type { RankedRows } from './ranked-pool.js';

export function fieldsOf(slice: SliceAsk, at: DatasetScope): SourceColumn[] {
  return slice.fields.map((name) => columnNamed(at.open.columns, name));
}

/** Columns that a slice is delivered with or measured by, by alias. */
export function keptColumns(slice: SliceAsk, at: DatasetScope): string[] {
  const kept = new Set(fieldsOf(slice, at).map((column) => column.alias));
  if (at.eventColumn !== null) kept.add(at.eventColumn.alias);
  if (slice.classColumn !== null) kept.add(columnNamed(at.open.columns, slice.classColumn).alias);
  return [...kept];
}

/** Rows that a slice takes at most; infinite when it takes all that match. */
export function wantedRows({ rows, quotas }: SliceAsk): number {
  const byClass = quotas === null ? Infinity : Object.values(quotas).reduce((total, quota) => total + quota, 0);
  return Math.min(rows ?? Infinity, byClass);
}

/** A query of the slice's rows in its order: what it keeps, `id` and `pos`. */
export function sliceSql(slice: SliceAsk, at: DatasetScope, { from, ordered }: RankedRows, bindings: Bindings): string {
  const { columns } = at.open;
  const where = whereSql(slice.where, at, bindings);
  const kept = keptColumns(slice, at);
  // Rows of one declared key have one identity: their order, and so which of them fit, ends in the slice's own values.
  const order = `ORDER BY ${['rank', 'id', ...(at.dataset.definition.key === undefined ? [] : kept)].join(', ')}`;
  const quotas = quotaSql(slice, columns, order, bindings);
  const limit = slice.rows === null ? '' : `LIMIT ${wholeMs(slice.rows)}`;
  return `SELECT ${kept.join(', ')}, id, pos FROM ${from} ${quotas.join}
    WHERE ${where} ${quotas.keep} ${ordered && slice.quotas === null ? '' : order} ${limit}`;
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

/** Lets the engine write the rows of a FROM clause as a slice's file; its way into the cache goes on beside the next slice. */
export function writeSlice(
  slice: SliceAsk,
  from: string,
  at: DatasetScope,
  session: Session,
  cache: FileCache,
): Promise<Written> {
  const named = fieldsOf(slice, at).map((column) => `${column.alias} AS ${quoteIdentifier(column.name)}`);
  return cache.write((path) =>
    session.run(`COPY (SELECT ${named.join(', ')} FROM ${from}) TO ${quoteText(path)} (FORMAT parquet)`),
  );
}
