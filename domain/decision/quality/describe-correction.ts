/** A correction in words. */
import { imputedColumn, repairedColumn, WEIGHT_COLUMN } from '../../quality/correction.js';
import type { CorrectionRecord } from './quality-inputs.js';

/** A sentence for the delivery's report. */
export function describeCorrection(record: CorrectionRecord): string {
  const { action, columns, rules, applied, effect, reason } = record;
  const where = columns.length > 0 ? ` of ${columns.join(', ')}` : rules === undefined ? '' : ` ${rules.join('; ')}`;
  if (!applied) return `${action}${where} was ${record.verdict === 'failed' ? 'not done' : 'rolled back'}: ${reason}`;
  if (action === 'drop-rows')
    return `dropped ${effect!.rows.before - effect!.rows.after} rows (${record.issue}${where})`;
  if (action === 'impute')
    return `imputed ${effect!.changedCells} cells${where}, flagged in ${columns.map(imputedColumn).join(', ')}`;
  if (action === 'repair')
    return `repaired ${effect!.changedCells} cells${where}, flagged in ${columns.map(repairedColumn).join(', ')}`;
  return `rows weighted by ${columns.join(', ')} in ${WEIGHT_COLUMN}`;
}
