/**
 * Whether missing values of a column have a cause in the row. Where a source has no value, that follows the row's other
 * values (a brewery that states no bitterness states none for any beer), and a spelled-out null means a blank. Values that
 * were lost on the way are missing in any row alike: what stood there nobody can tell.
 */
import { isBlank, isMissingSpelling, type CellTable } from './cell-table.js';
import { groupRows } from './dependency.js';

/** Standard errors beyond chance: far enough that none of twenty columns shows it by chance. */
const BEYOND_CHANCE = 5;

/** Fewer rows cannot show a cause: there a spelled-out null is taken at its word. */
const ROWS_TO_TELL = 10;

/**
 * Whether the rows of a column that spell a missing value out gather in groups of rows that agree in another column.
 *
 * Pearson's X2 = sum (m - n p)^2 / (n p q) over the groups, m of n rows spelled out. Its mean is their number less one; its
 * variance is at most 2 (G - 1) + sum 1 / (n p q), which holds for small groups too (Haldane 1940). Cost: O(columns * rows).
 */
export function isMissingByCause(table: CellTable, index: number): boolean {
  const { values, codes, counts } = table.columns[index];
  const spelled = values.map((value) => !isBlank(value) && isMissingSpelling(value));
  if (spelled.reduce((rows, isSpelled, code) => rows + (isSpelled ? counts[code] : 0), 0) < ROWS_TO_TELL) return true;
  return table.columns.some((_, other) => {
    if (other === index) return false;
    const { starts, order } = groupRows(table, [other]);
    const groups: { readonly rows: number; readonly missing: number }[] = [];
    for (let group = 0; group + 1 < starts.length; group++) {
      const members = order.subarray(starts[group], starts[group + 1]);
      if (members.length < 2) continue;
      let missing = 0;
      for (const row of members) if (spelled[codes[row]]) missing++;
      groups.push({ rows: members.length, missing });
    }
    return excess(groups) > BEYOND_CHANCE;
  });
}

function excess(groups: readonly { readonly rows: number; readonly missing: number }[]): number {
  const rows = groups.reduce((sum, group) => sum + group.rows, 0);
  const share = groups.reduce((sum, group) => sum + group.missing, 0) / Math.max(1, rows);
  const spread = share * (1 - share);
  if (groups.length < 2 || spread === 0) return 0;
  let [statistic, sparse] = [0, 0];
  for (const { rows: n, missing } of groups) {
    statistic += (missing - n * share) ** 2 / (n * spread);
    sparse += 1 / (n * spread);
  }
  return (statistic - (groups.length - 1)) / Math.sqrt(2 * (groups.length - 1) + sparse);
}
