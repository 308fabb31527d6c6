/** What was done about a delivery at fault, in a line of a table each. */
import type { Cost, ForeseenCost, ForeseenGain } from '../domain/decision/quality/correction-cost.js';
import { correctionsOf } from '../domain/decision/quality/correct.js';
import type { CorrectionRecord, PredictedEffect, ReadCost } from '../domain/decision/quality/quality-inputs.js';
import { formatBytes, formatDuration } from '../domain/types/units.js';
import type { DeliveryReport } from '../interfaces/model/client.js';

export const CORRECTION_HEADER = [
  ...[
    'NEED',
    'ACTION',
    'ISSUE',
    'CHANGE',
    'EXPECTED',
    'ROWS',
    'EXPECTED',
    'NEWEST',
    'EXPECTED',
    'COST',
    'EXPECTED',
    'VERDICT',
    'WHY',
  ],
];

/** The corrections of a delivery's file, and where it was read instead; changes are shares of rows that came nearer to what the model had in good order. */
export function correctionRows(of: string, report: unknown): string[][] {
  const { routed, ...done } = (report ?? {}) as Partial<
    Pick<DeliveryReport, 'correction' | 'furtherCorrections' | 'routed'>
  >;
  const rows: string[][] = [];
  for (const correction of correctionsOf(done)) {
    const { action, issue, columns, predictedDelta, measuredDelta, standardError, verdict, reason } = correction;
    const { effect, predictedEffect, cost } = correction;
    const what = columns.length === 0 ? issue : `${issue} of ${columns.join(', ')}`;
    const change = measuredDelta === null ? '-' : `${measuredDelta.toFixed(3)} ± ${(standardError ?? 0).toFixed(3)}`;
    rows.push([
      ...[of, action, what, change, gainOf(predictedDelta, predictedEffect?.gain)],
      ...[rowsLeft(effect?.rows), predictedEffect === undefined ? '-' : range(predictedEffect.rows)],
      ...[effect?.ageMs === undefined ? '-' : formatDuration(effect.ageMs.after), ageOf(predictedEffect?.ageMs)],
      ...[tookOf(cost?.took), cost === undefined ? '-' : foreseenOf(cost.foreseen), verdict, reason],
    ]);
  }
  if (routed !== undefined) {
    const { kind, dataset, rows: count, cost, reason } = routed;
    const foreseen = cost === undefined ? '-' : readForeseen(cost.foreseen);
    rows.push([
      of,
      kind,
      dataset,
      '-',
      '-',
      String(count),
      '-',
      '-',
      '-',
      tookOf(cost?.took),
      foreseen,
      'keep',
      reason,
    ]);
  }
  return rows;
}

const rowsLeft = (rows?: NonNullable<CorrectionRecord['effect']>['rows']): string =>
  rows === undefined ? '-' : `${rows.after}${(rows.replaced ?? 0) > 0 ? `, ${rows.replaced} new` : ''}`;
const NO_HISTORY = 'no history yet';
const range = ({ least, most }: { readonly least: number; readonly most: number }): string =>
  least === most ? String(least) : `${least} to ${most}`;
/** What is expected, beside what earlier cases brought. */
function gainOf(predicted: number, gain: ForeseenGain | null | undefined): string {
  if (gain == null) return predicted.toFixed(3);
  const { delta, cases } = gain;
  const spread = delta.standardError === null ? '' : ` ± ${delta.standardError.toFixed(3)}`;
  return `${predicted.toFixed(3)} (${delta.mean.toFixed(3)}${spread}, ${cases} before)`;
}
const ageOf = (age: PredictedEffect['ageMs'] | undefined): string =>
  age == null ? '-' : `${formatDuration(age.least)}, ${(100 * age.chanceOlder).toFixed(0)} % older`;
const tookOf = (cost: Cost | null | undefined): string =>
  cost == null ? '-' : `${formatDuration(cost.ms)}, ${formatBytes(cost.bytes)}`;

function foreseenOf(foreseen: ForeseenCost | null): string {
  if (foreseen === null) return NO_HISTORY;
  const { ms, bytes, cases } = foreseen;
  const told = (value: typeof ms, format: (figure: number) => string): string =>
    `${format(value.mean)}${value.standardError === null ? '' : ` ± ${format(value.standardError)}`}`;
  return `${told(ms, formatDuration)}, ${told(bytes, formatBytes)} (${cases} before)`;
}

function readForeseen(foreseen: ReadCost['foreseen']): string {
  if (foreseen === null) return NO_HISTORY;
  return `${formatDuration(foreseen.ms)}, hardly over ${formatDuration(foreseen.msTail)}`;
}
