/**
 * Loads a CSV or JSON file into a Postgres table as it is, dirt included: no value is corrected, dropped or invented.
 * Beside the file's columns the table has `row_id`, the row's position, which is its primary key.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Sql, TransactionSql } from 'postgres';
import { BalanceError, usageError } from '../../domain/types/errors.js';
import { parseCsv } from './csv.js';
import { quoteIdentifier, quoteText } from './engine.js';

export interface TableLoad {
  /** JSON (an array of flat objects) by the ending `.json`, else CSV with a header. */
  readonly path: string;
  readonly schema: string;
  readonly table: string;
  /**
   * Columns of text dates (`Jun 12 1998` or ISO). Each becomes a `date`; its text is kept in `<name> text`.
   * Absent: the text columns in which every value is such a date.
   */
  readonly dates?: readonly string[];
}

type FileCell = string | number | boolean | null;
type FileRow = Readonly<Record<string, FileCell>>;
interface LoadColumn {
  readonly name: string;
  readonly type: 'bigint' | 'double precision' | 'boolean' | 'text' | 'date';
  readonly cell: (row: FileRow) => FileCell;
}

/** Rows sent in one statement: some hundred kilobytes of JSON. */
const ROWS_AT_ONCE = 1000;
const ROW_ID = 'row_id';
const MARK = 'loaded by balance from sha256:';

/**
 * Loads the file in one transaction. A table that holds exactly this file stays untouched, one that an older file was
 * loaded into is replaced, and one that came from elsewhere is refused (`TableExists`).
 * @returns the table's rows, and whether they were loaded now.
 */
export async function loadTable(
  sql: Sql,
  load: TableLoad,
): Promise<{ readonly rows: number; readonly loaded: boolean }> {
  const content = await readFile(load.path).catch((cause: unknown) => {
    throw new BalanceError(
      'unreachable',
      { type: 'UnreadableSource', message: `cannot read ${load.path}`, expected: 'a readable file' },
      { cause },
    );
  });
  const rows = load.path.toLowerCase().endsWith('.json')
    ? jsonRows(content.toString('utf8'), load.path)
    : csvRows(content.toString('utf8'), load.path);
  const columns = loadColumns(rows, load);
  const mark =
    MARK +
    createHash('sha256')
      .update(content)
      .update(JSON.stringify(load.dates ?? 'found'))
      .digest('hex');
  const relation = `${quoteIdentifier(load.schema)}.${quoteIdentifier(load.table)}`;
  return sql.begin(async (transaction) => {
    // Two starts at the same moment load once: the second waits here, then finds the mark.
    await transaction`SELECT pg_advisory_xact_lock(hashtextextended(${relation}, 0))`;
    const [found] = await transaction<{ exists: boolean; mark: string | null }[]>`
      SELECT to_regclass(${relation}) IS NOT NULL AS exists, obj_description(to_regclass(${relation}), 'pg_class') AS mark`;
    if (found.mark === mark) return { rows: rows.length, loaded: false };
    if (found.exists && !found.mark?.startsWith(MARK)) {
      throw usageError({
        type: 'TableExists',
        message: `table ${load.schema}.${load.table} was not loaded by balance and stays as it is`,
        expected: 'a free table name',
        got: `${load.schema}.${load.table}`,
      });
    }
    await writeTable(transaction, relation, columns, rows);
    await transaction.unsafe(`COMMENT ON TABLE ${relation} IS ${quoteText(mark)}`);
    return { rows: rows.length, loaded: true };
  });
}

async function writeTable(
  sql: TransactionSql,
  relation: string,
  columns: readonly LoadColumn[],
  rows: readonly FileRow[],
): Promise<void> {
  const declared = columns.map(({ name, type }) => `${quoteIdentifier(name)} ${type}`);
  await sql.unsafe(`DROP TABLE IF EXISTS ${relation}`);
  await sql.unsafe(`CREATE TABLE ${relation} (${ROW_ID} bigint PRIMARY KEY, ${declared.join(', ')})`);
  for (let start = 0; start < rows.length; start += ROWS_AT_ONCE) {
    const records = rows.slice(start, start + ROWS_AT_ONCE).map((row, index): FileRow => {
      const cells = columns.map(({ name, cell }): [string, FileCell] => [name, cell(row)]);
      return Object.fromEntries([[ROW_ID, start + index], ...cells]);
    });
    await sql.unsafe(
      `INSERT INTO ${relation} SELECT * FROM json_populate_recordset(NULL::${relation}, $1::text::json)`,
      [JSON.stringify(records)],
    );
  }
}

