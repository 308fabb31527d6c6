/**
 * Column facts of a table too large to pass through JavaScript: one fused aggregate scan, and one grouped scan per
 * column for its distinct values. Nothing but the aggregates leaves the engine.
 */
import { existsSync } from 'node:fs';
import { estimateDistinct } from '../../domain/quality/sketch.js';
import { usageError } from '../../domain/types/errors.js';
import { quoteIdentifier, type Cell, type ResultRow, type Session } from './engine.js';
import { isTableFile, TABLE_FILE_ENDINGS, tableScan } from './table-file.js';

export interface ColumnFacts {
  readonly name: string;
  readonly rows: number;
  /** NULL or white space. */
  readonly blank: number;
  /** Exact below 2,000, within about 0.8 % (one standard error) above. */
  readonly distinct: number;
  /** Numbers of numeric columns, else `null`; the median is approximate. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly median: number | null;
  /** Text lengths of text columns, else `null`. */
  readonly minLength: number | null;
  readonly maxLength: number | null;
}

/**
 * The FROM item that scans a file in place; text stays as written.
 *
 * @throws BalanceError `UnreadableFile` if there is no such file, or no reader for its ending
 */
export function tableSource(path: string): string {
  if (isTableFile(path) && existsSync(path)) return tableScan(path);
  throw usageError({
    type: 'UnreadableFile',
    message: `cannot read ${path}`,
    expected: `a file that exists, with one of the endings ${TABLE_FILE_ENDINGS.join(', ')}`,
    got: path,
  });
}

const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL)/;
/** 2^14 registers: a standard error of 1.04 / sqrt(16384) = 0.8 %. */
const REGISTER_BITS = 14;
/** Below this estimate the values are counted exactly: the groups are few, so the scan is cheap. */
const EXACT_BELOW = 2000;
/** Bits of DuckDB's 64-bit hash that remain after the register index. */
const RANK_BITS = 64 - REGISTER_BITS;

/**
 * Measures every column of `source`, a FROM item such as `read_parquet('file')`.
 * Distinct values are counted by HyperLogLog over DuckDB's `hash()`: its own approx_count_distinct errs by tens of
 * per cent, and `hash()` may change between versions, so these registers are not kept.
 */
export async function measureColumns(session: Session, source: string): Promise<readonly ColumnFacts[]> {
  const described = await session.rows(`DESCRIBE SELECT * FROM ${source}`);
  const columns = described.map((row) => ({ name: String(row.column_name), type: String(row.column_type) }));
  const fragments = columns.flatMap(({ name, type }, at) => aggregatesOf(quoteIdentifier(name), type, at));
  const [totals] = await session.rows(`SELECT count(*)::DOUBLE AS "rows", ${fragments.join(', ')} FROM ${source}`);
  const facts: ColumnFacts[] = [];
  for (const [at, { name }] of columns.entries()) {
    facts.push({ ...factsOf(name, at, totals), distinct: await countDistinct(session, source, name) });
  }
  return facts;
}

function aggregatesOf(column: string, type: string, at: number): string[] {
  if (NUMERIC.test(type)) {
    return [
      `count(${column})::DOUBLE AS present${at}`,
      `min(${column})::DOUBLE AS min${at}`,
      `max(${column})::DOUBLE AS max${at}`,
      `avg(${column})::DOUBLE AS mean${at}`,
      `approx_quantile(${column}, 0.5)::DOUBLE AS median${at}`,
    ];
  }
  if (type !== 'VARCHAR') return [`count(${column})::DOUBLE AS present${at}`];
  return [
    `count(*) FILTER (trim(${column}) <> '')::DOUBLE AS present${at}`,
    `min(length(${column}))::DOUBLE AS minLength${at}`,
    `max(length(${column}))::DOUBLE AS maxLength${at}`,
  ];
}

function factsOf(name: string, at: number, totals: ResultRow): Omit<ColumnFacts, 'distinct'> {
  const read = (key: string): number | null => {
    const value: Cell | undefined = totals[key + String(at)];
    return typeof value === 'number' ? value : null;
  };
  const rows = Number(totals.rows);
  return {
    name,
    rows,
    blank: rows - (read('present') ?? 0),
    min: read('min'),
    max: read('max'),
    mean: read('mean'),
    median: read('median'),
    minLength: read('minLength'),
    maxLength: read('maxLength'),
  };
}

async function countDistinct(session: Session, source: string, name: string): Promise<number> {
  const column = quoteIdentifier(name);
  const groups = await session.rows(`
    SELECT (hash(${column}) >> ${RANK_BITS})::INTEGER AS register,
      min(hash(${column}) & ${(1n << BigInt(RANK_BITS)) - 1n}::UBIGINT)::DOUBLE AS least
    FROM ${source} WHERE ${column} IS NOT NULL GROUP BY 1`);
  const registers = new Uint8Array(1 << REGISTER_BITS);
  for (const { register, least } of groups) {
    const value = Number(least);
    registers[Number(register)] = value === 0 ? RANK_BITS + 1 : RANK_BITS - Math.floor(Math.log2(value));
  }
  const estimate = estimateDistinct(registers);
  if (estimate >= EXACT_BELOW) return Math.round(estimate);
  const [exact] = await session.rows(`SELECT count(DISTINCT ${column})::DOUBLE AS count FROM ${source}`);
  return Number(exact.count);
}
