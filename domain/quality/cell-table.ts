/**
 * A table as the cell detectors read it: every column dictionary-encoded, so that work is done once per distinct
 * value and groups are formed from small integers.
 */

/** One column: `values[codes[row]]` is the exact text of the cell, `counts[code]` how many rows hold it. */
export interface CellColumn {
  readonly name: string;
  readonly values: readonly string[];
  readonly codes: Int32Array;
  readonly counts: Int32Array;
}

export interface CellTable {
  readonly rows: number;
  readonly columns: readonly CellColumn[];
}

/**
 * Encodes rows of exact cell text. Distinct values are numbered in order of first appearance.
 * A row shorter than the header reads as `''` in the cells it lacks. Cost: O(cells).
 */
export function encodeTable(names: readonly string[], rows: readonly (readonly string[])[]): CellTable {
  const columns = names.map((name, index) =>
    encodeColumn(
      name,
      rows.map((row) => row[index] ?? ''),
    ),
  );
  return { rows: rows.length, columns };
}

/** Encodes one column of exact cell text. */
export function encodeColumn(name: string, cells: readonly string[]): CellColumn {
  const codeOf = new Map<string, number>();
  const values: string[] = [];
  const codes = new Int32Array(cells.length);
  for (let row = 0; row < cells.length; row++) {
    let code = codeOf.get(cells[row]);
    if (code === undefined) {
      code = values.length;
      codeOf.set(cells[row], code);
      values.push(cells[row]);
    }
    codes[row] = code;
  }
  return { name, values, codes, counts: countCodes(codes, values.length) };
}

function countCodes(codes: Int32Array, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const code of codes) counts[code]++;
  return counts;
}

/** Spellings of "no value" that people and programs write into text columns, lower case. */
export const MISSING_SPELLINGS: ReadonlySet<string> = new Set([
  ...'n/a na n.a. n.a #n/a nan null none nil (null) <null> \\n - -- --- ? ?? . ..'.split(' '),
  ...'empty missing unknown unspecified undefined blank (blank) tbd tba'.split(' '),
  ...['not available', 'not applicable', 'not provided', 'not reported', 'no data', 'no value'],
]);

/** Whether the text is blank: nothing, or white space only. */
export function isBlank(text: string): boolean {
  return text.trim() === '';
}

/** Whether the text spells "no value" in words or marks, as `N/A`, `-` or `unknown` do. Blank text does not. */
export function isMissingSpelling(text: string): boolean {
  return MISSING_SPELLINGS.has(text.trim().toLowerCase());
}
