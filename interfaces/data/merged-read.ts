/**
 * One read for many requesters: the source is scanned once into a table of the rows that some slice may use; each
 * slice is then cut out of that table and written as its own Parquet file.
 *
 * Which rows a slice gets depends on the slice and the data alone, never on its company: rows are ranked by a hash
 * of identity and seed, and ties end in the identity and the slice's own values.
 */
import type { MergedRead, MergedReadResult, ReadPace, SliceAsk, SliceResult } from '../../activities/ports.js';
import type { Condition, Literal, Predicate } from '../../domain/types/predicate.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { cellBytesSql, columnNamed, type SourceColumn } from './columns.js';
import { arrivedSql, predicateColumns, scanNeed, whereSql, type DatasetScope } from './dataset-scope.js';
import type { Session } from './engine.js';
import type { FileCache, StoredFile } from './file-cache.js';
import { pacedTable, scanPace, type ScanPace } from './paced-scan.js';
import { Bindings, type BoundValue } from './predicate-sql.js';
import { RankedPool } from './ranked-pool.js';
import { keptColumns, sliceSql, wantedRows, writeSlice } from './slice.js';
import { measureSlices, type SliceMetrics } from './slice-metrics.js';
import { isSmall, SmallSlices, type Delivered } from './small-slices.js';

/** From this many distinct predicates on, the scan's filter and order are made for the crowd (see `coarse`, `pivot`). */
const CROWD = 32;
/** Files on their way into the cache while the next slice is cut: the disk is kept busy, half of Node's four I/O threads stay free. */
const STORES_AT_ONCE = 2;

/**
 * Serves all slices by one scan.
 * @param joining slices that came since, to be cut from the same rows; those that no read can answer are left out
 * @throws `VersionGone` when the pinned content is no longer there; `InvalidSlice`, `UnknownColumn`, `TypeMismatch`.
 */
export async function readMerged(
  read: MergedRead,
  at: DatasetScope,
  session: Session,
  cache: FileCache,
  joining: () => Promise<readonly SliceAsk[]> = nobodyJoins,
  pace?: ReadPace,
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
  const early = readable(await joining(), at);
  const asked = distinctSlices([...read.slices, ...early]);
  const scanned = await scanPool(asked, at, session, pace);
  // A single slice that is not paced is cut out of the scan itself: nobody can join it any more.
  const late = scanned.rows === Infinity ? [] : readable(await joining(), at);
  const slices = distinctSlices([...asked, ...late]);
  const delivered = await cutAndStore(slices, rankedPool(scanned, slices, at, session), at, session, cache);
  const union = slices.length === 1 ? delivered.get(slices[0])! : await unionOf(slices, at, session);
  const byContent = new Map(slices.map((slice) => [contentOf(slice), delivered.get(slice)!]));
  const results = (some: readonly SliceAsk[]): SliceResult[] =>
    some.map((slice) => ({ ...byContent.get(contentOf(slice))!, id: slice.id }));
  const joined = new Map([...early, ...late].map((slice) => [slice.id, slice]));
  return {
    id: read.id,
    contentId,
    rowsRead: union.rows,
    bytesRead: union.bytes,
    slices: results(read.slices),
    ...(joined.size === 0 ? {} : { joined: results([...joined.values()]) }),
  };
}

const nobodyJoins = (): Promise<readonly SliceAsk[]> => Promise.resolve([]);

/** Slices that name what is there, with values that fit. Others fail by themselves when a cycle serves them, not those they join. */
function readable(slices: readonly SliceAsk[], at: DatasetScope): SliceAsk[] {
  return slices.filter((slice) => {
    try {
      checkSlice(slice, at.open.columns);
      whereSql(slice.where, at, new Bindings());
      return true;
    } catch (error) {
      if (!(error instanceof BalanceError)) throw error;
      return false;
    }
  });
}

/** Equal slices are cut once; those of one seed follow one another, as they share the pool's ranks. */
function distinctSlices(slices: readonly SliceAsk[]): SliceAsk[] {
  const byContent = new Map(slices.map((slice) => [contentOf(slice), slice]));
  return [...byContent.values()].sort((a, b) => a.seed - b.seed);
}

