/** What one column of exact text looks like: the `columns` part of a profile. */
import { impliedMoment } from './cell-moment.js';
import { isBlank, isMissingSpelling, type CellColumn } from './cell-table.js';
import type { ColumnType } from './column-rule.js';
import { shapeOf } from './pattern.js';
import { summarizeText, type TextSummary } from './text.js';
import { summarizeVectors, type VectorColumn } from './vectors.js';

export interface ColumnSummary {
  readonly name: string;
  /** Type that at least 95 % of the present rows fit; `string` otherwise, and when nothing is present. */
  readonly inferredType: ColumnType;
  readonly rows: number;
  readonly blank: number;
  /** Rows that spell a missing value out (`N/A`). */
  readonly implicitMissing: number;
  readonly completeness: number;
  readonly distinct: number;
  /** Present rows whose value occurs once / present rows. */
  readonly uniqueness: number;
  readonly minLength: number;
  readonly maxLength: number;
  /** Of the numeric values; `null` for a column that is not numeric. */
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  readonly median: number | null;
  readonly topValues: readonly { readonly value: string; readonly rows: number }[];
  readonly shapes: readonly { readonly shape: string; readonly rows: number }[];
  /** Of a column of free text; absent for any other. */
  readonly text?: TextSummary;
  /** Of a column of vectors; absent for any other. */
  readonly vectors?: VectorColumn;
}

/** The share of present rows that must fit a type: the rest are the errors that profiling is to find. */
const TYPE_SHARE = 0.95;
/** From this share on, what does not fit but can be read as if it did is doubtful. */
const LEANING_SHARE = 0.9;
/** How many of the most frequent values and shapes a summary lists. */
const LISTED = 5;

/** Types in the order in which they are tried, each with the pattern of its values. */
export const TYPE_TESTS: readonly (readonly [ColumnType, RegExp])[] = [
  ['integer', /^[+-]?\d+$/],
  ['number', /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/],
  ['boolean', /^(?:true|false|yes|no)$/i],
  ['date', /^(?:\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2}))$/],
  ['time', /^\d{1,2}:\d{2}(?::\d{2})?(?:\s*[ap]\.?m\.?)?$/i],
  ['datetime', /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?$/],
];

/** Summarises one column. An empty column has completeness 1 (nothing is missing), no range, type `string`. */
export function summarizeColumn(column: CellColumn): ColumnSummary {
  const present = presentValues(column);
  let blank = 0;
  let implicitMissing = 0;
  column.values.forEach((value, code) => {
    const rows = column.counts[code];
    if (isBlank(value)) blank += rows;
    else if (isMissingSpelling(value)) implicitMissing += rows;
  });
  const presentRows = column.codes.length - blank - implicitMissing;
  const inferredType =
    TYPE_TESTS.find(
      ([, pattern]) => presentRows > 0 && fittingRows(present, pattern) >= TYPE_SHARE * presentRows,
    )?.[0] ?? 'string';
  const vectors = inferredType === 'string' ? summarizeVectors(column) : null;
  const text = inferredType === 'string' && vectors === null ? summarizeText(column) : null;
  // The text of a vector tells nothing, at great length.
  const listed = vectors === null ? present : [];
  const lengths = present.map(({ value }) => value.length);
  return {
    name: column.name,
    inferredType,
    rows: column.codes.length,
    blank,
    implicitMissing,
    completeness: column.codes.length === 0 ? 1 : presentRows / column.codes.length,
    distinct: present.length,
    uniqueness: presentRows === 0 ? 1 : present.filter(({ rows }) => rows === 1).length / presentRows,
    minLength: lengths.reduce((a, b) => Math.min(a, b), lengths[0] ?? 0),
    maxLength: lengths.reduce((a, b) => Math.max(a, b), 0),
    ...numericSummary(inferredType === 'integer' || inferredType === 'number' ? present : []),
    topValues: mostRows(listed.map(({ value, rows }) => [value, rows])).map(([value, rows]) => ({ value, rows })),
    shapes: mostRows(countShapes(listed)).map(([shape, rows]) => ({ shape, rows })),
    ...(text === null ? {} : { text }),
    ...(vectors === null ? {} : { vectors }),
  };
}

/**
 * The type that an undeclared column's values imply, and whether it is beyond doubt: at least 95 % of the present rows
 * fit, rather than 90 %. Whole numbers imply numbers; `undefined` for text.
 */
