/** Requirement analyzer: volume now and next, freshness and completeness of each need against what matches it. */
import type {
  AnalysisSnapshot,
  Analyzer,
  AnalyzerOutcome,
  Finding,
  NeedMeasurement,
  NeedScore,
  NeedView,
} from './analyzer.js';
import { formatAge } from '../types/units.js';
import { countOf } from './balance.js';

type Judged = { readonly finding: Finding | null; readonly score: NeedScore };

function clamp01(value: number): number {
  return Math.min(1, Math.max(0, value));
}

/** The part of every finding that names the need. */
export function about(need: NeedView): Pick<Finding, 'needId' | 'model' | 'dataset'> {
  return { needId: need.id, model: need.model, dataset: need.dataset };
}

/** Severity = rows missing / rows wanted. A need without a row count is met by any rows. */
function judgeVolume(need: NeedView, rowsAvailable: number): Judged {
  const missing = Math.max(0, Math.max(need.rowsPerCycle, 1) - rowsAvailable);
  const severity = clamp01(missing / Math.max(need.rowsPerCycle, 1));
  const finding: Finding | null =
    missing === 0
      ? null
      : {
          ...about(need),
          kind: 'volume',
          severity,
          blocking: true,
          message: `${need.id} misses ${missing} of ${Math.max(need.rowsPerCycle, 1)} rows`,
          expected: `${Math.max(need.rowsPerCycle, 1)} rows`,
          got: `${rowsAvailable} rows`,
          shortfall: { '*': missing },
        };
  return { finding, score: { needId: need.id, dimension: 'volume', score: 1 - severity } };
}

/**
 * What will be there against what will be asked; only where today's need is met. A shortage that is more likely than not
 * blocks, so that it ranks and is asked for before it comes.
 */
function judgeFuture(need: NeedView, rowsAvailable: number, snapshot: AnalysisSnapshot): Finding | null {
  const forecast = snapshot.forecasts?.find((candidate) => candidate.needId === need.id);
  if (forecast === undefined || rowsAvailable < need.rowsPerCycle) return null;
  const { rowsMedian, rowsHigh, byMs, available } = forecast;
  const there = available ?? { low: rowsAvailable, median: rowsAvailable, high: rowsAvailable };
  const most = Math.ceil(rowsHigh - there.low);
  if (most <= 0) return null;
  const likely = there.median < rowsMedian;
  const missing = likely ? Math.ceil(rowsMedian - there.median) : most;
  const least = Math.max(0, Math.ceil(rowsMedian - there.high));
  const when = byMs === undefined ? 'in the next cycle' : `by ${new Date(byMs).toISOString()}`;
  return {
    ...about(need),
    kind: 'future-volume',
    severity: clamp01(missing / rowsHigh),
    blocking: likely,
    message: `${need.id} ${likely ? 'will probably' : 'may'} miss ${missing} rows ${when} (${least} to ${most})`,
    expected: `${Math.ceil(rowsMedian)} rows forecast, ${Math.ceil(rowsHigh)} at the upper bound`,
    got: `${rowsAvailable} rows now, ${Math.floor(there.low)} to ${Math.floor(there.high)} then`,
    shortfall: { '*': missing },
  };
}

/**
 * Timeliness = max(0, 1 - age/maxAge) is the score (Ballou et al. 1998, Management Science 44:462, with s = 1);
 * a finding is made only past maxAge, with severity 1 - maxAge/age: twice the age is half lost.
 */
function judgeFreshness(need: NeedView, measured: NeedMeasurement, asOfMs: number): Judged | null {
  if (need.maxAgeMs === null || measured.rowsAvailable === 0) return null;
  const ageMs = measured.newestEventMs === null ? null : Math.max(0, asOfMs - measured.newestEventMs);
  const score = ageMs === null ? 0 : clamp01(1 - ageMs / Math.max(need.maxAgeMs, 1));
  const late = ageMs === null || ageMs > need.maxAgeMs;
  const finding: Finding | null = late
    ? {
        ...about(need),
        kind: 'freshness',
        severity: ageMs === null ? 1 : 1 - need.maxAgeMs / ageMs,
        blocking: true,
        message: ageMs === null ? `the age of ${need.id} is not known` : `the newest row of ${need.id} is too old`,
        expected: `newest row at most ${formatAge(need.maxAgeMs)} old`,
        got: ageMs === null ? 'no event time' : `${formatAge(ageMs)} old`,
      }
    : null;
  return { finding, score: { needId: need.id, dimension: 'freshness', score } };
}

