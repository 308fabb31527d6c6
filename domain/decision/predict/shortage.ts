/**
 * Early warning: which source will be asked for more than it can give, when, how probably, and by whom; and how much it
 * should be able to give. A warning is raised once, stays while it holds, and is cleared with a lower bound than it was
 * raised with, so that it does not flicker.
 */
import { createPeakPlanner } from '../../prediction/peak-planner.js';
import { formatBytes } from '../../types/units.js';

/** A shortage this probable is worth a look: two false ones for each true one at most, where forecasts are calibrated. */
export const RAISE_PROBABILITY = 0.35;
/** Below this it is over: half of what raises it. */
export const CLEAR_PROBABILITY = 0.175;
/** Causes named. */
const CAUSES_MAX = 3;
/** Values that a capacity is recommended from, at least: a day of hours. */
const CAPACITY_VALUES_MIN = 24;

/** What can be given: bytes that may leave a source in one step. */
export interface SourceCapacity {
  readonly source: string;
  readonly bytesPerStep: number;
  /** Bytes a second of that. */
  readonly bytesPerSecond: number;
}
/** Distribution of the bytes that one step asks: values at ascending probabilities. */
export interface StepDistribution {
  readonly targetMs: number;
  readonly quantiles: readonly { readonly probability: number; readonly value: number }[];
}
export interface SourceLoad {
  readonly source: string;
  readonly steps: readonly StepDistribution[];
  /** Expected bytes of each model in each of these steps. */
  readonly models: readonly { readonly model: string; readonly bytes: readonly number[] }[];
  /** Bytes in each of these steps that were asked before and not handed out; absent: none. */
  readonly carried?: readonly number[];
  /** Bytes asked in past steps, oldest first. */
  readonly recent: readonly (number | null)[];
}

export interface OpenWarning {
  readonly kind: 'shortage' | 'anomaly' | 'behaviour';
  /** `bytes:SOURCE`, or a series. */
  readonly subject: string;
  /** Event time of the cycle that raised it. */
  readonly raisedMs: number;
}
export interface Warning extends OpenWarning {
  readonly state: 'raised' | 'still' | 'cleared';
  readonly severity: 'low' | 'medium' | 'high';
  readonly message: string;
  readonly action: string;
}

export interface Bottleneck {
  readonly source: string;
  /** End of the first step that is as likely to be short as any. */
  readonly targetMs: number;
  readonly probability: number;
  readonly capacityBytes: number;
  /** Median and upper tenth of what is asked then. */
  readonly medianBytes: number;
  readonly highBytes: number;
  /** What of them was put off from earlier steps; absent: nothing. */
  readonly backlogBytes?: number;
  /** Largest first; shares of what is expected. */
  readonly causes: readonly { readonly model: string; readonly share: number }[];
  /** Bytes a second with which at most `violation` of the steps would be short; null: too little history. */
  readonly recommendedBytesPerSecond: number | null;
}

/** The worst step ahead of every limited source; sources without a distribution to rest on are left out. */
export function bottlenecks(
  capacities: readonly SourceCapacity[],
  loads: readonly SourceLoad[],
  options: { readonly violation: number; readonly seasons: readonly number[] },
): Bottleneck[] {
  const loadOf = new Map(loads.map((load) => [load.source, load]));
  return [...capacities]
    .sort((a, b) => (a.source < b.source ? -1 : 1))
    .flatMap(({ source, bytesPerStep, bytesPerSecond }): Bottleneck[] => {
      const load = loadOf.get(source);
      if (load === undefined || load.steps.length === 0) return [];
      const chances = load.steps.map(({ quantiles }) => exceedance(quantiles, bytesPerStep));
      const worst = chances.indexOf(Math.max(...chances));
      const { targetMs, quantiles } = load.steps[worst];
      const recommended = recommendedCapacity(load.recent, options);
      return [
        {
          ...{ source, targetMs, probability: chances[worst], capacityBytes: bytesPerStep },
          medianBytes: valueAt(quantiles, 0.5),
          highBytes: valueAt(quantiles, 0.9),
          ...(load.carried?.[worst] ? { backlogBytes: load.carried[worst] } : {}),
          causes: causesOf(load, worst),
          recommendedBytesPerSecond: recommended === null ? null : (recommended / bytesPerStep) * bytesPerSecond,
        },
      ];
    });
}