/** Cuts every slice and stores its file; leaves the positions of all rows that were used in `used` and `cuts`. */
async function cutAndStore(
  slices: readonly SliceAsk[],
  pool: RankedPool,
  at: DatasetScope,
  session: Session,
  cache: FileCache,
): Promise<ReadonlyMap<SliceAsk, Delivered>> {
  const small = await SmallSlices.of(slices, at, session);
  if (slices.length !== 1) await session.run('CREATE TEMP TABLE used (pos BIGINT)');
  const limited = new Map(slices.map((slice) => [slice.seed, [] as SliceAsk[]]));
  const others: SliceAsk[] = [];
  for (const slice of slices) {
    if (isSmall(slice, wantedRows(slice), at)) limited.get(slice.seed)!.push(slice);
    else others.push(slice);
  }
  for (const ofSeed of limited.values()) if (ofSeed.length > 0) await small.cut(ofSeed, pool);
  const metrics = new Map<SliceAsk, SliceMetrics>();
  const files: (readonly [slice: SliceAsk, stored: Promise<StoredFile>])[] = [];
  for (const slice of others) {
    const rows = await cutSlice(slice, at, session, pool);
    if (isSmall(slice, rows, at)) {
      await small.take(slice);
      continue;
    }
    if (slices.length > 1) await session.run('INSERT INTO used SELECT pos FROM slice');
    metrics.set(slice, (await measureSlices({ table: 'slice', slices: [slice] }, at, session)).get(slice)!);
    const { stored } = await writeSlice(slice, 'slice', at, session, cache);
    files.push([slice, stored]);
    await files.at(-STORES_AT_ONCE)?.[1];
  }
  const delivered = new Map(await small.store(cache));
  for (const [slice, file] of files) delivered.set(slice, { ...(await file), ...metrics.get(slice)! });
  await cache.settle([...delivered.values()]);
  return delivered;
}

/** Makes the table `slice` of the slice's rows in its order. Gives their number. */
async function cutSlice(slice: SliceAsk, at: DatasetScope, session: Session, pool: RankedPool): Promise<number> {
  const wanted = wantedRows(slice);
  let count = 0;
  for (const share of await pool.shares(slice, wanted)) {
    const bindings = new Bindings();
    const sql = sliceSql(slice, at, await pool.ranked(slice.seed, share), bindings);
    const [made] = await session.rows(`CREATE OR REPLACE TEMP TABLE slice AS ${sql}`, bindings.values);
    // Every row outside the share ranks behind every row in it: enough rows are the right rows.
    count = Number(made.Count);
    if (count >= wanted) break;
  }
  return count;
}

/** Rows that serve at least one slice, each counted once, with the bytes of all fields that anybody asked for. */
async function unionOf(
  slices: readonly SliceAsk[],
  at: DatasetScope,
  session: Session,
): Promise<{ readonly rows: number; readonly bytes: number }> {
  const width = countedColumns(slices, at).map(cellBytesSql).join(' + ') || '0';
  const [union] = await session.rows(
    `SELECT count(*) AS n, coalesce(sum(${width}), 0) AS bytes FROM pool WHERE rowid IN (SELECT pos FROM used UNION ALL SELECT pos FROM cuts)`,
  );
  return { rows: Number(union.n), bytes: Number(union.bytes) };
}

/** What decides a slice's file: slices of equal content share it. */
function contentOf({ fields, where, rows, seed, classColumn, quotas, cover }: SliceAsk): string {
  return JSON.stringify([fields, where, rows, seed, classColumn, quotas && Object.entries(quotas).sort(), cover]);
}

function checkSlice(slice: SliceAsk, columns: readonly SourceColumn[]): void {
  const demand = (holds: boolean, expected: string, got: string): void => {
    if (!holds) throw usageError({ type: 'InvalidSlice', message: `slice ${slice.id} cannot be read`, expected, got });
  };
  const { fields, rows, seed, classColumn, quotas, cover } = slice;
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
  if (cover === undefined) return;
  for (const name of cover.segments.flat()) columnNamed(columns, name);
  demand(limit(cover.rows), 'cover: a whole number of rows from 0', String(cover.rows));
  demand(
    cover.segments.every(({ length }) => length > 0) && cover.segments.length > 0,
    'cover: segments of at least one column',
    JSON.stringify(cover.segments),
  );
}

