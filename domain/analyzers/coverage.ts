/** Coverage analyzer: has every segment, and every combination that is counted, enough rows to learn from? */
import type {
  Analyzer,
  AnalyzerOutcome,
  Finding,
  NeedScore,
  NeedView,
  SegmentCell,
  SegmentCounts,
} from './analyzer.js';
import { countOf, sortedKeys } from './balance.js';
import { about } from './requirement.js';

/** Rows that make a segment covered: at 30 the mean of a measure is known to a fifth of its deviation. */
export const SEGMENT_ROWS_MIN = 30;
/** Segment tables with more columns than this are left out: their cells multiply, their rows do not. */
export const INTERACTION_MAX = 3;
/** A table of more segments than this is left out: it says that there are too many, not which are thin. */
export const SEGMENTS_MAX = 1_000;
/** At most this many segments are named in a message; the record `shortfall` has them all. */
const LISTED_SEGMENTS = 5;

/**
 * The tables of every column and every combination of up to `INTERACTION_MAX`, from counts over all of them. A combination of
 * values that each occur but never together has no row, and is a segment all the same.
 */
export function segmentTables(columns: readonly string[], cells: readonly SegmentCell[]): SegmentCounts[] {
  const distinct = columns.map((_, at) => [...new Set(cells.map(({ values }) => values[at]))].sort());
  return subsets(columns.length)
    .filter((chosen) => chosen.reduce((size, at) => size * distinct[at].length, 1) <= SEGMENTS_MAX)
    .map((chosen) => {
      const counts = new Map(
        chosen
          .reduce<string[][]>(
            (tuples, at) => tuples.flatMap((tuple) => distinct[at].map((value) => [...tuple, value])),
            [[]],
          )
          .map((tuple) => [tuple.join(SEPARATOR), 0]),
      );
      for (const { values, rows } of cells) {
        const name = chosen.map((at) => values[at]).join(SEPARATOR);
        counts.set(name, (counts.get(name) ?? 0) + rows);
      }
      return { columns: chosen.map((at) => columns[at]), counts: Object.fromEntries(counts) };
    });
}

/** Stands between the values of an interaction. */
const SEPARATOR = ' | ';

/** Sets of 1 to `INTERACTION_MAX` of the indices below `size`, in order. */
function subsets(size: number): number[][] {
  const all = Array.from({ length: 2 ** size - 1 }, (_, mask) =>
    Array.from({ length: size }, (__, at) => at).filter((at) => ((mask + 1) >> at) & 1),
  );
  return all
    .filter(({ length }) => length <= INTERACTION_MAX)
    .sort((a, b) => a.length - b.length || (a.join() < b.join() ? -1 : 1));
}

function judgeSegments(need: NeedView, { columns, counts }: SegmentCounts): Finding | null {
  const short = sortedKeys(counts).filter((segment) => countOf(counts, segment) < SEGMENT_ROWS_MIN);
  if (short.length === 0) return null;
  const name = columns.join(' x ');
  const cells = Object.keys(counts).length;
  const shortfall = Object.fromEntries(short.map((segment) => [segment, SEGMENT_ROWS_MIN - countOf(counts, segment)]));
  const shown = short.slice(0, LISTED_SEGMENTS).join(', ') + (short.length > LISTED_SEGMENTS ? ', …' : '');
  return {
    ...about(need),
    kind: 'coverage',
    column: name,
    severity: short.length / cells,
    blocking: true,
    message: `${short.length} of ${cells} segments of ${name} have too few rows for ${need.id}: ${shown}`,
    expected: `at least ${SEGMENT_ROWS_MIN} rows in each`,
    got: `${cells - short.length} of ${cells} covered`,
    shortfall,
  };
}

/**
 * Coverage = covered segments / known segments, for each segment table of each need up to `INTERACTION_MAX` columns.
 * A need without segment tables gives nothing; the worst table is its score.
 */
export const coverageAnalyzer: Analyzer = {
  id: 'coverage',
  version: 2,
  analyze(snapshot): AnalyzerOutcome {
    const findings: Finding[] = [];
    const scores: NeedScore[] = [];
    const measurements = new Map(snapshot.measurements.map((entry) => [entry.needId, entry]));
    for (const need of snapshot.needs) {
      const tables = (measurements.get(need.id)?.segments ?? []).filter(
        ({ columns, counts }) => columns.length <= INTERACTION_MAX && Object.keys(counts).length > 0,
      );
      if (tables.length === 0) continue;
      const found = tables.map((table) => judgeSegments(need, table)).filter((finding) => finding !== null);
      findings.push(...found);
      const worst = found.reduce((most, finding) => Math.max(most, finding.severity), 0);
      scores.push({ needId: need.id, dimension: 'coverage', score: 1 - worst });
    }
    return { ok: true, findings, scores };
  },
};
