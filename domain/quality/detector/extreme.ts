/**
 * Numbers and dates that lie apart from their column: slips of the decimal point or the sign, and sentinels that stand
 * for a missing value (-1, 999, 1900-01-01).
 *
 * A tail is apart when its nearest value is at least twice as far from the median as the farthest value on this side
 * that is not in the tail, on the plain scale and, for positive numbers, on the logarithmic one too: the largest of n
 * exponential values does that with a chance of about 1/n, a heavier tail is exponential on the logarithmic scale.
 */
import { isBlank, isMissingSpelling, type CellColumn } from '../cell-table.js';
import type { Signal } from './signal.js';

/** Rows that a column needs for its own limits to be known. */
const MIN_ROWS = 30;
/** The share of present rows that must be numbers (or dates); the others may be errors themselves. */
const TYPE_SHARE = 0.9;
/** Values that lie apart are few: more rows are a second population. */
const MAX_SHARE = 0.05;
/** How many times as far as the rest a value lies: any, and one that is customary for "missing". */
const APART = 2;
const APART_SENTINEL = 1.3;
const SCORE = 0.75;
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** Whole numbers that people and programs write for "missing". */
const SENTINEL = /^(?:0|-1|-?9{2,}|-?8{3,})(?:\.0+)?$/;

/** Sentinels that are no count, no size and no usual way to say "none". */
const NINES = /^(?:-9{2,}|9{3,})(?:\.0+)?$/;
/** They stay a minority. */
const NINES_SHARE = 1 / 3;

/** A value of the column on a line, with the codes that are written so. */
interface Point {
  readonly at: number;
  readonly isSentinel: boolean;
  readonly codes: number[];
  rows: number;
}

/** One signal for each cell that lies apart. `read` places a value on a line: dates come as days, for example. */
export function extremeSignals(column: CellColumn, index: number, read?: (text: string) => number): Signal[] {
  const points = pointsOf(column, read);
  if (points === undefined) return [];
  const found = new Map<number, Point>();
  const isNines = (code: number): boolean => read === undefined && NINES.test(column.values[code].trim());
  const sized = read === undefined ? withoutZeros(points) : points;
  for (const side of [1, -1] as const) {
    for (const point of apart(sized, side, read === undefined, isNines))
      for (const code of point.codes) found.set(code, point);
  }
  if (read === undefined) {
    for (const point of negatives(points)) for (const code of point.codes) found.set(code, point);
  }
  if (found.size === 0) return [];
  const rest = points.filter((point) => !found.has(point.codes[0]));
  const usual = [rest[0], rest[rest.length - 1]].map((point) => column.values[point.codes[0]]);
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const point = found.get(code);
    if (point === undefined) return;
    const kind = point.isSentinel ? 'implicit-missing' : 'outlier';
    const evidence = `lies far outside of all others, ${usual.join(' to ')}`;
    signals.push({ row, column: index, kind, score: SCORE, evidence });
  });
  return signals;
}

/** The column's values in ascending order; `undefined` if they are too few or not of one kind. */
function pointsOf(column: CellColumn, read?: (text: string) => number): Point[] | undefined {
  const byPlace = new Map<number, Point>();
  let present = 0;
  let placed = 0;
  let isCode = false;
  column.values.forEach((text, code) => {
    const rows = column.counts[code];
    if (rows === 0 || isBlank(text) || isMissingSpelling(text)) return;
    present += rows;
    const trimmed = text.trim();
    const at = read === undefined ? (NUMBER.test(trimmed) ? Number(trimmed) : NaN) : read(trimmed);
    if (!Number.isFinite(at)) return;
    placed += rows;
    // Leading zeros belong to codes, which have no size.
    isCode ||= read === undefined && /^0\d/.test(trimmed);
    const isSentinel = read === undefined ? SENTINEL.test(trimmed) : isSentinelDay(at);
    const point = byPlace.get(at) ?? { at, isSentinel, codes: [], rows: 0 };
    point.codes.push(code);
    point.rows += rows;
    byPlace.set(at, point);
  });
  if (isCode || placed < MIN_ROWS || placed < TYPE_SHARE * present) return undefined;
  return [...byPlace.values()].sort((a, b) => a.at - b.at);
}

