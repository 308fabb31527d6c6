/**
 * One read for many requesters: the source is scanned once into a table of the rows that some slice may use; each
 * slice is then cut out of that table and written as its own Parquet file.
 *
 * Which rows a slice gets depends on the slice and the data alone, never on its company: rows are ranked by a hash
 * of identity and seed, and ties end in the identity and the slice's own values.
 */
import type { MergedRead, MergedReadResult, SliceAsk, SliceResult } from '../../activities/ports.js';
import type { Condition, Literal, Predicate } from '../../domain/types/predicate.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { cellBytesSql, columnNamed, type SourceColumn } from './columns.js';
import { arrivedSql, predicateColumns, scanNeed, type DatasetScope } from './dataset-scope.js';
import type { Session } from './engine.js';
import type { FileCache, StoredFile } from './file-cache.js';
import { Bindings, predicateSql } from './predicate-sql.js';
import { RankedPool } from './ranked-pool.js';
import { cutSlice, writeSlice } from './slice.js';
import { SliceMeter } from './slice-metrics.js';

/** From this many distinct predicates on, the scan's filter and order are made for the crowd (see `coarse`, `pivot`). */
const CROWD = 32;
/** Files on their way into the cache while the next slice is cut: the disk is kept busy, half of Node's four I/O threads stay free. */
const STORES_AT_ONCE = 2;

/**
 * Serves all slices by one scan.
 * @throws `VersionGone` when the pinned content is no longer there; `InvalidSlice`, `UnknownColumn`, `TypeMismatch`.
 */
export async function readMerged(
  read: MergedRead,
  at: DatasetScope,
  session: Session,
  cache: FileCache,
): Promise<MergedReadResult> {
  const { columns, contentId } = at.open;
  if (read.contentId !== null && read.contentId !== contentId) {
    throw new BalanceError('refused', {
      type: 'VersionGone',
      message: `dataset ${read.dataset.id} no longer has the requested version`,
      expected: read.contentId,
      got: contentId,
      hint: 'Ask without a version, or for the current one.',
    });
  }
  for (const slice of read.slices) checkSlice(slice, columns);
  const rows = await fillPool(read.slices, at, session);
  // Equal slices are cut once; those of one seed follow one another, as they share the pool's ranks.
  const distinct = new Map(read.slices.map((slice) => [contentOf(slice), slice]));
  const pool = new RankedPool(session, rows, [...distinct.values()], columns);
  const meter = await SliceMeter.over(at, read.slices, session);
  const files: Promise<StoredFile>[] = [];
  const ordered = [...distinct.values()].sort((a, b) => a.seed - b.seed);
  for (const slice of ordered) {
    const count = await cutSlice(slice, at, session, pool);
    await meter.add(slice, count);
    const { stored } = await writeSlice(slice, at, session, cache);
    files.push(stored);
    if (files.length >= STORES_AT_ONCE) await files.at(-STORES_AT_ONCE);
  }
  const metrics = await meter.finish();
  const results = new Map<string, SliceResult>();
  for (const [index, file] of (await Promise.all(files)).entries()) {
    const slice = ordered[index];
    results.set(contentOf(slice), { id: slice.id, ...file, ...metrics.get(slice)! });
  }
  const fields = [...new Set(read.slices.flatMap((slice) => slice.fields))];
  const width = fields.map((name) => cellBytesSql(columnNamed(columns, name))).join(' + ') || '0';
  const [union] = await session.rows(
    `SELECT count(*) AS n, coalesce(sum(${width}), 0) AS bytes FROM pool WHERE rowid IN (SELECT pos FROM used UNION ALL SELECT pos FROM cuts)`,
  );
  return {
    id: read.id,
    contentId,
    rowsRead: Number(union.n),
    bytesRead: Number(union.bytes),
    slices: read.slices.map((slice) => ({ ...results.get(contentOf(slice))!, id: slice.id })),
  };
}

/** What decides a slice's file: slices of equal content share it. */
function contentOf({ fields, where, rows, seed, classColumn, quotas }: SliceAsk): string {
  return JSON.stringify([fields, where, rows, seed, classColumn, quotas && Object.entries(quotas).sort()]);
}

