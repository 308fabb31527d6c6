/** A correction in words. */
import { imputedColumn, repairedColumn, WEIGHT_COLUMN } from '../../quality/correction.js';
import type { CorrectionRecord } from './quality-inputs.js';

/** A sentence for the delivery's report. */
export function describeCorrection(record: CorrectionRecord): string {
  const { action, columns, rules, applied, effect, reason } = record;
  const where = columns.length > 0 ? ` of ${columns.join(', ')}` : rules === undefined ? '' : ` ${rules.join('; ')}`;
  if (!applied) return `${action}${where} was ${record.verdict === 'failed' ? 'not done' : 'rolled back'}: ${reason}`;
  if (action === 'drop-rows')
    return `dropped ${droppedRows(effect!.rows)} rows (${record.issue}${where})${replacedRows(effect!.rows)}`;
  if (action === 'impute')
    return `imputed ${effect!.changedCells} cells${where}, flagged in ${columns.map(imputedColumn).join(', ')}`;
  if (action === 'repair')
    return `repaired ${effect!.changedCells} cells${where}, flagged in ${columns.map(repairedColumn).join(', ')}`;
  return `rows weighted by ${columns.join(', ')} in ${WEIGHT_COLUMN}`;
}

type Rows = NonNullable<CorrectionRecord['effect']>['rows'];
const droppedRows = ({ before, after, replaced = 0 }: Rows): number => before - after + replaced;
function replacedRows({ before, after, replaced, why = null }: Rows): string {
  if (replaced === undefined) return '';
  const missing = why === null ? '' : `${replaced > 0 ? ', ' : '; '}${before - after} missing: ${why}`;
  return `${replaced > 0 ? `, ${replaced} of them replaced by further rows of the draw` : ''}${missing}`;
}
