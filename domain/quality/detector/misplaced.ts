/**
 * Values that stand in the wrong field: one cell carries, beside its own text, a value of another column whose own
 * cell in that row is blank (`city = "San Francisco CA"`, `state = ""`).
 */
import { isBlank, type CellColumn, type CellTable } from '../cell-table.js';
import type { Signal } from './signal.js';

/** A value that was seen in the other column in at least this many rows is one of its usual values. */
const USUAL_ROWS = 2;
/** A column can have lent its values only if it takes few of them: at most one distinct value per this many rows. */
const ROWS_PER_VALUE = 3;
const SCORE = 0.9;

/**
 * The tail must be this many times as common in rows that lack the value as in rows that have it: otherwise texts of
 * the column just end so (`Final Destination 2` beside a blank rating).
 */
const EXCESS = 3;

/** Two signals for each such row: the cell that carries too much, and the blank one. */
export function misplacedSignals(table: CellTable): Signal[] {
  const signals: Signal[] = [];
  table.columns.forEach((lender, to) => {
    const usual = new Set(lender.values.filter((value, code) => !isBlank(value) && lender.counts[code] >= USUAL_ROWS));
    const blankRows = lender.codes.reduce((sum, code) => sum + (isBlank(lender.values[code]) ? 1 : 0), 0);
    if (usual.size === 0 || blankRows === 0 || lender.values.length * ROWS_PER_VALUE > table.rows) return;
    table.columns.forEach((column, from) => {
      if (from !== to) signals.push(...takenFrom(table, lender, to, column, from, usual, blankRows));
    });
  });
  return signals;
}

function takenFrom(
  table: CellTable,
  lender: CellColumn,
  to: number,
  column: CellColumn,
  from: number,
  usual: ReadonlySet<string>,
  blankRows: number,
): Signal[] {
  const known = new Set(column.values);
  const splits = column.values.map((value) => splitTail(value, usual, known));
  const found: number[] = [];
  let elsewhere = 0;
  column.codes.forEach((code, row) => {
    if (splits[code] === undefined) return;
    if (isBlank(lender.values[lender.codes[row]])) found.push(row);
    else elsewhere++;
  });
  const filledRows = table.rows - blankRows;
  if (found.length * filledRows <= EXCESS * elsewhere * blankRows) return [];
  return found.flatMap((row): Signal[] => {
    const [head, tail] = splits[column.codes[row]] ?? ['', ''];
    const surplus = `"${tail}" belongs in ${lender.name}, which is blank`;
    const lack = `stands at the end of ${column.name}`;
    return [
      { row, column: from, kind: 'misplaced', score: SCORE, evidence: surplus, suggested: head },
      { row, column: to, kind: 'misplaced', score: SCORE, evidence: lack, suggested: tail },
    ];
  });
}

/**
 * The value without its last word, and that word, if it is one of the usual values. Names end in numbers of their own;
 * only a rest that is known by itself shows that the number is foreign.
 */
function splitTail(
  value: string,
  usual: ReadonlySet<string>,
  known: ReadonlySet<string>,
): readonly [string, string] | undefined {
  const parts = /^(.*?\S)[\s,;/]+(\S+)$/s.exec(value);
  if (parts === null || !usual.has(parts[2])) return undefined;
  const head = parts[1].replace(/[\s,;/]+$/, '');
  return /^[\d.]+$/.test(parts[2]) && !known.has(head) ? undefined : [head, parts[2]];
}
