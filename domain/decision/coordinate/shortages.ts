/** What the analyze stage found missing, as each need is hit by it: rows that are not there, and rows that will be at fault in a draw to come. */
import type { AnalysisSnapshot, Finding, NeedMeasurement, NeedView } from '../../analyzers/analyzer.js';
import { totalOf } from '../../analyzers/balance.js';
import { presentShare } from '../../analyzers/quality.js';
import { drawnHits, exactly, jointHits, type Range } from '../../quality/impact.js';
import { CLASSES_MAX, type NeedEffect } from '../quality/need-effect.js';

/** Findings whose `shortfall` counts rows of each class or segment that are not there. */
const BY_CLASS = ['class-shortfall'];

/**
 * What a need will get in view of one finding.
 *
 * @returns null where the finding is not about its rows: a forecast, or a dataset that could not be measured
 */
export function foreseenEffect(finding: Finding, snapshot: AnalysisSnapshot): NeedEffect | null {
  const need = snapshot.needs.find(({ id }) => id === finding.needId);
  const measured = snapshot.measurements.find(({ needId }) => needId === finding.needId);
  if (need === undefined || measured === undefined) return null;
  const { rowsAvailable, newestEventMs } = measured;
  const wanted = need.rowsPerCycle > 0 ? need.rowsPerCycle : rowsAvailable;
  const rows = Math.min(wanted, rowsAvailable);
  const of = {
    rows: exactly(rows),
    ageMs: newestEventMs === null ? null : exactly(Math.max(0, snapshot.asOfMs - newestEventMs)),
    ...{ score: null, verdict: null },
  };
  const { shortfall = {} } = finding;
  switch (finding.kind) {
    case 'volume':
    case 'coverage':
    case 'class-shortfall': {
      // Rows of several segments may be the same: no more are lost than are wanted.
      const lost = exactly(finding.kind === 'volume' ? wanted - rows : Math.min(wanted, totalOf(shortfall)));
      const classes = BY_CLASS.includes(finding.kind) ? lostClasses(shortfall, measured) : null;
      return { ...of, lost, hit: exactly(0), classes };
    }
    case 'untimed':
      return { ...of, lost: exactly(totalOf(shortfall)), hit: exactly(0), classes: null };
    case 'freshness':
      return { ...of, lost: exactly(wanted - rows), hit: exactly(rows), classes: null };
    case 'hidden-missing': {
      const hit = hiddenHits(finding, need, measured, snapshot, rows);
      return hit === null ? null : { ...of, lost: exactly(wanted - rows), hit, classes: null };
    }
    default:
      return null;
  }
}

/** The classes of which rows are missing, most first. */
function lostClasses(shortfall: Readonly<Record<string, number>>, measured: NeedMeasurement): NeedEffect['classes'] {
  const names = Object.keys(shortfall).sort((a, b) => shortfall[b] - shortfall[a] || (a < b ? -1 : 1));
  const counts = measured.classCounts ?? {};
  return Object.fromEntries(
    names.slice(0, CLASSES_MAX).map((name) => [
      name,
      {
        rows: exactly(Object.hasOwn(counts, name) ? counts[name] : 0),
        ...{ hit: exactly(0), lost: exactly(shortfall[name]) },
      },
    ]),
  );
}

/** Of all rows of the dataset so many lack the value; the need draws from those that match it, of which its predicate may hold none or all. */
function hiddenHits(
  { column = '' }: Finding,
  need: NeedView,
  { rowsAvailable }: NeedMeasurement,
  snapshot: AnalysisSnapshot,
  drawn: number,
): Range | null {
  const columns = snapshot.datasets.find(({ id }) => id === need.dataset)?.profile?.columns ?? {};
  if (!Object.hasOwn(columns, column)) return null;
  const profiled = columns[column];
  const rows = Math.max(rowsAvailable, profiled.rows);
  const hit = Math.min(rows, Math.round((1 - presentShare(profiled)) * profiled.rows));
  const matching = jointHits(rows, exactly(hit), rowsAvailable);
  const [low, high] = [matching.low, matching.high].map((count) => drawnHits(rowsAvailable, count, drawn));
  return {
    low: low.low,
    expected: rowsAvailable === 0 ? 0 : (matching.expected * drawn) / rowsAvailable,
    high: high.high,
  };
}
