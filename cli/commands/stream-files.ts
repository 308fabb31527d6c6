/** Input and output files of the commands that read time series: one file, several, or a folder of CSV files. */
import { existsSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { usageError } from '../../domain/types/errors.js';
import { unwritable, type CsvTable } from '../../interfaces/data/csv.js';

/** Names by which the column of times may go, in order of preference. */
const TIME_COLUMNS = ['time', 'time_s', 'timestamp'] as const;

/** One input file and where its result goes. */
export interface FilePair {
  readonly input: string;
  readonly output: string;
}

/** Files named by the arguments: a folder stands for the `*.csv` files in it, in name order. */
export function expandInputs(inputs: readonly string[]): string[] {
  return inputs.flatMap((input) => {
    if (input === '-' || !statSync(input, { throwIfNoEntry: false })?.isDirectory()) return [input];
    const files = readdirSync(input)
      .filter((name) => name.toLowerCase().endsWith('.csv'))
      .sort((a, b) => (a < b ? -1 : 1))
      .map((name) => join(input, name));
    if (files.length === 0) {
      throw usageError({
        type: 'EmptyFolder',
        message: `${input} holds no CSV files`,
        expected: 'a folder with *.csv',
        got: input,
      });
    }
    return files;
  });
}

/** Pairs inputs with outputs: one plain file writes to `out` itself; a folder or several files make `out` a folder. */
export function pairFiles(inputs: readonly string[], out: string): FilePair[] {
  const files = expandInputs(inputs);
  if (inputs.length === 1 && files[0] === inputs[0]) return apart([{ input: files[0], output: out }]);
  const names = new Set(files.map((file) => basename(file)));
  if (names.size < files.length || out === '-') {
    throw usageError({
      type: 'AmbiguousOutput',
      message: 'several inputs need an output folder and different file names',
      expected: '--out FOLDER, inputs with distinct names',
      got: `--out ${out}, ${files.length} files with ${names.size} names`,
    });
  }
  const pairs = apart(files.map((file) => ({ input: file, output: join(out, basename(file)) })));
  try {
    mkdirSync(out, { recursive: true });
  } catch (cause) {
    throw unwritable(out, cause);
  }
  return pairs;
}

/** Refuses to write over what is read. */
function apart(pairs: FilePair[]): FilePair[] {
  const same = pairs.find(
    ({ input, output }) => existsSync(input) && existsSync(output) && realpathSync(input) === realpathSync(output),
  );
  if (same === undefined) return pairs;
  throw usageError({
    type: 'OutputIsInput',
    message: `${same.output} would be written over the file that is read`,
    expected: '--out with another name, or another folder, than the input',
    got: same.output,
  });
}

/** Position of a column that must be there. */
export function requireColumn(table: CsvTable, names: readonly string[], file: string): number {
  for (const name of names) {
    const at = table.columns.findIndex((column) => column.trim().toLowerCase() === name);
    if (at >= 0) return at;
  }
  throw usageError({
    type: 'MissingColumn',
    message: `${file}: no column ${names.join(' or ')}`,
    expected: names.join(' or '),
    got: table.columns.join(','),
  });
}

/** Position of the time column. */
export function timeColumn(table: CsvTable, file: string): number {
  return requireColumn(table, TIME_COLUMNS, file);
}

/** Numbers from here on are no seconds (of the year 5138) but milliseconds, or a thousandth of these, and so on. */
const SECONDS_MAX = 1e11;

/**
 * Seconds since 1970: text is ISO 8601 (`T` or space), UTC unless it says otherwise; a number is seconds, from SECONDS_MAX on
 * milliseconds, from a thousand times that on microseconds, then nanoseconds. Each row is read by itself.
 */
export function parseSeconds(text: string, file: string, row: number): number {
  const seconds = readSeconds(text);
  if (Number.isFinite(seconds)) return seconds;
  throw usageError({
    type: 'MalformedTime',
    message: `${file}: row ${row} has no readable time`,
    expected: 'seconds or an ISO 8601 date and time',
    got: text,
  });
}

/** As `parseSeconds`; NaN where the text is no time. */
export function readSeconds(text: string): number {
  const trimmed = text.trim();
  let seconds =
    /^[+-]?(\d|\.\d)/.test(trimmed) && Number.isFinite(Number(trimmed)) ? Number(trimmed) : isoSeconds(trimmed);
  while (Number.isFinite(seconds) && Math.abs(seconds) >= SECONDS_MAX) seconds /= 1000;
  return seconds;
}

function isoSeconds(text: string): number {
  if (!/^\d{4}-\d{2}-\d{2}/.test(text)) return NaN;
  const iso = text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T');
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(iso.slice(11)) ? iso : `${iso}Z`;
  return Date.parse(zoned) / 1000;
}

/** Whether a cell says infinity: no value, but a sign of a division by zero upstream that is worth a word. */
export function isInfinite(text: string): boolean {
  return /^[+-]?inf(inity)?$/i.test(text.trim());
}

/** A number, or `null` where the cell says that the value is missing. */
export function parseValue(text: string, file: string, row: number): number | null {
  const trimmed = text.trim();
  if (/^(|nan|null|na|none)$/i.test(trimmed) || isInfinite(trimmed)) return null;
  const value = Number(trimmed);
  if (Number.isFinite(value)) return value;
  throw usageError({
    type: 'MalformedValue',
    message: `${file}: row ${row} has no readable value`,
    expected: 'a number, or an empty cell where it is missing',
    got: text,
  });
}
