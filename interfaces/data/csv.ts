/** CSV files in and out: the one door to papaparse. Cells stay strings; typing is the reader's business. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import Papa from 'papaparse';
import { usageError, type BalanceError } from '../../domain/types/errors.js';

/** A CSV file in memory: its header and its rows, every cell the exact text of the file. */
export interface CsvTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Marks that may stand between cells; the first is the default. */
const DELIMITERS = [',', ';', '\t', '|'] as const;

/** The mark between the cells: the one that the header line has most of outside quotes. */
export function sniffDelimiter(text: string): string {
  const [header] = text.replace(/"[^"]*"/g, '').split(/\r?\n|\r/, 1);
  const counts = DELIMITERS.map((mark) => header.split(mark).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))];
}

/**
 * Text of a file: UTF-8, or UTF-16 with its mark. Bytes that no UTF-8 text has, in a file without any other letter
 * beyond ASCII, are Windows-1252 (which Latin-1 is a part of); beside real UTF-8 they are errors of single cells and
 * stay visible as U+FFFD.
 */
export function decodeText(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (first === 0xfe && second === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const text = new TextDecoder().decode(bytes);
  const isForeign = text.includes('\uFFFD') && !/[\u0080-\uFFFC]/.test(text);
  return isForeign ? new TextDecoder('windows-1252').decode(bytes) : text;
}

/**
 * Parses CSV text with a header line; cells are parted by `,`, `;`, a tab or `|`, as the header is. Short rows are padded with `''`; over-long rows
 * are an error unless what is too much is blank.
 * Only lines without any character are no rows: `,,,` is a row of blank cells, and keeps its row number.
 */
export function parseCsv(text: string, name: string): CsvTable {
  const plain = text.replace(/^\uFEFF/, '');
  const parsed = Papa.parse<string[]>(plain, { skipEmptyLines: true, delimiter: sniffDelimiter(plain) });
  if (parsed.data.length === 0) {
    throw usageError({
      type: 'EmptyFile',
      message: `${name} is empty`,
      expected: 'a CSV file with a header line',
      got: '0 lines',
    });
  }
  const unclosed = parsed.errors.find((error) => error.code === 'MissingQuotes');
  if (unclosed !== undefined) {
    throw usageError({
      type: 'MalformedCsv',
      message: `${name}: a quote is never closed`,
      expected: 'quotes in pairs, a quote inside a quoted cell written twice',
      got: `an open quote at row ${Math.max(0, (unclosed.row ?? 1) - 1)}`,
    });
  }
  const [columns, ...rows] = parsed.data;
  rows.forEach((row, index) => {
    // A mark after the last cell, as some programs write, opens a cell of no column.
    while (row.length > columns.length && row.at(-1) === '') row.pop();
    if (row.length > columns.length) {
      throw usageError({
        type: 'MalformedCsv',
        message: `${name}: row ${index} has more cells than the header`,
        expected: `${columns.length} cells`,
        got: `${row.length} cells`,
        hint: 'Quote cells that contain commas.',
      });
    }
    while (row.length < columns.length) row.push('');
  });
  return { columns, rows };
}

/** Reads a CSV file; `-` is standard input. */
export function readCsvFile(path: string): CsvTable {
  let text: string;
  try {
    text = decodeText(readFileSync(path === '-' ? 0 : path));
  } catch (cause) {
    throw usageError({
      type: 'UnreadableFile',
      message: `cannot read ${path}: ${(cause as Error).message}`,
      expected: 'a readable CSV file',
      got: path,
    });
  }
  return parseCsv(text, path);
}

/** What cannot be written, and why. */
export function unwritable(path: string, cause: unknown): BalanceError {
  return usageError({
    type: 'UnwritableFile',
    message: `cannot write ${path}: ${(cause as Error).message}`,
    expected: 'a file name in a folder that is there or can be made, with the right to write',
    got: path,
  });
}

/**
 * Writes rows as CSV with a header line, into a new folder where needed; `-` is standard output. Cells are quoted only where needed.
 *
 * @throws BalanceError `UnwritableFile`
 */
export function writeCsvFile(path: string, columns: readonly string[], rows: readonly (readonly unknown[])[]): void {
  const lines = Papa.unparse({ fields: [...columns], data: rows as unknown[][] }, { newline: '\n' });
  // Without rows the library ends the header's line itself.
  const text = rows.length > 0 ? `${lines}\n` : `${lines.trimEnd()}\n`;
  if (path === '-') {
    process.stdout.write(text);
    return;
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  } catch (cause) {
    throw unwritable(path, cause);
  }
}
