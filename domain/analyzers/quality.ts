/** Quality analyzer: what the profile of a dataset says of the columns that a need reads, beyond what is NULL. */
import type { ProfiledColumn } from '../quality/dataset-profile.js';
import type { Analyzer, AnalyzerOutcome, DatasetView, Finding, NeedScore, NeedView } from './analyzer.js';
import { HIDDEN_SHARE_MIN, judgeTexts, judgeVectors } from './contents.js';
import { about } from './requirement.js';

/**
 * Share of rows whose value is there in fact. Blank texts are missing; a spelled-out null (`N/A`, 999 is none) is missing
 * among numbers, dates and times, and may be a value among texts ("None" damaged).
 */
export function presentShare({ rows, blank, implicitMissing, inferredType }: ProfiledColumn): number {
  if (rows === 0) return 1;
  return 1 - (blank + (inferredType === 'string' ? 0 : implicitMissing)) / rows;
}

function judgeColumn(need: NeedView, dataset: DatasetView, column: string, profiled: ProfiledColumn): Finding | null {
  const stated = Object.hasOwn(dataset.completeness, column) ? dataset.completeness[column] : 1;
  const present = presentShare(profiled);
  const hidden = stated - present;
  if (hidden < HIDDEN_SHARE_MIN) return null;
  const floor = need.minCompleteness;
  const blocks = floor !== null && present < floor;
  const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;
  return {
    ...about(need),
    kind: 'hidden-missing',
    column,
    severity: blocks ? (floor - present) / floor : hidden,
    blocking: blocks,
    message: `${percent(hidden)} of ${column} of ${need.dataset} is blank or spells a missing value, though it is not NULL`,
    expected: blocks ? `at least ${percent(floor)} present` : 'missing values that are NULL',
    got: `${percent(present)} present of ${profiled.rows} rows`,
  };
}

/**
 * Values that are missing in spelling only, and the score `quality`: over the columns that the need reads, the mean of
 * the share of values that are there and fit the type that nearly all of them have.
 *
 * It speaks of all rows of the dataset, whatever the need's own predicate. A dataset without a profile is not judged.
 */
export const qualityAnalyzer: Analyzer = {
  id: 'quality',
  version: 3,
  analyze(snapshot): AnalyzerOutcome {
    const datasets = new Map(snapshot.datasets.map((dataset) => [dataset.id, dataset]));
    const findings: Finding[] = [];
    const scores: NeedScore[] = [];
    for (const need of snapshot.needs) {
      const dataset = datasets.get(need.dataset);
      const columns = dataset?.profile?.columns ?? {};
      const reads = [...new Set([...need.fields, ...(need.classColumn === null ? [] : [need.classColumn])])];
      for (const name of [...reads].sort()) {
        const { vectors = {}, texts = {} } = dataset?.profile ?? {};
        if (Object.hasOwn(vectors, name)) findings.push(...judgeVectors(need, name, vectors[name]));
        if (Object.hasOwn(texts, name)) findings.push(...judgeTexts(need, name, texts[name]));
      }
      const known = reads.filter((name) => Object.hasOwn(columns, name)).sort();
      if (dataset === undefined || known.length === 0) continue;
      for (const name of known) {
        const finding = judgeColumn(need, dataset, name, columns[name]);
        if (finding !== null) findings.push(finding);
      }
      const sum = known.reduce((total, name) => total + presentShare(columns[name]) * columns[name].typed, 0);
      scores.push({ needId: need.id, dimension: 'quality', score: sum / known.length });
    }
    return { ok: true, findings, scores };
  },
};