function checkSlice(slice: SliceAsk, columns: readonly SourceColumn[]): void {
  const demand = (holds: boolean, expected: string, got: string): void => {
    if (!holds) throw usageError({ type: 'InvalidSlice', message: `slice ${slice.id} cannot be read`, expected, got });
  };
  const { fields, rows, seed, classColumn, quotas } = slice;
  for (const name of fields) columnNamed(columns, name);
  demand(
    fields.length > 0 && new Set(fields).size === fields.length,
    'at least one field, each once',
    fields.join(', '),
  );
  const limit = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  demand(rows === null || limit(rows), 'rows: a whole number from 0, or null', String(rows));
  demand(Number.isSafeInteger(seed), 'seed: a whole number', String(seed));
  demand(quotas === null || classColumn !== null, 'a class column for the quotas', 'none');
  if (classColumn !== null) columnNamed(columns, classColumn);
  for (const quota of Object.values(quotas ?? {})) demand(limit(quota), 'quotas: whole numbers from 0', String(quota));
}

/** Scans the rows that some slice may use into the table `pool`, and counts them. */
async function fillPool(slices: readonly SliceAsk[], at: DatasetScope, session: Session): Promise<number> {
  const { columns } = at.open;
  const wheres = distinctPredicates(slices.map((slice) => slice.where));
  const needed = slices.flatMap((slice) => {
    const named = slice.classColumn === null ? slice.fields : [...slice.fields, slice.classColumn];
    return [...named.map((name) => columnNamed(columns, name)), ...predicateColumns(columns, slice.where)];
  });
  const crowded = wheres.length > CROWD;
  const anyOf = crowded ? coarse(wheres) : wheres;
  const bindings = new Bindings();
  const useful = anyOf.map((where) => {
    return `(${predicateSql(where, { dialect: 'duckdb', columns, bindings, spell: (column) => column.alias })})`;
  });
  const scan = await at.open.scan(scanNeed(at, needed, anyOf, true));
  const order = crowded ? pivot(wheres) : undefined;
  const [made] = await session.rows(
    `CREATE TEMP TABLE pool AS SELECT * FROM ${scan} WHERE ${arrivedSql(at)} AND (${useful.join(' OR ') || 'FALSE'})
     ${order === undefined ? '' : `ORDER BY ${columnNamed(columns, order).alias}`}`,
    bindings.values,
  );
  return Number(made.Count);
}

function distinctPredicates(wheres: readonly Predicate[]): Predicate[] {
  return [...new Map(wheres.map((where) => [JSON.stringify(where), where])).values()];
}

/**
 * Fewer predicates that together match at least the rows that the given ones do: those that fix a column's values
 * become one list of values per column. A list is looked up by hash; thousands of alternatives are tried one by one.
 */
function coarse(wheres: readonly Predicate[]): Predicate[] {
  const lists = new Map<string, readonly Literal[]>();
  const others: Predicate[] = [];
  for (const where of wheres) {
    const fixed = where.flatMap((condition) => fixedValues(condition) ?? []).at(0);
    if (fixed === undefined) others.push(where);
    else lists.set(fixed.column, [...(lists.get(fixed.column) ?? []), ...fixed.values]);
  }
  if (others.length > CROWD) return [[]];
  return [...others, ...[...lists].map(([column, values]): Predicate => [{ column, op: 'in', values }])];
}

/** The column that most predicates fix. In its order, a slice with one of its values reads a small part of the pool. */
function pivot(wheres: readonly Predicate[]): string | undefined {
  const uses = new Map<string, number>();
  for (const condition of wheres.flat()) {
    if (fixedValues(condition) !== null) uses.set(condition.column, (uses.get(condition.column) ?? 0) + 1);
  }
  const frequent = [...uses].filter(([, count]) => count > CROWD);
  return frequent.sort(([a, aUses], [b, bUses]) => bUses - aUses || (a < b ? -1 : 1)).at(0)?.[0];
}

/** The values that a condition allows its column, when it lists them. */
function fixedValues(condition: Condition): { readonly column: string; readonly values: readonly Literal[] } | null {
  if (condition.op === 'in') return condition;
  return condition.op === '=' ? { column: condition.column, values: [condition.value] } : null;
}
