/**
 * Values that stand in another column's place: two cells of a row changed places (`Medium` as the phase of a flight and
 * `Approach` as the size of the bird), or one holds a value that only the other column has.
 */
import { isBlank, isMissingSpelling, type CellColumn, type CellTable } from '../cell-table.js';
import type { Signal } from './signal.js';

/** A value is at home in a column that has it in this many rows, and this many times as often as the other column. */
const HOME_ROWS = 3;
const HOME_FACTOR = 5;
/** Columns that share more than this of their rows' values are of one domain (home and away team): a rare value is no stranger. */
const SHARED_ROWS = 0.05;
const SCORE_BOTH = 0.9;
const SCORE_ONE = 0.6;

interface Words {
  /** Rows that hold a text; numbers, dates and blanks are left out: they look alike everywhere. */
  readonly rowsOf: ReadonlyMap<string, number>;
  readonly isWord: Uint8Array;
  readonly rows: number;
}

/** One signal for each cell that holds another column's value. Cost: O(columns^2 * distinct values + rows). */
export function exchangedSignals(table: CellTable): Signal[] {
  const words = table.columns.map(wordsOf);
  const signals: Signal[] = [];
  for (let a = 0; a < words.length; a++) {
    for (let b = a + 1; b < words.length; b++) signals.push(...betweenColumns(table, words, a, b));
  }
  return signals;
}

function wordsOf(column: CellColumn): Words {
  const rowsOf = new Map<string, number>();
  let rows = 0;
  const isWord = Uint8Array.from(column.values, (value, code) => {
    if (isBlank(value) || isMissingSpelling(value) || !/\p{L}{2}/u.test(value)) return 0;
    rowsOf.set(value, column.counts[code]);
    rows += column.counts[code];
    return 1;
  });
  return { rowsOf, isWord, rows };
}

/** Codes of `guest` whose text is at home in the other column. */
function strangers(column: CellColumn, own: Words, other: Words): Set<number> {
  const found = new Set<number>();
  column.values.forEach((value, code) => {
    if (own.isWord[code] === 0) return;
    const home = other.rowsOf.get(value) ?? 0;
    if (home >= HOME_ROWS && home >= HOME_FACTOR * column.counts[code]) found.add(code);
  });
  return found;
}

/** Share of a column's rows whose value is as much at home in the other column. */
function sharedShare(column: CellColumn, own: Words, other: Words): number {
  let rows = 0;
  column.values.forEach((value, code) => {
    if (own.isWord[code] === 0) return;
    const [here, there] = [column.counts[code], other.rowsOf.get(value) ?? 0];
    // A value that is much rarer on one side is a guest there: whether by error is what is asked.
    if (there > 0 && Math.max(here, there) < HOME_FACTOR * Math.min(here, there)) rows += here;
  });
  return own.rows === 0 ? 0 : rows / own.rows;
}

function betweenColumns(table: CellTable, words: readonly Words[], a: number, b: number): Signal[] {
  const pair = [a, b] as const;
  const columns = pair.map((index) => table.columns[index]);
  const guests = [strangers(columns[0], words[a], words[b]), strangers(columns[1], words[b], words[a])];
  if (guests[0].size + guests[1].size === 0) return [];
  if (sharedShare(columns[0], words[a], words[b]) > SHARED_ROWS) return [];
  if (sharedShare(columns[1], words[b], words[a]) > SHARED_ROWS) return [];
  const signals: Signal[] = [];
  for (let row = 0; row < table.rows; row++) {
    const codes = columns.map((column) => column.codes[row]);
    const isGuest = [guests[0].has(codes[0]), guests[1].has(codes[1])];
    const isBoth = isGuest[0] && isGuest[1];
    pair.forEach((column, side) => {
      if (!isGuest[side]) return;
      const evidence = `"${columns[side].values[codes[side]]}" is a value of ${columns[1 - side].name}`;
      const kind = 'misplaced';
      // A value that is written here time and again belongs to both columns.
      const isEstablished = columns[side].counts[codes[side]] >= HOME_ROWS;
      if (!isBoth && !isEstablished) signals.push({ row, column, kind, score: SCORE_ONE, evidence });
      if (isBoth) {
        const suggested = columns[1 - side].values[codes[1 - side]];
        signals.push({ row, column, kind, score: SCORE_BOTH, evidence, suggested });
      }
    });
  }
  return signals;
}
