/** Repairs that rows agree on: what a cell means by declared dependencies, where the votes for it are clear. */
import { REPORT_SCORE } from './cell-findings.js';
import { encodeTable, isBlank, isMissingSpelling } from './cell-table.js';
import type { Dependency } from './dependency.js';
import { dependencySignals } from './detector/dependency-votes.js';
import type { ColumnDependency } from '../types/between-rows.js';

/** A cell and what it surely means; `column` is an index into the names. */
export interface CellRepair {
  readonly row: number;
  readonly column: number;
  readonly meant: string;
}

/** Before a text that spells a missing value and is a declared one (`NA` among country codes): it votes and groups as any. */
const DECLARED = '=';

/**
 * The cells that contradict the rows of their group by a clear majority: the rule by which a profile suggests a value, over
 * the declared dependencies alone. A cell that holds no value, or spells one out that says so (`N/A`, `unknown`), stays as it
 * is, whatever its group holds: it was written on purpose, or what was lost is not known to be what others have. Nor does it
 * vote or form a group, unless it is among the declared values of its column.
 *
 * @param names columns of the rows: those that the dependencies name
 * @param rows cells as text, `''` for a missing one
 * @param allowed declared values by column
 */
export function repairsByDependency(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  dependencies: readonly ColumnDependency[],
  allowed: Readonly<Record<string, readonly string[] | undefined>> = {},
): CellRepair[] {
  const spelled = names.map((name) => new Set(allowed[name]?.filter(isMissingSpelling)));
  const marked = (row: readonly string[]) =>
    row.map((text, column) => (spelled[column].has(text) ? DECLARED + text : text));
  const table = encodeTable(names, spelled.every(({ size }) => size === 0) ? rows : rows.map(marked));
  const declared = dependencies.map(({ from, to }): Dependency => ({
    ...{ from: from.map((name) => names.indexOf(name)).sort((a, b) => a - b), to: names.indexOf(to), declared: true },
    ...{ confidence: 1, strength: 1, clarity: 1, covered: rows.length },
  }));
  return dependencySignals(table, declared).signals.flatMap(({ row, column, score, suggested }) => {
    const text = rows[row][column];
    if (suggested === undefined || score < REPORT_SCORE || isBlank(text) || isMissingSpelling(text)) return [];
    const own = suggested.slice(DECLARED.length);
    return [{ row, column, meant: suggested.startsWith(DECLARED) && spelled[column].has(own) ? own : suggested }];
  });
}
