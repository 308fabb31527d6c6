/** Drift analyzer: the columns that a need reads against the data that its model was trained on. */
import type { PairedCounts } from '../quality/shift-tests.js';
import { detectDrift, type ColumnDrift, type PairedColumn } from '../quality/shift.js';
import type {
  Analyzer,
  AnalyzerOutcome,
  ClassCounts,
  DatasetView,
  Finding,
  NeedMeasurement,
  NeedScore,
  NeedView,
} from './analyzer.js';
import { countOf, sortedKeys, totalOf } from './balance.js';
import { about } from './requirement.js';

function pairedColumn(column: string, kind: 'number' | 'category', counts: PairedCounts): PairedColumn {
  return { column, kind, ...counts, missing: [0, 0], malformed: [0, 0] };
}

function pairedClasses(column: string, before: ClassCounts, after: ClassCounts): PairedColumn {
  const values = sortedKeys({ ...before, ...after });
  const reference = values.map((value) => countOf(before, value));
  const current = values.map((value) => countOf(after, value));
  return pairedColumn(column, 'category', { values, reference, current, present: [totalOf(before), totalOf(after)] });
}

/** A need's own classes against those of its reference: they count the rows that match it, the dataset's count all. */
function needClasses(need: NeedView, measured: NeedMeasurement | undefined): PairedColumn[] {
  const { classCounts, referenceClassCounts } = measured ?? {};
  if (need.classColumn === null || classCounts == null || referenceClassCounts === undefined) return [];
  return [pairedClasses(need.classColumn, referenceClassCounts, classCounts)];
}

/** The columns of a dataset that have a reference: class counts as categories, histograms as ordered bins. */
function referencedColumns(dataset: DatasetView): PairedColumn[] {
  const classes = sortedKeys(dataset.referenceClassCounts ?? {}).flatMap((column) =>
    Object.hasOwn(dataset.classCounts, column)
      ? [pairedClasses(column, dataset.referenceClassCounts![column], dataset.classCounts[column])]
      : [],
  );
  const histograms = sortedKeys(dataset.referenceHistograms ?? {}).flatMap((column) => {
    const [before, after] = [dataset.referenceHistograms![column], dataset.histograms?.[column]];
    // Counts over other edges say nothing about each other.
    const alike =
      after?.edges.length === before.edges.length && after.edges.every((edge, i) => edge === before.edges[i]);
    if (!alike || Object.hasOwn(dataset.referenceClassCounts ?? {}, column)) return [];
    const present = [before.counts, after.counts].map((counts) => counts.reduce((sum, count) => sum + count, 0));
    const values = before.counts.map((_, bin) => bin);
    const paired = {
      values,
      reference: before.counts,
      current: after.counts,
      present: [present[0], present[1]] as const,
    };
    return [pairedColumn(column, 'number', paired)];
  });
  return [...classes, ...histograms];
}

/**
 * Drift of the columns that each need reads (its fields and its class column). All datasets are judged together, so
 * that false alarms are bounded over the whole cycle. Severity is the effect of the test that speaks for the column,
 * less its noise floor; it does not block by itself: the model decides what drift costs it.
 *
 * Degenerate cases: a column without a reference, or with histograms over other edges, is not judged.
 */
export const driftAnalyzer: Analyzer = {
  id: 'drift',
  version: 2,
  analyze(snapshot): AnalyzerOutcome {
    const measurements = new Map(snapshot.measurements.map((entry) => [entry.needId, entry]));
    // A dataset and a need may have the same name: each kind has its own prefix.
    const judged = detectDrift(
      Object.fromEntries([
        ...snapshot.datasets.map((dataset) => [`dataset ${dataset.id}`, referencedColumns(dataset)] as const),
        ...snapshot.needs.map((need) => [`need ${need.id}`, needClasses(need, measurements.get(need.id))] as const),
      ]),
    );
    const columnsOf = (name: string): readonly ColumnDrift[] =>
      Object.hasOwn(judged, name) ? judged[name].columns : [];
    const findings: Finding[] = [];
    const scores: NeedScore[] = [];
    for (const need of snapshot.needs) {
      const reads = new Set([...need.fields, ...(need.classColumn === null ? [] : [need.classColumn])]);
      const own = columnsOf(`need ${need.id}`);
      const shared = columnsOf(`dataset ${need.dataset}`).filter(
        ({ column }) => reads.has(column) && !own.some((entry) => entry.column === column),
      );
      const columns = [...own, ...shared].filter(({ test }) => test !== 'none');
      if (columns.length === 0) continue;
      for (const column of columns.filter((entry) => entry.drift)) {
        findings.push({
          ...about(need),
          kind: 'drift',
          column: column.column,
          severity: Math.min(1, column.effect - column.floor),
          blocking: false,
          message: `${column.column} of ${need.dataset} is no longer what ${need.model} was trained on: ${column.reason}`,
          expected: `${column.test} effect near ${column.floor.toPrecision(3)}, what chance gives`,
          got: `${column.effect.toPrecision(3)}, adjusted p ${column.pAdjusted.toPrecision(2)}`,
        });
      }
      scores.push({
        needId: need.id,
        dimension: 'stability',
        score: 1 - columns.filter((entry) => entry.drift).length / columns.length,
      });
    }
    return { ok: true, findings, scores };
  },
};