function malformed(path: string, expected: string, got: string): Error {
  return usageError({ type: 'MalformedFile', message: `cannot load ${path}`, expected, got });
}

function jsonRows(text: string, path: string): readonly FileRow[] {
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw malformed(path, 'JSON', (error as Error).message);
  }
  if (!Array.isArray(rows)) throw malformed(path, 'an array of objects', typeof rows);
  for (const [index, row] of rows.entries()) {
    const flat = typeof row === 'object' && row !== null && !Array.isArray(row);
    if (!flat) throw malformed(path, 'an array of objects', `row ${index}: ${JSON.stringify(row)}`);
    const nested = Object.entries(row as object).find(([, cell]) => typeof cell === 'object' && cell !== null);
    if (nested !== undefined) throw malformed(path, 'flat objects', `row ${index}: ${nested[0]} is nested`);
  }
  return rows as readonly FileRow[];
}

/** A number whose text a double gives back but for trailing zeros: no leading zeros, at most 15 digits. */
const PLAIN_NUMBER = /^-?(?=[\d.]{1,16}$)(0|[1-9]\d*)(\.\d+)?$/;

/** CSV cells; an empty one is NULL, and a column whose every text is a plain number holds numbers. */
function csvRows(text: string, path: string): readonly FileRow[] {
  const { columns, rows } = parseCsv(text, path);
  const numeric = columns.map((_, index) => rows.every((row) => row[index] === '' || PLAIN_NUMBER.test(row[index])));
  return rows.map((row) =>
    Object.fromEntries(
      columns.map((name, index) => [name, row[index] === '' ? null : numeric[index] ? Number(row[index]) : row[index]]),
    ),
  );
}

/** The table's columns: the file's in order of first sight. A column of mixed types is text and keeps each value's text. */
function loadColumns(rows: readonly FileRow[], load: TableLoad): LoadColumn[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  if (names.includes(ROW_ID)) throw malformed(load.path, `no column ${ROW_ID}: that name is the position's`, ROW_ID);
  const missing = (load.dates ?? []).find((name) => !names.includes(name));
  if (missing !== undefined) throw malformed(load.path, `one of ${names.join(', ')}`, `date column ${missing}`);
  return names.flatMap((name): LoadColumn[] => {
    const cell = (row: FileRow): FileCell => row[name] ?? null;
    const cells = rows.map(cell).filter((value) => value !== null);
    const type = columnType(cells);
    const dated =
      load.dates?.includes(name) ?? (cells.length > 0 && cells.every((value) => isoDate(String(value)) !== null));
    if (!dated) return [{ name, type, cell: type === 'text' ? (row) => textOf(cell(row)) : cell }];
    return [
      { name, type: 'date', cell: (row) => isoDate(textOf(cell(row))) },
      { name: `${name} text`, type: 'text', cell: (row) => textOf(cell(row)) },
    ];
  });
}

function textOf(cell: FileCell): string | null {
  return cell === null ? null : String(cell);
}

function columnType(present: readonly FileCell[]): LoadColumn['type'] {
  if (present.length === 0) return 'text';
  if (present.every((cell) => Number.isSafeInteger(cell))) return 'bigint';
  if (present.every((cell) => typeof cell === 'number')) return 'double precision';
  return present.every((cell) => typeof cell === 'boolean') ? 'boolean' : 'text';
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `Jun 12 1998` or `1998-06-12` as an ISO date; null for anything else, an impossible day included. */
export function isoDate(text: string | null): string | null {
  const match = /^([A-Z][a-z]{2}) (\d{2}) (\d{4})$/.exec(text ?? '');
  const iso =
    match === null ? (text ?? '') : `${match[3]}-${String(MONTHS.indexOf(match[1]) + 1).padStart(2, '0')}-${match[2]}`;
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(iso) ? Date.parse(iso) : Number.NaN;
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(iso) ? iso : null;
}
