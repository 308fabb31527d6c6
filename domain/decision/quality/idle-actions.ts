/** Corrections that found nothing to do: what they were tried on, how long they rest for it, and how that is told. */
import type { Correction } from '../../quality/correction.js';
import { hashOf } from '../../quality/strategy-random.js';
import { restOf, type Attempt, type IdleAction } from '../../quality/strategy.js';
import type { CorrectionRecord, QualityInputs, SliceMetrics } from './quality-inputs.js';
import { faultShare } from './fault-share.js';

type Tried = Pick<Correction, 'action' | 'issue' | 'columns' | 'rules'>;

/** What a correction is tried on: its columns as they are declared, its rules, and how much of them is at fault. */
export function attemptOf(tried: Tried, dataset: string, slice: SliceMetrics, { datasets }: Datasets): Attempt {
  const { action, issue, columns, rules = [] } = tried;
  const { columns: known } = datasets[dataset];
  const declared = columns.map((name) => {
    const { type, unit, format, values } = Object.hasOwn(known, name) ? known[name] : {};
    return [type, unit, format, values];
  });
  const of = `${[...columns, ...rules].join(', ')} #${hashOf(JSON.stringify([columns, rules, declared])).toString(16)}`;
  return { issue: `${dataset}/${issue}`, action, of, fault: faultShare(tried, slice), rows: slice.rows };
}
type Datasets = Pick<QualityInputs, 'datasets'>;

/** The rest of a correction; null where it may be tried. */
export function idleRest(
  tried: Tried,
  dataset: string,
  slice: SliceMetrics,
  inputs: Datasets & Pick<QualityInputs, 'strategy' | 'nowMs' | 'asOfMs'>,
): IdleAction | null {
  return restOf(inputs.strategy!, attemptOf(tried, dataset, slice, inputs), inputs.nowMs ?? inputs.asOfMs);
}

/** Why nothing came of it, and when it is tried again. */
export function describeIdle(
  { action, columns, rules = [] }: Pick<CorrectionRecord, 'action' | 'columns' | 'rules'>,
  { restUntilMs }: Pick<IdleAction, 'restUntilMs'>,
): string {
  const found = { repair: 'no cell that is certain', impute: 'no sound value to fill cells from' } as const;
  const what = action === 'repair' || action === 'impute' ? found[action] : 'nothing that it can do';
  const where = rules.length > 0 ? rules.join(', ') : columns.join(', ');
  const until = new Date(restUntilMs).toISOString();
  return `${action} finds ${what} in ${where}: it is tried again from ${until} on, or when another share is at fault`;
}
