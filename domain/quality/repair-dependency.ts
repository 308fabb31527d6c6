/** Repairs that rows agree on: what a cell means by declared dependencies, where the votes for it are clear. */
import { REPORT_SCORE } from './cell-findings.js';
import { encodeTable } from './cell-table.js';
import type { Dependency } from './dependency.js';
import { dependencySignals } from './detector/dependency-votes.js';
import type { ColumnDependency } from '../types/between-rows.js';

/** A cell and what it surely means; `column` is an index into the names. */
export interface CellRepair {
  readonly row: number;
  readonly column: number;
  readonly meant: string;
}

/**
 * The cells that contradict the rows of their group by a clear majority: the rule by which a profile suggests a value, over
 * the declared dependencies alone. Cells without a value stay so: what was lost is not known to be what others have.
 *
 * @param names columns of the rows: those that the dependencies name
 * @param rows cells as text, `''` for a missing one
 */
export function repairsByDependency(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  dependencies: readonly ColumnDependency[],
): CellRepair[] {
  const table = encodeTable(names, rows);
  const declared = dependencies.map(({ from, to }): Dependency => ({
    ...{ from: from.map((name) => names.indexOf(name)).sort((a, b) => a - b), to: names.indexOf(to), declared: true },
    ...{ confidence: 1, strength: 1, clarity: 1, covered: rows.length },
  }));
  return dependencySignals(table, declared).signals.flatMap(({ row, column, score, suggested }) =>
    suggested === undefined || score < REPORT_SCORE || rows[row][column] === ''
      ? []
      : [{ row, column, meant: suggested }],
  );
}