/** Rows that some slice may use. */
interface ScannedRows {
  /** A FROM clause. */
  readonly relation: string;
  readonly rows: number;
}

/** Scans the rows that some slice may use into the table `pool`. A single slice is cut out of the scan itself, unless that is paced. */
async function scanPool(
  slices: readonly SliceAsk[],
  at: DatasetScope,
  session: Session,
  readPace: ReadPace | undefined,
): Promise<ScannedRows> {
  const { columns } = at.open;
  const wheres = distinctPredicates(slices.map((slice) => slice.where));
  const needed = slices.flatMap((slice) => {
    const ofClass = slice.classColumn === null ? [] : [slice.classColumn];
    const named = [...slice.fields, ...ofClass, ...(slice.cover?.segments.flat() ?? [])];
    return [...named.map((name) => columnNamed(columns, name)), ...predicateColumns(columns, slice.where)];
  });
  const crowded = wheres.length > CROWD;
  const anyOf = crowded ? coarse(wheres) : wheres;
  const pace = readPace && scanPace(readPace, countedColumns(slices, at), !crowded && slices.every(takesAll));
  const need = { ...scanNeed(at, needed, anyOf, true), ...(pace === undefined ? {} : { pace }) };
  const scan = `${await at.open.scan(need)} WHERE ${arrivedSql(at)}`;
  const streamed = pace !== undefined && at.open.lazy;
  if (slices.length === 1 && !streamed) return { relation: `(SELECT *, 0 AS pos FROM ${scan})`, rows: Infinity };
  const bindings = new Bindings();
  const useful = anyOf.map((where) => {
    return `(${whereSql(where, at, bindings)})`;
  });
  const from = `FROM ${scan} AND (${useful.join(' OR ') || 'FALSE'})`;
  const order = crowded ? pivot(wheres) : undefined;
  const orderBy = order === undefined ? '' : `ORDER BY ${columnNamed(columns, order).alias}`;
  const rows = await (streamed
    ? streamedPool(from, orderBy, bindings.values, session, pace)
    : madeTable('pool', `${from} ${orderBy}`, bindings.values, session));
  return { relation: '(SELECT *, rowid AS pos FROM pool)', rows };
}

async function madeTable(
  table: string,
  from: string,
  values: readonly BoundValue[],
  session: Session,
): Promise<number> {
  const [made] = await session.rows(`CREATE OR REPLACE TEMP TABLE ${table} AS SELECT * ${from}`, values);
  return Number(made.Count);
}

/** An order needs all rows first: they are ordered once they are here. */
async function streamedPool(
  from: string,
  orderBy: string,
  values: readonly BoundValue[],
  session: Session,
  pace: ScanPace,
): Promise<number> {
  if (orderBy === '') return pacedTable('pool', from, values, session, pace);
  await pacedTable('unordered', from, values, session, pace);
  const rows = await madeTable('pool', `FROM unordered ${orderBy}`, [], session);
  await session.run('DROP TABLE unordered');
  return rows;
}

function takesAll(slice: SliceAsk): boolean {
  return wantedRows(slice) === Infinity;
}

/** The fields that anybody asked for: their cells are the bytes of a read. */
function countedColumns(slices: readonly SliceAsk[], at: DatasetScope): SourceColumn[] {
  return [...new Set(slices.flatMap(({ fields }) => fields))].map((name) => columnNamed(at.open.columns, name));
}

function rankedPool(
  { relation, rows }: ScannedRows,
  slices: readonly SliceAsk[],
  at: DatasetScope,
  session: Session,
): RankedPool {
  const tieBreak = at.dataset.definition.key === undefined ? null : (slice: SliceAsk) => keptColumns(slice, at);
  return new RankedPool(session, relation, rows, slices, at.open.columns, tieBreak);
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
