/**
 * What a spreadsheet makes of codes that look like numbers or dates: leading zeros are lost (`06474` becomes `6474`), and
 * pairs of numbers become days (`7-12` becomes `12-Jul`; Ziemann, Eren & El-Osta 2016, "Gene name errors are widespread").
 */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import { MONTH_NAMES } from '../format.js';
import type { Signal } from './signal.js';

/** Codes have one length: at least so many of the present rows, and a code that begins with 0 is no number. */
const LENGTH_SHARE = 0.95;
/** Fewer digits are counts. */
const LENGTH_MIN = 3;
/** Different codes that begin with 0: one alone may be a slip. */
const ZERO_CODES_MIN = 2;
/** Pairs of numbers are what the column holds: at least so many of the present rows. */
const PAIR_SHARE = 0.5;
/** How sure it is: a pair in the clothes of a day is never meant, a code without its zero hardly ever. */
const SCORE = 0.85;

type Found = Pick<Signal, 'evidence' | 'suggested'>;

/** One signal for each cell that a spreadsheet rewrote. */
export function spreadsheetSignals(column: CellColumn, index: number): Signal[] {
  const present = column.values
    .map((value, code) => ({ value, code, rows: column.counts[code] }))
    .filter(({ value, rows }) => rows > 0 && !isBlank(value) && !isMissingSpelling(value));
  const rows = present.reduce((sum, entry) => sum + entry.rows, 0);
  const byCode = new Map([...lostZeros(present, rows), ...daysOfPairs(present, rows)]);
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const found = byCode.get(code);
    if (found !== undefined) signals.push({ row, column: index, kind: 'unusual-pattern', score: SCORE, ...found });
  });
  return signals;
}

interface Held {
  readonly value: string;
  readonly code: number;
  readonly rows: number;
}

function lostZeros(present: readonly Held[], rows: number): [number, Found][] {
  const digits = present.filter(({ value }) => /^\d+$/.test(value));
  const rowsOf = new Map<number, number>();
  for (const { value, rows: held } of digits) rowsOf.set(value.length, (rowsOf.get(value.length) ?? 0) + held);
  const length = [...rowsOf.keys()].find((each) => rowsOf.get(each)! >= LENGTH_SHARE * rows);
  if (length === undefined || length < LENGTH_MIN) return [];
  const zeros = digits.filter(({ value }) => value.length === length && value.startsWith('0'));
  if (zeros.length < ZERO_CODES_MIN) return [];
  return digits
    .filter(({ value }) => value.length < length)
    .map(({ value, code }) => {
      const evidence = `a code of ${length} digits, of which some begin with 0, that lost its zeros`;
      return [code, { evidence, suggested: value.padStart(length, '0') }];
    });
}

const MONTHS = MONTH_NAMES.map((name) => name.slice(0, 3).toLowerCase());
const DAY = new RegExp(`^(?:(\\d{1,2})-(${MONTHS.join('|')})|(${MONTHS.join('|')})-(\\d{2}(?:\\d{2})?))$`, 'i');

function daysOfPairs(present: readonly Held[], rows: number): [number, Found][] {
  const marks = ['-', '/'].map((mark) => {
    const pairs = present.filter(({ value }) => new RegExp(`^\\d+${mark}\\d+$`).test(value));
    return { mark, rows: pairs.reduce((sum, entry) => sum + entry.rows, 0) };
  });
  const own = marks.find((entry) => entry.rows >= PAIR_SHARE * rows);
  if (own === undefined) return [];
  return present.flatMap(({ value, code }): [number, Found][] => {
    const parts = DAY.exec(value);
    if (parts === null) return [];
    const [, day, month, monthFirst, year] = parts as (string | undefined)[];
    const number = MONTHS.indexOf((month ?? monthFirst)!.toLowerCase()) + 1;
    const suggested = `${number}${own.mark}${Number(day ?? year)}`;
    return [[code, { evidence: `a pair of numbers, as the others are, that was read as a day`, suggested }]];
  });
}