/** A column in which zero means "none" on many rows: its sizes are those of the other rows. */
const ZERO_SHARE = 0.25;

function withoutZeros(points: readonly Point[]): readonly Point[] {
  const zero = points.find(({ at }) => at === 0);
  return (zero?.rows ?? 0) > ZERO_SHARE * rowsOf(points) ? points.filter((point) => point !== zero) : points;
}

function rowsOf(points: readonly Point[]): number {
  return points.reduce((sum, { rows }) => sum + rows, 0);
}

const DAY_MS = 86_400_000;
/** First days of calendars and clocks, and the last day that fits four digits. */
const SENTINEL_DAYS: ReadonlySet<number> = new Set(
  [Date.UTC(1900, 0, 1), Date.UTC(1970, 0, 1), Date.UTC(1899, 11, 30), Date.UTC(9999, 11, 31)].map((ms) => ms / DAY_MS),
);

function isSentinelDay(day: number): boolean {
  return SENTINEL_DAYS.has(Math.floor(day));
}

/** The tail of one side that lies apart from the rest; empty if none does. */
function apart(points: readonly Point[], side: 1 | -1, isNumber: boolean, isNines: (code: number) => boolean): Point[] {
  const ordered = side === 1 ? points : [...points].reverse();
  const total = rowsOf(points);
  if (total < MIN_ROWS) return [];
  const positive = ordered.filter(({ at }) => at > 0);
  const hasLog = isNumber && positive.length * 2 >= ordered.length;
  const middle = medianOf(points);
  const logMiddle = hasLog ? Math.log(medianOf(side === 1 ? positive : [...positive].reverse())) : 0;
  let tailRows = 0;
  let cut = ordered.length;
  for (let at = ordered.length - 1; at > 0; at--) {
    tailRows += ordered[at].rows;
    // A run of nines below or above all others is a code for "missing" however many rows have it.
    const isCode = ordered.slice(at).every(({ codes }) => codes.every((code) => isNines(code)));
    if (tailRows > (isCode ? NINES_SHARE : MAX_SHARE) * total) break;
    const [near, far] = [ordered[at - 1].at, ordered[at].at];
    const factor = ordered.slice(at).every(({ isSentinel }) => isSentinel) ? APART_SENTINEL : APART;
    const plain = (far - middle) * side >= factor * (near - middle) * side && (near - middle) * side > 0;
    if (!plain) continue;
    if (hasLog && far > 0 && near > 0) {
      const [nearLog, farLog] = [Math.abs(Math.log(near) - logMiddle), Math.abs(Math.log(far) - logMiddle)];
      if (farLog < factor * nearLog) continue;
    }
    cut = at;
  }
  return ordered.slice(cut);
}

function medianOf(points: readonly Point[]): number {
  const total = rowsOf(points);
  let below = 0;
  return points.find((point) => (below += point.rows) * 2 >= total)?.at ?? NaN;
}

/**
 * Negative values in a column that otherwise has none: a sign that slipped, or a sentinel. A quantity that passes zero
 * by itself has its negative values near zero; those of slipped signs are as large as the others.
 */
function negatives(points: readonly Point[]): Point[] {
  const total = rowsOf(points);
  const below = points.filter(({ at }) => at < 0);
  const rows = rowsOf(below);
  if (rows === 0 || rows > MAX_SHARE * total) return [];
  const positive = points.filter(({ at }) => at > 0);
  const sizes = [...below].reverse().map((point) => ({ ...point, at: -point.at }));
  const sentinels = below.filter(({ isSentinel }) => isSentinel);
  const others = sizes.filter(({ isSentinel }) => !isSentinel);
  if (others.length === 0) return sentinels.length === below.length ? sentinels : [];
  return medianOf(others) >= quantileOf(positive, 0.25) ? below : [];
}

function quantileOf(points: readonly Point[], share: number): number {
  const total = rowsOf(points);
  let below = 0;
  return points.find((point) => (below += point.rows) >= share * total)?.at ?? NaN;
}