/** Severity = untimed rows / rows of the dataset. Nothing but a repair at the source brings these rows to the model. */
function judgeUntimed(
  need: NeedView,
  { untimedRows = 0 }: NeedMeasurement,
  snapshot: AnalysisSnapshot,
): Finding | null {
  if (untimedRows === 0) return null;
  const rows = snapshot.datasets.find(({ id }) => id === need.dataset)?.rows ?? untimedRows;
  return {
    ...about(need),
    kind: 'untimed',
    severity: clamp01(untimedRows / Math.max(rows, untimedRows)),
    blocking: false,
    message: `${untimedRows} rows for ${need.id} have no event time that can be read: they are in no window and are not handed out`,
    expected: 'an event time in every row',
    got: `${untimedRows} of ${rows} rows without one`,
    shortfall: { '*': untimedRows },
  };
}

/** The worst field decides. Severity = missing share above the tolerance / share that must be present. */
function judgeCompleteness(need: NeedView, measured: NeedMeasurement): Judged | null {
  if (need.minCompleteness === null || need.fields.length === 0 || measured.rowsAvailable === 0) return null;
  const floor = need.minCompleteness;
  const worst = need.fields
    .map((field) => ({ field, present: clamp01(countOf(measured.completeness, field)) }))
    .reduce((a, b) => (b.present < a.present || (b.present === a.present && b.field < a.field) ? b : a));
  const finding: Finding | null =
    worst.present < floor
      ? {
          ...about(need),
          kind: 'completeness',
          column: worst.field,
          severity: clamp01((floor - worst.present) / floor),
          blocking: true,
          message: `${worst.field} has too many missing values for ${need.id}`,
          expected: `at least ${floor} present`,
          got: `${worst.present}`,
          shortfall: { '*': Math.ceil((floor - worst.present) * measured.rowsAvailable) },
        }
      : null;
  return { finding, score: { needId: need.id, dimension: 'completeness', score: worst.present } };
}

function judgeNeed(need: NeedView, measured: NeedMeasurement, snapshot: AnalysisSnapshot): Judged[] {
  return [
    judgeVolume(need, measured.rowsAvailable),
    judgeFreshness(need, measured, snapshot.asOfMs),
    judgeCompleteness(need, measured),
  ].filter((judged) => judged !== null);
}

/**
 * Each need against its measurement.
 *
 * Degenerate cases: a need without a measurement gives one blocking `unmeasured` finding of severity 1; a need
 * without matching rows gives `volume` alone, since age and completeness of nothing say nothing.
 */
export const requirementAnalyzer: Analyzer = {
  id: 'requirement',
  version: 3,
  analyze(snapshot): AnalyzerOutcome {
    const findings: Finding[] = [];
    const scores: NeedScore[] = [];
    const measurements = new Map(snapshot.measurements.map((entry) => [entry.needId, entry]));
    for (const need of snapshot.needs) {
      const measured = measurements.get(need.id);
      if (measured === undefined) {
        findings.push({
          ...about(need),
          kind: 'unmeasured',
          severity: 1,
          blocking: true,
          message: `${need.dataset} could not be measured for ${need.id}`,
          expected: 'a measurement of the matching rows',
          got: 'none',
        });
        continue;
      }
      for (const { finding, score } of judgeNeed(need, measured, snapshot)) {
        if (finding !== null) findings.push(finding);
        scores.push(score);
      }
      const others = [judgeFuture(need, measured.rowsAvailable, snapshot), judgeUntimed(need, measured, snapshot)];
      findings.push(...others.filter((finding) => finding !== null));
    }
    return { ok: true, findings, scores };
  },
};
