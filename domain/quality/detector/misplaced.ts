/**
 * Values that stand in the wrong field: one cell carries, beside its own text, a value of another column whose own
 * cell in that row is blank (`city = "San Francisco CA"`, `state = ""`).
 */
import { isBlank, type CellTable } from '../cell-table.js';
import type { Signal } from './signal.js';

/** A value that was seen in the other column in at least this many rows is one of its usual values. */
const USUAL_ROWS = 2;
/** A column can have lent its values only if it takes few of them: at most one distinct value per this many rows. */
const ROWS_PER_VALUE = 3;
const SCORE = 0.9;

/** Two signals for each such row: the cell that carries too much, and the blank one. */
export function misplacedSignals(table: CellTable): Signal[] {
  const signals: Signal[] = [];
  table.columns.forEach((lender, to) => {
    const usual = new Set(lender.values.filter((value, code) => !isBlank(value) && lender.counts[code] >= USUAL_ROWS));
    if (usual.size === 0 || lender.values.length * ROWS_PER_VALUE > table.rows) return;
    const blankRows: number[] = [];
    lender.codes.forEach((code, row) => {
      if (isBlank(lender.values[code])) blankRows.push(row);
    });
    table.columns.forEach((column, from) => {
      if (from === to) return;
      const known = new Set(column.values);
      for (const row of blankRows) {
        const value = column.values[column.codes[row]];
        const cut = value.search(/[\s,;/]+\S+$/);
        if (cut <= 0) continue;
        const tail = value.slice(cut).replace(/^[\s,;/]+/, '');
        if (!usual.has(tail)) continue;
        const head = value.slice(0, cut);
        // Names end in numbers of their own; only a rest that is known by itself shows that the number is foreign.
        if (/^\d+$/.test(tail) && !known.has(head)) continue;
        const evidence = `"${tail}" belongs in ${lender.name}, which is blank`;
        signals.push({ row, column: from, kind: 'misplaced', score: SCORE, evidence, suggested: head });
        signals.push({
          row,
          column: to,
          kind: 'misplaced',
          score: SCORE,
          evidence: `stands at the end of ${column.name}`,
          suggested: tail,
        });
      }
    });
  });
  return signals;
}
