/** A column of vectors (embeddings) in the tables `reference` and `current`, as the drift tests read it. */
import { areVectors } from '../../domain/quality/content-profile.js';
import type { PairedCounts } from '../../domain/quality/shift-tests.js';
import type { PairedColumn, PairedPart } from '../../domain/quality/shift.js';
import { vectorParts } from '../../domain/quality/vector-shift.js';
import { quoteIdentifier, quoteText, type ResultRow, type Session } from './engine.js';

/** Rows of each side whose directions are compared: half of them show a shift of a tenth of the deviation. */
const ROWS_MAX = 4_000;
/** Numbers that those hold at most (16 MB a side): 2,730 vectors of 768. */
const NUMBERS_MAX = 2 ** 21;
/** Norms are told apart from a thousandth on: what a number of 32 bits rounds away is no difference. */
const NORM_DIGITS = 3;

const TABLES = ['reference', 'current'] as const;

/**
 * Null where the reference's column is none of vectors; where it has no value, the current one's tells. Lists and arrays of
 * numbers are vectors, and texts that read as such, when nearly all have one length and most are finite.
 */
export async function pairVectors(session: Session, column: string): Promise<PairedColumn | null> {
  const types = [await typeOf(session, TABLES[0], column), await typeOf(session, TABLES[1], column)];
  if (!(await beginAsLists(session, column, types))) return null;
  await loadVectors(session, column, types);
  const lengths = await session.rows(
    `SELECT side, length, present, usable, count(*)::DOUBLE AS n FROM pairing GROUP BY ALL`,
  );
  const sides = TABLES.map((_, side) => factsOf(lengths.filter((row) => Number(row.side) === side)));
  const { dimensions, present, usable } = sides[0].present > 0 ? sides[0] : sides[1];
  if (2 * usable < present || !areVectors(dimensions, present)) return null;
  const of = (count: 'usable' | 'missing' | 'malformed') => [sides[0][count], sides[1][count]] as const;
  const none = { values: [], reference: [], current: [] };
  return {
    ...{ column, kind: 'vector', ...none, present: of('usable'), missing: of('missing'), malformed: of('malformed') },
    parts: await partsOf(session, dimensions[0].dimension, of('usable')),
  };
}

async function typeOf(session: Session, table: string, column: string): Promise<string> {
  const [row] = await session.rows(
    `SELECT column_type FROM (DESCRIBE ${table}) WHERE column_name = ${quoteText(column)}`,
  );
  return String(row.column_type);
}

const LIST = /^(U?(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))\[\d*\]$/;
const TEXT = /^(VARCHAR|JSON)$/;

/** Blank text and the usual names of nothing count as missing. */
function textOf(column: string): string {
  const text = `trim(CAST(${quoteIdentifier(column)} AS VARCHAR))`;
  return `CASE WHEN lower(${text}) NOT IN ('', 'nan', 'null', 'na', 'none') THEN ${text} END`;
}

/** Whether it is worth reading a column's cells as lists: most texts of any column are none. */
async function beginAsLists(session: Session, column: string, types: readonly string[]): Promise<boolean> {
  for (const [side, table] of TABLES.entries()) {
    if (LIST.test(types[side])) return true;
    if (!TEXT.test(types[side])) return false;
    const [row] = await session.rows(
      `SELECT count(text)::DOUBLE AS n, count(*) FILTER (starts_with(text, '['))::DOUBLE AS lists FROM (SELECT ${textOf(column)} AS text FROM ${table})`,
    );
    if (Number(row.n) > 0) return 2 * Number(row.lists) >= Number(row.n);
  }
  return false;
}

/**
 * The view `cells`: the lists of both sides, a missing number as NaN. The table `pairing`: what is known of each, without the
 * numbers themselves.
 */
