/**
 * The mergeable profile of a column: measured once per batch, merged for good. A new batch costs O(batch), and the
 * merged state equals the state of a full rescan, bit for bit: every part is an integer, a maximum or a minimum.
 */
import { z } from 'zod';
import { isBlank, isMissingSpelling } from './cell-table.js';
import { TYPE_TESTS } from './column-summary.js';
import type { ColumnType } from './column-rule.js';
import { parseState } from './encoded-state.js';
import { shapeOf } from './pattern.js';
import {
  bucketOf,
  combineCounts,
  emptyRegisters,
  EMPTY_COUNTS,
  estimateDistinct,
  hashText,
  mergeCounts,
  mergeRegisters,
  observe,
  quantileOf,
  type BoundedCounts,
} from './sketch.js';

/** Part of the key of a stored state; states of different versions never merge. */
export const PROFILE_STATE_VERSION = 1;
/** Values counted exactly: enough for every column of classes. */
const TOP_CAPACITY = 1000;
const SHAPE_CAPACITY = 100;
/** Numbers are summed in whole millionths, exactly; beyond this magnitude they are not summed and the mean is unknown. */
const SUM_SCALE = 1e6;
const SUM_MAGNITUDE = 1e9;
/** Part of a long text that ranks it between others and counts as its value. */
const TEXT_LENGTH = 200;

/** The state of one column. Opaque: build it with the functions below. */
export interface ColumnState {
  readonly rows: number;
  readonly blank: number;
  readonly implicitMissing: number;
  readonly lengthMin: number | null;
  readonly lengthMax: number | null;
  readonly textMin: string | null;
  readonly textMax: string | null;
  readonly numbers: number;
  readonly min: number | null;
  readonly max: number | null;
  /** Sum of the numbers in millionths; `null` once a number was too large to be summed. */
  readonly sumMillionths: bigint | null;
  readonly buckets: ReadonlyMap<number, number>;
  /** Rows that fit each type of `TYPE_TESTS`, in its order. */
  readonly typed: readonly number[];
  readonly registers: Uint8Array;
  readonly values: BoundedCounts;
  readonly shapes: BoundedCounts;
}

/** What a state says. */
export interface ColumnStateSummary {
  readonly rows: number;
  readonly completeness: number;
  readonly implicitMissing: number;
  /** Within about 1.6 % (one standard error); exact while the values are counted exactly. */
  readonly distinct: number;
  readonly inferredType: ColumnType;
  /** Present rows that fit `inferredType`. */
  readonly typedRows: number;
  readonly lengthMin: number | null;
  readonly lengthMax: number | null;
  readonly min: number | null;
  readonly max: number | null;
  readonly mean: number | null;
  /** Each within 1 % of a value of its rank. */
  readonly quantiles: Readonly<Record<'p01' | 'p25' | 'p50' | 'p75' | 'p99', number | null>>;
  readonly topValues: readonly { readonly value: string; readonly rows: number }[];
  /** Whether `topValues` saw every value; otherwise they are the most frequent of a hash sample. */
  readonly topIsExact: boolean;
  readonly shapes: readonly { readonly shape: string; readonly rows: number }[];
}

/** The state of no rows: the identity of `mergeColumns`. */
export function emptyColumn(): ColumnState {
  return {
    rows: 0,
    blank: 0,
    implicitMissing: 0,
    lengthMin: null,
    lengthMax: null,
    textMin: null,
    textMax: null,
    numbers: 0,
    min: null,
    max: null,
    sumMillionths: 0n,
    buckets: new Map(),
    typed: TYPE_TESTS.map(() => 0),
    registers: emptyRegisters(),
    values: EMPTY_COUNTS,
    shapes: EMPTY_COUNTS,
  };
}

/**
 * Measures cells. `null` and `undefined` are missing; everything else is read as text, objects as their JSON.
 * Work per distinct value is done once. Cost: O(cells).
 */
