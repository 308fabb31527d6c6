/**
 * One read for many requesters: the source is scanned once into a table of the rows that some slice may use; each
 * slice is then cut out of that table and written as its own Parquet file.
 *
 * Which rows a slice gets depends on the slice and the data alone, never on its company: rows are ranked by a hash
 * of identity and seed, and ties end in the identity and the slice's own values.
 */
import { createHash } from 'node:crypto';
import type { MergedRead, MergedReadResult, SliceAsk, SliceResult } from '../../activities/ports.js';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { cellBytesSql, classSql, columnNamed, type SourceColumn } from './columns.js';
import {
  arrivedSql,
  largestClasses,
  newestSql,
  numberOrNull,
  predicateColumns,
  scanNeed,
  wholeMs,
  type DatasetScope,
} from './dataset-scope.js';
import { quoteIdentifier, quoteText, type ResultRow, type Session } from './engine.js';
import type { FileCache } from './file-cache.js';
import { Bindings, predicateSql, type PredicateScope } from './predicate-sql.js';

/** What slices share when they differ only in how many rows and which fields they take: the ranked rows. */
interface Pick {
  readonly slices: SliceAsk[];
}

/** Serves all slices by one scan. @throws `VersionGone` when the pinned content is no longer there. */
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
  const slices = read.slices.map((slice) => checkedSlice(slice, columns));
  const needed = slices.flatMap((slice) => sliceColumns(slice, columns));
  const anyOf = distinct(slices.map((slice) => slice.where));
  const bindings = new Bindings();
  const scope: PredicateScope = { dialect: 'duckdb', columns, bindings, spell: (column) => column.alias };
  const useful = anyOf.map((where) => `(${predicateSql(where, scope)})`).join(' OR ') || 'FALSE';
  const scan = await at.open.scan(scanNeed(at, needed, anyOf, true));
  await session.run(
    `CREATE TEMP TABLE pool AS SELECT * FROM ${scan} WHERE ${arrivedSql(at)} AND (${useful})`,
    bindings.values,
  );
  const width = [...new Set(slices.flatMap((slice) => slice.fields))].map((name) =>
    cellBytesSql(columnNamed(columns, name)),
  );
  const [total] = await session.rows(
    `SELECT count(*) AS n, coalesce(sum(${width.join(' + ') || '0'}), 0) AS bytes FROM pool`,
  );
  const results = new Map<string, SliceResult>();
  for (const pick of picks(slices)) {
    for (const result of await cutPick(pick, at, session, cache)) results.set(result.id, result);
  }
  return {
    id: read.id,
    contentId,
    rowsRead: Number(total.n),
    bytesRead: Number(total.bytes),
    slices: slices.map((slice) => results.get(slice.id)!),
  };
}

function checkedSlice(slice: SliceAsk, columns: readonly SourceColumn[]): SliceAsk {
  const wrong = (message: string, expected: string, got: string): Error =>
    usageError({ type: 'InvalidSlice', message: `slice ${slice.id}: ${message}`, expected, got });
  for (const name of slice.fields) columnNamed(columns, name);
  if (slice.fields.length === 0 || new Set(slice.fields).size < slice.fields.length)
    throw wrong('fields', 'at least one field, each once', slice.fields.join(', '));
  if (slice.rows !== null && !(Number.isSafeInteger(slice.rows) && slice.rows >= 0))
    throw wrong('rows', 'a whole number from 0, or null', String(slice.rows));
  if (!Number.isSafeInteger(slice.seed)) throw wrong('seed', 'a whole number', String(slice.seed));
  if (slice.quotas !== null && slice.classColumn === null) throw wrong('quotas', 'a class column', 'none');
  if (slice.classColumn !== null) columnNamed(columns, slice.classColumn);
  for (const [name, quota] of Object.entries(slice.quotas ?? {})) {
    if (!Number.isSafeInteger(quota) || quota < 0)
      throw wrong(`quota of ${name}`, 'a whole number from 0', String(quota));
  }
  return slice;
}

function sliceColumns(slice: SliceAsk, columns: readonly SourceColumn[]): SourceColumn[] {
  const named = slice.classColumn === null ? slice.fields : [...slice.fields, slice.classColumn];
  return [...named.map((name) => columnNamed(columns, name)), ...predicateColumns(columns, slice.where)];
}

function distinct<T>(values: readonly T[]): T[] {
  return [...new Map(values.map((value) => [JSON.stringify(value), value])).values()];
}