async function loadVectors(session: Session, column: string, types: readonly string[]): Promise<void> {
  const cell = quoteIdentifier(column);
  const text = textOf(column);
  const sides = TABLES.map((table, side) => {
    const isList = LIST.test(types[side]);
    const present = isList ? cell : text;
    // A word in a list of texts reads as a missing number.
    const list = isList ? cell : `CASE WHEN starts_with(${text}, '[') THEN TRY_CAST(${text} AS DOUBLE[]) END`;
    return `SELECT ${side} AS side, rowid AS row, ${present} IS NOT NULL AS present, CAST(${list} AS DOUBLE[]) AS v FROM ${table}`;
  });
  await session.run(
    `CREATE OR REPLACE TEMP VIEW cells AS
     SELECT side, row, present, list_transform(v, lambda x: coalesce(x, 'nan'::DOUBLE)) AS v FROM (${sides.join(' UNION ALL ')})`,
  );
  await session.run(
    `CREATE OR REPLACE TEMP TABLE pairing AS
     SELECT *, coalesce(isfinite(squares), FALSE) AS usable FROM (
       SELECT side, row, present, coalesce(len(v), 0)::DOUBLE AS length, hash(v) AS digest,
         CASE WHEN len(v) > 0 THEN list_inner_product(v, v) END AS squares FROM cells)`,
  );
}

interface Facts {
  /** Present lists by length, the most frequent first. */
  readonly dimensions: readonly { readonly dimension: number; readonly rows: number }[];
  readonly present: number;
  readonly usable: number;
  readonly missing: number;
  readonly malformed: number;
}

function factsOf(counted: readonly ResultRow[]): Facts {
  const sum = (rows: readonly ResultRow[]): number => rows.reduce((total, { n }) => total + Number(n), 0);
  const there = counted.filter((row) => row.present === true);
  const usable = sum(there.filter((row) => row.usable === true));
  const byLength = new Map<number, number>();
  for (const { length, n } of there) byLength.set(Number(length), (byLength.get(Number(length)) ?? 0) + Number(n));
  return {
    dimensions: [...byLength]
      .map(([dimension, rows]) => ({ dimension, rows }))
      .sort((a, b) => b.rows - a.rows || a.dimension - b.dimension),
    present: sum(there),
    usable,
    missing: sum(counted) - sum(there),
    malformed: sum(there) - usable,
  };
}

/** Dimensions of all rows, and of those of one dimension the norms, and where a sample of them points. */
async function partsOf(session: Session, dimension: number, present: readonly [number, number]): Promise<PairedPart[]> {
  const dimensions = { ...(await countsOf(session, `CAST(length AS INTEGER)::VARCHAR`, 'TRUE')), present };
  const own = `length = ${dimension}`;
  const counts = await countsOf(session, `round(ln(sqrt(greatest(squares, 1e-300))), ${NORM_DIGITS})`, own);
  const total = (of: readonly number[]): number => of.reduce((sum, count) => sum + count, 0);
  const norms = { ...counts, present: [total(counts.reference), total(counts.current)] as const };
  const sampled = [await vectorsOf(session, 0, dimension), await vectorsOf(session, 1, dimension)];
  return [
    { name: 'dimension', kind: 'category', counts: dimensions },
    { name: 'norm', kind: 'number', counts: norms },
    ...vectorParts(sampled[0], sampled[1]),
  ];
}

/** Each value of an SQL expression over the usable rows with its count on both sides, ascending. */
async function countsOf(session: Session, value: string, where: string): Promise<Omit<PairedCounts, 'present'>> {
  const rows = await session.rows(
    `SELECT ${value} AS value, sum(side)::DOUBLE AS current, (count(*) - sum(side))::DOUBLE AS reference
     FROM pairing WHERE usable AND ${where} GROUP BY 1 ORDER BY 1`,
  );
  return {
    values: rows.map((row) => row.value as string | number),
    reference: rows.map((row) => row.reference as number),
    current: rows.map((row) => row.current as number),
  };
}

/** A draw of the rows of one side, whatever their order; rows of one vector are drawn apart. */
async function vectorsOf(session: Session, side: number, dimension: number): Promise<Float64Array[]> {
  const most = Math.min(ROWS_MAX, Math.max(4, Math.floor(NUMBERS_MAX / dimension)));
  const rows = await session.rows(
    `WITH own AS (
       SELECT row, digest, hash(digest, row_number() OVER (PARTITION BY digest ORDER BY row)) AS rank
       FROM pairing WHERE side = ${side} AND usable AND length = ${dimension}),
     drawn AS (SELECT * FROM own ORDER BY rank, digest LIMIT ${most})
     SELECT v FROM drawn JOIN cells ON cells.row = drawn.row AND cells.side = ${side} ORDER BY rank, digest`,
  );
  return rows.map(({ v }) => Float64Array.from(v as unknown as readonly number[]));
}
