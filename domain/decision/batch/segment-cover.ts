/** Which rows a draw takes first, so that no segment that its need declares is left short while rows of it are there. */
import { segmentTables } from '../../analyzers/coverage.js';
import { countOf, sortedKeys } from '../../analyzers/balance.js';
import type { SegmentCounts } from '../../analyzers/analyzer.js';
import type { ItemFacts, WorkItem } from '../work.js';

/**
 * An order of the rows that match. Of each segment (rows with the same values of a list of columns) the first `rows` by hash
 * come before all others: of the segments of one column first, then of two, then of three; within those each segment has its
 * turn, so that few rows are parted evenly. The rest follows by hash. So a draw is the beginning of a longer one, and a draw
 * that a plain hash would have taken rows enough of each segment for is the same set of rows.
 */
export interface SegmentCover {
  /** Rows of each segment that come first; all where there are fewer. */
  readonly rows: number;
  /** The lists of columns. */
  readonly segments: readonly (readonly string[])[];
}

interface ChosenCover {
  readonly cover: SegmentCover;
  /** What each segment has for sure, and what it lacks. */
  readonly reason: string;
}

/** Segments named in a reason; the finding `coverage` has them all. */
const NAMED_MAX = 5;

/**
 * How so many rows of an item are drawn; null: as ever, since it declares no segments, they were not counted or are too many,
 * or every row that matches is handed out.
 *
 * @param byClass whether the draw keeps a mix of classes: then each class has its quota, and the order holds within it
 */
export function segmentCover(
  item: Pick<WorkItem, 'segments' | 'segmentRows' | 'window'>,
  facts: Pick<ItemFacts, 'rows' | 'segments'>,
  granted: number,
  byClass: boolean,
): ChosenCover | null {
  const { segments, segmentRows: rows } = item;
  if (segments === undefined || rows === undefined || item.window != null || facts.segments == null) return null;
  if (granted <= 0 || granted >= facts.rows) return null;
  const tables = segmentTables(segments, facts.segments).filter(({ counts }) => Object.keys(counts).length > 0);
  if (tables.length === 0) return null;
  const cover = { rows, segments: tables.map(({ columns }) => columns) };
  const sure = sureRows(tables, rows, granted);
  const told = tables.map(({ columns }, at) => `${columns.join(' x ')} ${sure[at]}`);
  const all = sure.every((each) => each === rows);
  const least = all
    ? `each segment of ${cover.segments.map((columns) => columns.join(' x ')).join(', ')} gets at least ${rows} rows`
    : `each segment gets at least: ${told.join(', ')} rows (${granted} rows do not hold ${rows} of each)`;
  const within = byClass ? '; the class target comes first, this within its quotas' : '';
  return { cover, reason: `${least}, or all that match${thinnest(tables, rows)}${within}` };
}

/**
 * Rows that every segment of a table has for sure, or all of it where it has fewer. One row has its turn for each of its
 * segments, so the rows that come before a turn is over are at most the sum over the segments of the rows that they had by then.
 */
export function sureRows(tables: readonly SegmentCounts[], rows: number, granted: number): number[] {
  const takenBy = (columns: number, turns: number): number =>
    tables
      .filter((table) => table.columns.length === columns)
      .flatMap(({ counts }) => Object.values(counts))
      .reduce((sum, count) => sum + Math.min(turns, count), 0);
  let left = granted;
  const sure = new Map<number, number>();
  for (const columns of new Set(tables.map((table) => table.columns.length))) {
    let turns = 0;
    while (turns < rows && takenBy(columns, turns + 1) <= left) turns++;
    sure.set(columns, turns);
    left = Math.max(0, left - takenBy(columns, rows));
  }
  return tables.map((table) => sure.get(table.columns.length)!);
}

/** The segments of which too few rows match, those of fewer columns first. */
function thinnest(tables: readonly SegmentCounts[], rows: number): string {
  const thin = tables.flatMap(({ counts }) =>
    sortedKeys(counts).flatMap((name) => {
      const there = countOf(counts, name);
      return there < rows ? [`${name} has ${there}, lacks ${rows - there}`] : [];
    }),
  );
  if (thin.length === 0) return '';
  return `; too few match: ${thin.slice(0, NAMED_MAX).join('; ')}${thin.length > NAMED_MAX ? `; and ${thin.length - NAMED_MAX} more` : ''}`;
}
