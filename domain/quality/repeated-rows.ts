/** Rows that repeat an earlier one in some of their columns: whole rows, or a key that was declared unique. */
import { isBlank, isMissingSpelling, type CellTable } from './cell-table.js';

/**
 * For each row the first row with the same values in these columns, or -1 for a row that repeats none.
 *
 * @param missing what a row that lacks one of the values is: `differs` from every row (a key), or `counts` as any value (a whole row)
 */
export function firstRepeated(
  table: CellTable,
  columns: readonly number[],
  missing: 'differs' | 'counts',
): readonly number[] {
  const lacks = columns.map((index) =>
    table.columns[index].values.map((value) => isBlank(value) || isMissingSpelling(value)),
  );
  const seen = new Map<string, number>();
  return Array.from({ length: table.rows }, (_, row) => {
    const codes = columns.map((index) => table.columns[index].codes[row]);
    if (missing === 'differs' && codes.some((code, at) => lacks[at][code])) return -1;
    const key = codes.join();
    const first = seen.get(key);
    if (first === undefined) seen.set(key, row);
    return first ?? -1;
  });
}
