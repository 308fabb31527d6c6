/** A first contract from a table as it stands: only what its rows are evidence for. For a person to read and correct. */
import { encodeTable, isBlank, isMissingSpelling, type CellColumn } from './cell-table.js';
import { spellsMissing } from './cell-contract.js';
import { summarizeColumn, TYPE_TESTS } from './column-summary.js';
import type { ColumnType } from './column-rule.js';
import type { MinedRule } from './profile.js';
import { shareBounds } from './share-bounds.js';

/** One column of the short form. */
export interface SuggestedColumn {
  readonly type?: ColumnType;
  readonly required?: true;
  readonly min?: number;
  readonly max?: number;
  readonly values?: readonly string[];
}
/** The short form of a contract, as `parseContract` reads it. */
export interface SuggestedContract {
  readonly columns: Readonly<Record<string, SuggestedColumn>>;
  readonly unique: readonly (readonly string[])[];
  readonly dependencies: readonly string[];
}

/** A rule is suggested if at most so many of future values can break it: the tolerance of the gate. */
const BREACH_MAX = 0.05;
/** Room beyond the range seen, as a part of it: extremes of the next table lie a little outside. */
const RANGE_MARGIN = 0.1;
/** A longer list is no domain that a person would write down. */
const VALUES_MAX = 50;

/** Whether a rule that `breaches` of `rows` rows break holds for nearly all future rows, by its Wilson bound. */
const isSafe = (breaches: number, rows: number): boolean => shareBounds(breaches, rows)[1] <= BREACH_MAX;

/**
 * Suggests types, required columns, ranges, value lists, keys, and of the dependencies that `profileTable` mined those with few breaches. A table of fewer than 171 rows is evidence for nothing
 * (the Wilson bound of 0 breaches in n is z^2 / (n + z^2)); its columns come out without rules.
 */
export function suggestContract(
  names: readonly string[],
  rows: readonly (readonly string[])[],
  mined: readonly MinedRule[] = [],
): SuggestedContract {
  const { columns } = encodeTable(names, rows);
  return {
    columns: Object.fromEntries(columns.map((column) => [column.name, suggestColumn(column)])),
    unique: columns.filter(isKey).map((column) => [column.name]),
    dependencies: mined
      .filter(({ confidence, rows: covered }) => isSafe(Math.round((1 - confidence) * covered), covered))
      .map(({ rule }) => rule)
      .sort((a, b) => (a < b ? -1 : 1)),
  };
}

function presentOf(column: CellColumn): { value: string; rows: number }[] {
  return column.values
    .map((value, code) => ({ value, rows: column.counts[code] }))
    .filter(({ value }) => !isBlank(value) && !isMissingSpelling(value));
}

function suggestColumn(column: CellColumn): SuggestedColumn {
  const { inferredType, rows, completeness, min, max } = summarizeColumn(column);
  const present = presentOf(column);
  const presentRows = present.reduce((sum, entry) => sum + entry.rows, 0);
  const breaking = (holds: (value: string) => boolean): number =>
    present.reduce((sum, entry) => sum + (holds(entry.value) ? 0 : entry.rows), 0);
  const pattern = TYPE_TESTS.find(([type]) => type === inferredType)?.[1];
  const isTyped =
    pattern !== undefined &&
    isSafe(
      breaking((value) => pattern.test(value.trim())),
      presentRows,
    );
  const isNumber = isTyped && min !== null && max !== null;
  const margin = isNumber ? RANGE_MARGIN * (max - min) : 0;
  // Values seen once estimate the share of values not seen yet (Good 1953).
  const singles = present.filter((entry) => entry.rows === 1).length;
  const isDomain = !isTyped && present.length <= VALUES_MAX && isSafe(singles, presentRows);
  return {
    ...(isTyped ? { type: inferredType } : {}),
    ...(completeness === 1 && isSafe(0, rows) ? { required: true as const } : {}),
    // What was never negative is probably a count, an amount or a share.
    ...(isNumber ? { min: min >= 0 ? Math.max(0, min - margin) : min - margin, max: max + margin } : {}),
    ...(isDomain
      ? { values: [...present.map(({ value }) => value), ...spelledNulls(column)].sort((a, b) => (a < b ? -1 : 1)) }
      : {}),
  };
}

/** Words and marks that a column of text uses for missing values: where a list says what may stand there, so may they. */
function spelledNulls({ values, counts }: CellColumn): string[] {
  return spellsMissing(values, counts)
    ? values.filter((value, code) => counts[code] > 0 && !isBlank(value) && isMissingSpelling(value))
    : [];
}

/** Every row has a value of its own; measurements with a fraction are distinct by chance. */
function isKey(column: CellColumn): boolean {
  const { inferredType, rows, distinct, completeness } = summarizeColumn(column);
  return completeness === 1 && distinct === rows && isSafe(0, rows) && ['integer', 'string'].includes(inferredType);
}