export function impliedType(column: CellColumn): { readonly type: ColumnType; readonly isSure: boolean } | undefined {
  const present = presentValues(column);
  const rows = present.reduce((sum, entry) => sum + entry.rows, 0);
  for (const [type, pattern] of TYPE_TESTS) {
    if (type === 'integer' || type === 'boolean') continue;
    const fitting = fittingRows(present, pattern);
    if (rows > 0 && fitting >= LEANING_SHARE * rows) return { type, isSure: fitting >= TYPE_SHARE * rows };
  }
  if (isDecorated(present, rows)) return { type: 'number', isSure: false };
  const moment = impliedMoment(column.values, column.counts);
  return moment === undefined ? undefined : { type: moment, isSure: false };
}

/** Two in three of a column's numbers are plain, so that plain is its own way of writing. */
const PLAIN_SHARE = 2 / 3;
/** So many of the others wear the same decoration: house numbers (2a, 12b) wear different ones. */
const ONE_DECORATION = 0.8;

/** Whether a column writes its thousands with commas: numbers below 1,000 are plain in any case. */
export function groupsThousands(present: readonly ValueRows[]): boolean {
  let [plain, grouped] = [0, 0];
  for (const { value, rows } of present) {
    if (/\d,\d{3}(?!\d)/.test(value)) grouped += rows;
    else if (Math.abs(Number(value)) >= 1000) plain += rows;
  }
  return grouped > 0 && plain < 2 * grouped;
}

/**
 * Whether a column is of plain numbers of which a part is decorated in one way (`12 oz` among 12, `1,013` among 1013): 95 %
 * of its rows are one or the other.
 */
function isDecorated(present: readonly ValueRows[], rows: number): boolean {
  const number = TYPE_TESTS.find(([type]) => type === 'number')![1];
  const plain = fittingRows(present, number);
  if (plain < PLAIN_SHARE * rows || plain === rows) return false;
  const wear = new Map<string, number>();
  const grouped = groupsThousands(present);
  for (const { value, rows: held } of present) {
    if (number.test(value.trim()) || (grouped && value.includes(','))) continue;
    const decoration = value.trim().replace(/[+-]?\d[\d.]*/g, '9');
    // A letter or mark before a number makes it a code; a sign of money does not.
    if (/^[[($€£¥]*9(?:[,]9)*\s*[^\d]*$/u.test(decoration)) wear.set(decoration, (wear.get(decoration) ?? 0) + held);
  }
  const most = Math.max(0, ...wear.values());
  return most >= ONE_DECORATION * (rows - plain) && plain + most >= TYPE_SHARE * rows;
}

export interface ValueRows {
  readonly value: string;
  readonly rows: number;
}

export function presentValues(column: CellColumn): ValueRows[] {
  return column.values.flatMap((value, code) => {
    const rows = column.counts[code];
    return rows === 0 || isBlank(value) || isMissingSpelling(value) ? [] : [{ value, rows }];
  });
}

function fittingRows(present: readonly ValueRows[], pattern: RegExp): number {
  return present.reduce((sum, { value, rows }) => sum + (pattern.test(value.trim()) ? rows : 0), 0);
}

function countShapes(present: readonly { value: string; rows: number }[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { value, rows } of present) counts.set(shapeOf(value), (counts.get(shapeOf(value)) ?? 0) + rows);
  return [...counts];
}

function mostRows(entries: [string, number][]): [string, number][] {
  return entries.sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, LISTED);
}

function numericSummary(
  present: readonly { value: string; rows: number }[],
): Pick<ColumnSummary, 'min' | 'max' | 'mean' | 'median'> {
  const numbers = present
    .map(({ value, rows }) => ({ value: Number(value), rows }))
    .filter(({ value }) => Number.isFinite(value))
    .sort((a, b) => a.value - b.value);
  if (numbers.length === 0) return { min: null, max: null, mean: null, median: null };
  const rows = numbers.reduce((sum, entry) => sum + entry.rows, 0);
  let below = 0;
  const median = numbers.find((entry) => (below += entry.rows) * 2 >= rows)?.value ?? null;
  return {
    min: numbers[0].value,
    max: numbers[numbers.length - 1].value,
    mean: numbers.reduce((sum, entry) => sum + entry.value * entry.rows, 0) / rows,
    median,
  };
}