/** P(value > limit) of a distribution given by quantiles: linear between them, the outermost probability beyond them. */
export function exceedance(quantiles: StepDistribution['quantiles'], limit: number): number {
  const first = quantiles[0];
  if (limit < first.value) return 1 - first.probability / 2;
  for (let i = 1; i < quantiles.length; i++) {
    const [below, above] = [quantiles[i - 1], quantiles[i]];
    if (limit >= above.value) continue;
    const share = (limit - below.value) / (above.value - below.value);
    return 1 - (below.probability + share * (above.probability - below.probability));
  }
  return (1 - quantiles.at(-1)!.probability) / 2;
}

/** The value at a probability, of quantiles by ascending probability. */
export function valueAt(quantiles: StepDistribution['quantiles'], probability: number): number {
  return quantiles.find((one) => one.probability >= probability - 1e-9)?.value ?? quantiles.at(-1)!.value;
}

function causesOf({ models }: SourceLoad, step: number): Bottleneck['causes'] {
  const total = models.reduce((sum, { bytes }) => sum + bytes[step], 0);
  return models
    .map(({ model, bytes }) => ({ model, share: total > 0 ? bytes[step] / total : 0 }))
    .filter(({ share }) => share > 0)
    .sort((a, b) => b.share - a.share || (a.model < b.model ? -1 : 1))
    .slice(0, CAUSES_MAX);
}

/** Bytes a step with which at most `violation` of the steps are short, by the peak planner over the past. */
function recommendedCapacity(
  recent: readonly (number | null)[],
  { violation, seasons }: { readonly violation: number; readonly seasons: readonly number[] },
): number | null {
  if (recent.filter((value) => value !== null).length < CAPACITY_VALUES_MIN) return null;
  const planner = createPeakPlanner({ violation, every: 1, lead: 1, seasons });
  for (const value of recent) {
    planner.update(value);
    planner.plan();
  }
  return planner.plan();
}

/** What becomes of the warnings: new ones, those that still hold, those that are over. By subject. */
export function warnShortages(found: readonly Bottleneck[], open: readonly OpenWarning[], asOfMs: number): Warning[] {
  const before = new Map(open.filter(({ kind }) => kind === 'shortage').map((one) => [one.subject, one]));
  const known = new Set(found.map(({ source }) => `bytes:${source}`));
  const judged = found.flatMap((bottleneck): Warning[] => {
    const subject = `bytes:${bottleneck.source}`;
    const raised = before.get(subject);
    const { probability } = bottleneck;
    const holds = probability >= (raised === undefined ? RAISE_PROBABILITY : CLEAR_PROBABILITY);
    if (!holds && raised === undefined) return [];
    return [
      {
        ...{ kind: 'shortage', subject, raisedMs: raised?.raisedMs ?? asOfMs },
        state: raised === undefined ? 'raised' : holds ? 'still' : 'cleared',
        severity: probability >= 0.9 ? 'high' : probability >= 0.5 ? 'medium' : 'low',
        message: holds
          ? shortageMessage(bottleneck)
          : `${subject} is expected to suffice again (${percent(probability)} likely to be short)`,
        action: holds ? actionOf(bottleneck) : 'none',
      },
    ];
  });
  // A source that is no longer limited, or of which nothing is known any more, is no longer warned of.
  const gone = [...before.values()]
    .filter(({ subject }) => !known.has(subject))
    .map((one): Warning => {
      return {
        ...one,
        state: 'cleared',
        severity: 'low',
        message: `${one.subject}: nothing is forecast any more`,
        action: 'none',
      };
    });
  return [...judged, ...gone].sort((a, b) => (a.subject < b.subject ? -1 : 1));
}

const percent = (share: number): string => `${Math.round(100 * share)} %`;

function shortageMessage(bottleneck: Bottleneck): string {
  const { source, targetMs, probability, capacityBytes, medianBytes, highBytes, backlogBytes, causes } = bottleneck;
  const put = backlogBytes === undefined ? '' : ` (${formatBytes(backlogBytes)} of it put off from before)`;
  const who = causes.map(({ model, share }) => `${model} ${percent(share)}`).join(', ');
  return `bytes:${source} will be short in the step to ${new Date(targetMs).toISOString()} with probability ${percent(probability)}: ${formatBytes(medianBytes)} expected${put}, ${formatBytes(highBytes)} at the upper tenth, ${formatBytes(capacityBytes)} can be read${who === '' ? '' : `; asked by ${who}`}`;
}

function actionOf({ source, recommendedBytesPerSecond }: Bottleneck): string {
  const raise =
    recommendedBytesPerSecond === null
      ? 'raise its limit'
      : `raise its limit to ${formatBytes(recommendedBytesPerSecond)} a second`;
  return `let what can wait run before or after, or ${raise} (source ${source})`;
}
