/**
 * Tables in files (CSV, TSV, Parquet, JSON, NDJSON) through the embedded engine: columns for the tools that take a
 * file, and one result table back as Parquet or CSV. Whole columns never pass through JavaScript where counts will do.
 */
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { usageError } from '../../domain/types/errors.js';
import { readCsvFile, sniffDelimiter, unwritable, writeCsvFile } from './csv.js';
import { openEngine, quoteIdentifier, quoteText, type Session } from './engine.js';

/** `text`: every column as it is written; else typed by its values, but for the columns named. */
type Typing = 'text' | { readonly textColumns: readonly string[] };

/** Enough of a file to hold its header. */
const HEAD_BYTES = 65_536;
/** Text that may pass through JavaScript where the engine cannot read it. */
const MAX_TEXT_BYTES = 64 * 2 ** 20;

function headOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(HEAD_BYTES);
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, HEAD_BYTES, 0)).replace(/^\uFEFF/, '');
  } finally {
    closeSync(file);
  }
}

function csv(path: string, delimiter: string, typing: Typing): string {
  const kept = typing === 'text' ? [] : typing.textColumns.map((name) => `${quoteText(name)}: 'VARCHAR'`);
  const types =
    typing === 'text'
      ? 'all_varchar = true'
      : `sample_size = -1${kept.length > 0 ? `, types = {${kept.join(', ')}}` : ''}`;
  return `read_csv(${quoteText(path)}, delim = '${delimiter}', quote = '"', escape = '"', header = true, skip = 0, ${types})`;
}

/** Endings of the files that can be read, with what reads them. */
const READERS: Readonly<Record<string, (path: string, typing: Typing) => string>> = {
  '.csv': (path, typing) => csv(path, sniffDelimiter(headOf(path)), typing),
  '.tsv': (path, typing) => csv(path, '\t', typing),
  '.parquet': (path) => `read_parquet(${quoteText(path)})`,
  '.json': (path) => `read_json_auto(${quoteText(path)})`,
  '.ndjson': (path) => `read_json_auto(${quoteText(path)}, format = 'newline_delimited')`,
  '.jsonl': (path) => `read_json_auto(${quoteText(path)}, format = 'newline_delimited')`,
};

export const TABLE_FILE_ENDINGS: readonly string[] = Object.keys(READERS);

/** True for a file name that `loadFile` can read. */
export function isTableFile(name: string): boolean {
  return Object.hasOwn(READERS, extname(name).toLowerCase());
}

/** The FROM item that scans a file in place, for a name that `isTableFile`; CSV columns are text unless typed. */
export function tableScan(path: string, typing: Typing = 'text'): string {
  return READERS[extname(path).toLowerCase()](path, typing);
}

/** Runs `job` on an engine of its own, which is closed after it. */
export async function withEngine<T>(job: (session: Session) => Promise<T>): Promise<T> {
  const engine = await openEngine({ tempDir: tmpdir() });
  try {
    return await engine.session(new AbortController().signal, job);
  } finally {
    engine.close();
  }
}

/**
 * Loads a file into the temporary table `table`, rows in file order (`rowid`), and returns its column names.
 * @param typed give CSV columns the types of their values; else their text stays as it is
 * @param textColumns CSV columns whose text stays as it is even so; names that the file lacks are ignored
 * @throws BalanceError `UnreadableFile` when there is no such file, `UnknownFormat` for another ending, `EmptyFile`
 *   for a file without a header
 */
export async function loadFile(
  session: Session,
  table: string,
  path: string,
  { typed = false, textColumns = [] }: { readonly typed?: boolean; readonly textColumns?: readonly string[] } = {},
): Promise<readonly string[]> {
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw usageError({
      type: 'UnreadableFile',
      message: `cannot read ${path}`,
      expected: 'a readable file',
      got: path,
    });
  }
  const ending = extname(path).toLowerCase();
  if (!isTableFile(path)) {
    throw usageError({
      type: 'UnknownFormat',
      message: `${path}: no reader for this kind of file`,
      expected: TABLE_FILE_ENDINGS.join(', '),
      got: ending,
    });
  }
  const isText = ['.csv', '.tsv'].includes(ending);
  if (statSync(path).size === 0 || (isText && headOf(path).trim() === '')) {
    throw usageError({
      type: 'EmptyFile',
      message: `${path} is empty`,
      expected: 'a table with a header',
      got: `${statSync(path).size} bytes`,
    });
  }
  try {
    await createTable(session, table, path, { typed, textColumns });
  } catch (error) {
    if (!isText || statSync(path).size > MAX_TEXT_BYTES) throw error;
    await loadRewritten(session, table, path, { typed, textColumns });
  }
  return tableColumns(session, table);
}

interface LoadOptions {
  readonly typed: boolean;
  readonly textColumns: readonly string[];
}

async function createTable(session: Session, table: string, path: string, options: LoadOptions): Promise<void> {
  const { typed, textColumns } = options;
  const create = (typing: Typing): Promise<unknown> =>
    session.run(`CREATE OR REPLACE TEMP TABLE ${quoteIdentifier(table)} AS SELECT * FROM ${tableScan(path, typing)}`);
  if (!typed) await create('text');
  else if (textColumns.length === 0) await create({ textColumns });
  else {
    const described = await session.rows(`DESCRIBE SELECT * FROM ${tableScan(path)}`);
    const names = described.map((row) => String(row.column_name));
    await create({ textColumns: textColumns.filter((name) => names.includes(name)) });
  }
}

/**
 * Loads CSV that the engine's parser refuses (short rows, another encoding) as the project's own parser reads it.
 *
 * @throws BalanceError `MalformedCsv` with the place, if that cannot read it either
 */
async function loadRewritten(session: Session, table: string, path: string, options: LoadOptions): Promise<void> {
  const { columns, rows } = readCsvFile(path);
  const folder = mkdtempSync(join(tmpdir(), 'balance-csv-'));
  try {
    const plain = join(folder, 'table.csv');
    writeCsvFile(plain, columns, rows);
    await createTable(session, table, plain, options);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Column names of a loaded table, in file order. */
export async function tableColumns(session: Session, table: string): Promise<readonly string[]> {
  const rows = await session.rows(`DESCRIBE ${quoteIdentifier(table)}`);
  return rows.map((row) => String(row.column_name));
}

/** Position of a named column, or an error that lists the names there are. */
export function requireTableColumn(columns: readonly string[], column: string, path: string): string {
  if (columns.includes(column)) return column;
  throw usageError({
    type: 'MissingColumn',
    message: `${path}: no column ${JSON.stringify(column)}`,
    expected: columns.join(', '),
    got: column,
  });
}

/**
 * Writes the result of `query` to `path`, Parquet or CSV by its ending, into a new folder where needed. Rows in the
 * query's order.
 *
 * @throws BalanceError `UnknownFormat` for another ending, `UnwritableFile`
 */
export async function writeTableFile(session: Session, path: string, query: string): Promise<void> {
  const ending = extname(path).toLowerCase();
  if (!['.csv', '.parquet'].includes(ending)) {
    throw usageError({
      type: 'UnknownFormat',
      message: `${path}: tables are not written in this format`,
      expected: 'a file name that ends in .parquet or .csv',
      got: ending,
    });
  }
  const format = ending === '.csv' ? '(FORMAT csv, HEADER true)' : '(FORMAT parquet)';
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (existsSync(path) && !statSync(path).isFile()) throw new Error('it is no file');
    closeSync(openSync(path, 'w'));
  } catch (cause) {
    throw unwritable(path, cause);
  }
  await session.run(`COPY (${query}) TO ${quoteText(path)} ${format}`);
}
