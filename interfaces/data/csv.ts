/** CSV files in and out: the one door to papaparse. Cells stay strings; typing is the reader's business. */
import { readFileSync, writeFileSync } from 'node:fs';
import Papa from 'papaparse';
import { usageError } from '../../domain/types/errors.js';

/** A CSV file in memory: its header and its rows, every cell the exact text of the file. */
export interface CsvTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * Parses CSV text with a header line. Short rows are padded with `''`; over-long rows are an error.
 * Only lines without any character are no rows: `,,,` is a row of blank cells, and keeps its row number.
 */
export function parseCsv(text: string, name: string): CsvTable {
  const parsed = Papa.parse<string[]>(text.replace(/^\uFEFF/, ''), { skipEmptyLines: true });
  if (parsed.data.length === 0) {
    throw usageError({
      type: 'EmptyFile',
      message: `${name} is empty`,
      expected: 'a CSV file with a header line',
      got: '0 lines',
    });
  }
  const [columns, ...rows] = parsed.data;
  rows.forEach((row, index) => {
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
    text = readFileSync(path === '-' ? 0 : path, 'utf8');
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

/** Writes rows as CSV with a header line; `-` is standard output. Cells are quoted only where needed. */
export function writeCsvFile(path: string, columns: readonly string[], rows: readonly (readonly unknown[])[]): void {
  const text = Papa.unparse({ fields: [...columns], data: rows as unknown[][] }, { newline: '\n' }) + '\n';
  if (path === '-') process.stdout.write(text);
  else writeFileSync(path, text);
}