export function measureColumn(cells: readonly unknown[]): ColumnState {
  const counts = new Map<string, number>();
  for (const cell of cells) {
    const text = cellText(cell);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return measureCounts(counts);
}

/** Measures rows by the text of their cell; '' is a missing one. Cost: O(distinct texts). */
export function measureCounts(counts: ReadonlyMap<string, number>): ColumnState {
  const state = { ...emptyColumn(), rows: [...counts.values()].reduce((sum, rows) => sum + rows, 0) };
  const typed = TYPE_TESTS.map(() => 0);
  const buckets = new Map<number, number>();
  const shapes = new Map<string, number>();
  const present: [string, number][] = [];
  for (const [text, rows] of counts) {
    if (isBlank(text)) state.blank += rows;
    else if (isMissingSpelling(text)) state.implicitMissing += rows;
    else {
      const key = text.slice(0, TEXT_LENGTH);
      present.push([key, rows]);
      observe(state.registers, hashText(text));
      const shape = shapeOf(key);
      shapes.set(shape, (shapes.get(shape) ?? 0) + rows);
      TYPE_TESTS.forEach(([, pattern], index) => (typed[index] += pattern.test(text.trim()) ? rows : 0));
      Object.assign(state, extendText(state, text.length, key), extendNumbers(state, Number(text), rows, buckets));
    }
  }
  return {
    ...state,
    typed,
    buckets,
    values: combineCounts(0, [present], TOP_CAPACITY),
    shapes: combineCounts(0, [shapes], SHAPE_CAPACITY),
  };
}

function cellText(cell: unknown): string {
  if (cell === null || cell === undefined) return '';
  if (typeof cell === 'string') return cell;
  return typeof cell === 'object' ? JSON.stringify(cell) : `${cell as number | boolean | bigint}`;
}

function extendText(state: ColumnState, length: number, text: string): Partial<ColumnState> {
  return {
    lengthMin: least(state.lengthMin, length),
    lengthMax: most(state.lengthMax, length),
    textMin: least(state.textMin, text),
    textMax: most(state.textMax, text),
  };
}

function extendNumbers(
  state: ColumnState,
  value: number,
  rows: number,
  buckets: Map<number, number>,
): Partial<ColumnState> {
  if (!Number.isFinite(value)) return {};
  buckets.set(bucketOf(value), (buckets.get(bucketOf(value)) ?? 0) + rows);
  const sum = Math.abs(value) <= SUM_MAGNITUDE ? state.sumMillionths : null;
  return {
    numbers: state.numbers + rows,
    min: least(state.min, value),
    max: most(state.max, value),
    sumMillionths: sum === null ? null : sum + BigInt(Math.round(value * SUM_SCALE)) * BigInt(rows),
  };
}

function least<T extends number | string>(a: T | null, b: T | null): T | null {
  return a === null ? b : b === null || a <= b ? a : b;
}

function most<T extends number | string>(a: T | null, b: T | null): T | null {
  return a === null ? b : b === null || a >= b ? a : b;
}

/** The state of all rows of both. Associative and commutative, `emptyColumn()` is its identity; changes neither. */
export function mergeColumns(a: ColumnState, b: ColumnState): ColumnState {
  const buckets = new Map(a.buckets);
  for (const [bucket, count] of b.buckets) buckets.set(bucket, (buckets.get(bucket) ?? 0) + count);
  return {
    rows: a.rows + b.rows,
    blank: a.blank + b.blank,
    implicitMissing: a.implicitMissing + b.implicitMissing,
    lengthMin: least(a.lengthMin, b.lengthMin),
    lengthMax: most(a.lengthMax, b.lengthMax),
    textMin: least(a.textMin, b.textMin),
    textMax: most(a.textMax, b.textMax),
    numbers: a.numbers + b.numbers,
    min: least(a.min, b.min),
    max: most(a.max, b.max),
    sumMillionths: a.sumMillionths === null || b.sumMillionths === null ? null : a.sumMillionths + b.sumMillionths,
    buckets,
    typed: a.typed.map((count, index) => count + b.typed[index]),
    registers: mergeRegisters(a.registers, b.registers),
    values: mergeCounts(a.values, b.values, TOP_CAPACITY),
    shapes: mergeCounts(a.shapes, b.shapes, SHAPE_CAPACITY),
  };
}

/** The state after a further batch of cells. */
export function updateColumn(state: ColumnState, cells: readonly unknown[]): ColumnState {
  return mergeColumns(state, measureColumn(cells));
}

/** Share of the present rows that must fit a type, as in `summarizeColumn`. */
const TYPE_SHARE = 0.95;
const LISTED = 10;

/** Reads a state. No rows: completeness 1 (nothing is missing), type `string`, the rest `null` or empty. */
export function summarizeState(state: ColumnState): ColumnStateSummary {
  const present = state.rows - state.blank - state.implicitMissing;
  const type = state.typed.findIndex((rows) => present > 0 && rows >= TYPE_SHARE * present);
  const buckets = [...state.buckets].sort((a, b) => a[0] - b[0]);
  const quantile = (q: number): number | null => quantileOf(buckets, q);
  const canMean = state.numbers > 0 && state.sumMillionths !== null;
  return {
    rows: state.rows,
    completeness: state.rows === 0 ? 1 : present / state.rows,
    implicitMissing: state.implicitMissing,
    distinct: state.values.level === 0 ? state.values.counts.size : Math.round(estimateDistinct(state.registers)),
    inferredType: type < 0 ? 'string' : TYPE_TESTS[type][0],
    typedRows: type < 0 ? present : state.typed[type],
    lengthMin: state.lengthMin,
    lengthMax: state.lengthMax,
    min: state.min,
    max: state.max,
    mean: canMean ? Number(state.sumMillionths) / SUM_SCALE / state.numbers : null,
    quantiles: {
      p01: quantile(0.01),
      p25: quantile(0.25),
      p50: quantile(0.5),
      p75: quantile(0.75),
      p99: quantile(0.99),
    },
    topValues: mostFrequent(state.values).map(([value, rows]) => ({ value, rows })),
    topIsExact: state.values.level === 0,
    shapes: mostFrequent(state.shapes).map(([shape, rows]) => ({ shape, rows })),
  };
}

function mostFrequent({ counts }: BoundedCounts): [string, number][] {
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, LISTED);
}

