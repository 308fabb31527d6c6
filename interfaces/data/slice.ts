/** One slice of a merged read: the SQL of its rows, and its file when the engine writes it. */
import type { SliceAsk } from '../../activities/ports.js';
import { classSql, columnNamed, type SourceColumn } from './columns.js';
import { wholeMs, whereSql, type DatasetScope } from './dataset-scope.js';
import { quoteIdentifier, quoteText, type Session } from './engine.js';
import { candidatesSql } from './draw-candidates.js';
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
  const byHash = ['rank', 'id', ...(at.dataset.definition.key === undefined ? [] : kept)].join(', ');
  const { cover } = slice;
  const matching = `(SELECT * FROM ${from} WHERE ${where})`;
  const quotas = quotaSql(slice, bindings);
  const candidates = candidatesSql(slice, columns, matching, quotas) ?? matching;
  const rows = cover === undefined ? candidates : turnsSql(cover, columns, candidates, byHash);
  const order = `ORDER BY ${cover === undefined ? '' : 'turn, '}${byHash}`;
  const limit = slice.rows === null ? '' : `LIMIT ${wholeMs(slice.rows)}`;
  const picked = `SELECT ${kept.join(', ')}, id, pos`;
  if (quotas !== null) {
    const text = classSql(columnNamed(columns, slice.classColumn!));
    return `${picked} FROM ${rows} JOIN ${quotas} ON ${text} = class
      QUALIFY row_number() OVER (PARTITION BY class ${order}) <= quota ${order} ${limit}`;
  }
  if (cover !== undefined) return `${picked} FROM ${rows} ${order} ${limit}`;
  return `${picked} FROM ${from} WHERE ${where} ${ordered ? '' : order} ${limit}`;
}

/**
 * The rows with their `turn`: a row among the first of one of its segments has the turn that is its place there, behind the
 * turns of all segments of fewer columns; all others have one turn, the last. A row without one of the values is in no segment.
 */
function turnsSql(
  { rows, segments }: NonNullable<SliceAsk['cover']>,
  columns: readonly SourceColumn[],
  from: string,
  byHash: string,
): string {
  const places = segments.map((names) => {
    const own = names.map((name) => columnNamed(columns, name));
    const missing = own.map(({ alias }) => `${alias} IS NULL`).join(' OR ');
    const place = `row_number() OVER (PARTITION BY ${own.map(classSql).join(', ')} ORDER BY ${byHash})`;
    return { width: own.length, place: `CASE WHEN ${missing} THEN NULL ELSE ${place} END` };
  });
  const widths = [...new Set(places.map(({ width }) => width))].sort((a, b) => a - b);
  const best = widths.map((width) => {
    const some = places.flatMap((one) => (one.width === width ? [one.place] : []));
    return `least(${some.join(', ')}) AS place${width}`;
  });
  const turns = widths.map((width, nth) => `WHEN place${width} <= ${wholeMs(rows)} THEN ${nth * rows} + place${width}`);
  return `(SELECT *, CASE ${turns.join(' ')} ELSE ${widths.length * rows + 1} END AS turn FROM (SELECT *, ${best.join(', ')} FROM ${from}))`;
}

/** The quotas of the classes as a table; null where there are none. */
function quotaSql({ quotas }: SliceAsk, bindings: Bindings): string | null {
  if (quotas === null) return null;
  const values = Object.entries(quotas).map(
    ([name, quota]) => `(CAST(${bindings.bind(name)} AS VARCHAR), ${wholeMs(quota)})`,
  );
  return `(VALUES ${[...values, '(CAST(NULL AS VARCHAR), 0)'].join(', ')}) quotas (class, quota)`;
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
