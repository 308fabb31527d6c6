/** How much of a slice is at fault in what a correction would mend. */
import type { Correction } from '../../quality/correction.js';
import type { SliceMetrics } from './quality-inputs.js';

/** Share of rows or cells at fault: of the worst column, since the same rows may be bad in several. */
export function faultShare(what: AtFault, slice: SliceMetrics): number {
  return Math.max(0, ...faultShares(what, slice));
}
type AtFault = Pick<Correction, 'issue' | 'columns' | 'rules'>;

/** The share of each column or rule at fault. */
export function faultShares({ issue, columns, rules = [] }: AtFault, slice: SliceMetrics): number[] {
  if (issue === 'rule') return rules.map((rule) => slice.ruleBreaches?.[rule] ?? 0);
  if (issue === 'duplicates') return [slice.duplicateRows / Math.max(1, slice.rows)];
  if (issue === 'class-mix' || issue === 'drift') return [];
  return columns.map((column) =>
    issue === 'missing'
      ? 1 - (slice.completeness[column] ?? 1)
      : (slice.invalid[column] ?? 0) * (slice.completeness[column] ?? 1),
  );
}