const count = z.int().nonnegative();
const boundedCounts = z.object({ level: count, counts: z.array(z.tuple([z.string(), count])) });
const encoded = z.strictObject({
  version: z.literal(PROFILE_STATE_VERSION),
  rows: count,
  blank: count,
  implicitMissing: count,
  lengthMin: count.nullable(),
  lengthMax: count.nullable(),
  textMin: z.string().nullable(),
  textMax: z.string().nullable(),
  numbers: count,
  min: z.number().nullable(),
  max: z.number().nullable(),
  sumMillionths: z
    .string()
    .regex(/^-?\d+$/)
    .nullable(),
  buckets: z.array(z.tuple([z.int(), count])),
  typed: z.array(count).length(TYPE_TESTS.length),
  registers: z
    .string()
    .regex(/^[0-9a-x]*$/)
    .length(emptyRegisters().length),
  values: boundedCounts,
  shapes: boundedCounts,
});

/** The state as JSON text; equal states have equal text. At most about 200 KB. */
export function encodeColumnState(state: ColumnState): string {
  const entries = ({ level, counts }: BoundedCounts): z.infer<typeof boundedCounts> => ({
    level,
    counts: [...counts].sort((a, b) => (a[0] < b[0] ? -1 : 1)),
  });
  const plain: z.infer<typeof encoded> = {
    version: PROFILE_STATE_VERSION,
    // The empty state decides the order of the keys, so that equal states have equal text.
    ...emptyColumn(),
    ...state,
    sumMillionths: state.sumMillionths === null ? null : String(state.sumMillionths),
    buckets: [...state.buckets].sort((a, b) => a[0] - b[0]),
    typed: [...state.typed],
    // A rank is at most 33: one base-36 digit each.
    registers: Array.from(state.registers, (rank) => rank.toString(36)).join(''),
    values: entries(state.values),
    shapes: entries(state.shapes),
  };
  return JSON.stringify(plain);
}

/**
 * Reads back what `encodeColumnState` wrote.
 *
 * @throws BalanceError `CorruptState` for anything else
 */
export function decodeColumnState(text: string): ColumnState {
  const plain = parseState(encoded, text, {
    message: 'the column state cannot be read',
    expected: `text of a column state of version ${PROFILE_STATE_VERSION}`,
  });
  const bounded = ({ level, counts }: z.infer<typeof boundedCounts>): BoundedCounts => ({
    level,
    counts: new Map(counts),
  });
  return {
    rows: plain.rows,
    blank: plain.blank,
    implicitMissing: plain.implicitMissing,
    lengthMin: plain.lengthMin,
    lengthMax: plain.lengthMax,
    textMin: plain.textMin,
    textMax: plain.textMax,
    numbers: plain.numbers,
    min: plain.min,
    max: plain.max,
    typed: plain.typed,
    sumMillionths: plain.sumMillionths === null ? null : BigInt(plain.sumMillionths),
    buckets: new Map(plain.buckets),
    registers: Uint8Array.from(plain.registers, (digit) => parseInt(digit, 36)),
    values: bounded(plain.values),
    shapes: bounded(plain.shapes),
  };
}