/** Groups slices whose rows come in the same order out of the same candidates. */
function picks(slices: readonly SliceAsk[]): Pick[] {
  const groups = new Map<string, Pick>();
  for (const slice of slices) {
    const { where, seed, quotas } = slice;
    const key = JSON.stringify([
      where,
      seed,
      quotas === null ? null : [slice.classColumn, Object.entries(quotas).sort()],
    ]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { slices: [slice] });
    else group.slices.push(slice);
  }
  return [...groups.values()];
}

/**
 * Rank of a row under a seed, as SQL: lowbias32 (C. Wellons, "Prospecting for Hash Functions", 2018) of the folded
 * identity, keyed by the seed's md5. Plain integer arithmetic: the same in every engine version, and ten times as
 * fast as a digest per row and seed. Two rows of one rank are ordered by identity.
 */
export function rankSql(seed: number): string {
  const key = createHash('md5').update(`seed ${seed}`).digest().readUInt32LE(0);
  const fold = `xor(xor(id & 4294967295, id >> 32), ${key}::UBIGINT)`;
  const mixed = (value: string, shift: number, factor: number): string =>
    `((xor(${value}, ${value} >> ${shift}) * ${factor}::UBIGINT) & 4294967295)`;
  const twice = mixed(mixed(fold, 16, 0x7feb352d), 15, 0x846ca68b);
  return `xor(${twice}, ${twice} >> 16)`;
}

/** Ranks the rows of one pick into a table, then measures and writes each of its slices. */
async function cutPick(pick: Pick, at: DatasetScope, session: Session, cache: FileCache): Promise<SliceResult[]> {
  const { columns } = at.open;
  const [first] = pick.slices;
  const bindings = new Bindings();
  const where = predicateSql(first.where, { dialect: 'duckdb', columns, bindings, spell: (column) => column.alias });
  const results: SliceResult[] = [];
  const written = new Map<string, SliceResult>();
  for (const slice of pick.slices) {
    const key = JSON.stringify([slice.fields, slice.rows, slice.classColumn]);
    const known = written.get(key);
    if (known !== undefined) {
      results.push({ ...known, id: slice.id });
      continue;
    }
    // A slice carries the columns it is measured by; ties of rank and key end in its own values, in field order.
    const fields = slice.fields.map((name) => columnNamed(columns, name));
    const ties = at.dataset.definition.key === undefined ? '' : fields.map((column) => `, ${column.alias}`).join('');
    const order = `ORDER BY rank, id${ties}`;
    const ranked = `SELECT *, ${rankSql(slice.seed)} AS rank FROM pool WHERE ${where}`;
    const limit = slice.rows === null ? '' : ` LIMIT ${wholeMs(slice.rows)}`;
    await session.run(
      `CREATE OR REPLACE TEMP TABLE slice AS SELECT * FROM (${quotaSql(slice, columns, ranked, order, bindings)}) ${order}${limit}`,
      bindings.values,
    );
    const result = await writeSlice(slice, fields, at, session, cache);
    written.set(key, result);
    results.push(result);
  }
  return results;
}

/** Of each class with a quota, the first so many rows in the slice's order. */
function quotaSql(
  slice: SliceAsk,
  columns: readonly SourceColumn[],
  ranked: string,
  order: string,
  bindings: Bindings,
): string {
  if (slice.quotas === null) return ranked;
  const classes = Object.entries(slice.quotas).map(
    ([name, quota]) => `(CAST(${bindings.bind(name)} AS VARCHAR), ${wholeMs(quota)})`,
  );
  if (classes.length === 0) return `SELECT * FROM (${ranked}) WHERE FALSE`;
  const text = classSql(columnNamed(columns, slice.classColumn!));
  return `SELECT ranked.* FROM (${ranked}) ranked JOIN (VALUES ${classes.join(', ')}) quotas (class, quota) ON ${text} = class
          QUALIFY row_number() OVER (PARTITION BY class ${order}) <= quota`;
}

async function writeSlice(
  slice: SliceAsk,
  fields: readonly SourceColumn[],
  at: DatasetScope,
  session: Session,
  cache: FileCache,
): Promise<SliceResult> {
  const bindings = new Bindings();
  const contract = fields.map((column) => brokenSql(column, at, bindings));
  const aggregates = [
    'count(*) AS n',
    `coalesce(sum(${fields.map(cellBytesSql).join(' + ')}), 0) AS bytes`,
    `${newestSql(at.eventColumn)} AS newest`,
    `${at.dataset.definition.key === undefined ? '0' : 'count(*) - count(DISTINCT id)'} AS duplicates`,
    ...fields.map((column) => `count(${column.alias}) AS ${column.alias}_n`),
    ...fields.map((column, index) => `count(*) FILTER (${contract[index] ?? 'FALSE'}) AS ${column.alias}_x`),
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
  return largestClasses(rows.map((row: ResultRow) => [String(row.class), Number(row.n)]));
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
