/**
 * Limits that adapt to a metric's own history, and say why they moved.
 *
 * The limit stands where a new value of the usual kind lies with the wanted false-alarm rate: median plus or minus
 * z times the robust deviation (1.4826 MAD), after the season is taken out. It moves only within declared bounds,
 * by a bounded step, and not for differences that the history itself cannot tell from noise.
 */
import { usageError } from '../types/errors.js';
import { normalQuantile } from './watch-scores.js';

export interface ThresholdRule {
  /** `min`: values below the limit are bad (completeness); `max`: values above it (age, invalid share). */
  readonly side: 'min' | 'max';
  /** False alarms wanted per value, in (0, .5). */
  readonly falseAlarmRate: number;
  /** The limit never leaves these: what was declared goes before what was learned. */
  readonly floor: number;
  readonly ceiling: number;
  /** Values of one season (24 for hours of a day); 1: no season. */
  readonly season: number;
}
export interface ThresholdMove {
  readonly limit: number;
  readonly moved: boolean;
  readonly reason: string;
}

/** Fewer values than this teach nothing: the standard error of their deviation is above a quarter of it. */
export const HISTORY_MIN = 20;
/** Share of the way that one move covers: a bad day cannot carry the limit off, ten moves bring it home to 3 %. */
export const STEP_SHARE = 0.3;
/** A MAD times this estimates a normal deviation (Hampel 1974). */
const MAD_SCALE = 1.4826;

/** Median and scaled median absolute deviation: outliers move neither. Of no value: not a number. */
export function robustSpread(values: readonly number[]): { readonly middle: number; readonly deviation: number } {
  const middle = median(values);
  return { middle, deviation: MAD_SCALE * median(values.map((value) => Math.abs(value - middle))) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * The next limit.
 *
 * @param current limit in force
 * @param history values of past good batches, oldest first; values that are not finite are left out
 * @returns the limit, whether it moved, and why or why not. Too short a history, or one without spread, moves nothing
 * @throws BalanceError `InvalidThreshold` for a rule that contradicts itself
 */
export function adaptThreshold(rule: ThresholdRule, current: number, history: readonly number[]): ThresholdMove {
  checkRule(rule, current);
  // A value that is missing leaves the phases of the others as they are.
  const dated = history
    .map((value, i) => ({ value, phase: i % rule.season }))
    .filter(({ value }) => Number.isFinite(value));
  const values = dated.map(({ value }) => value);
  if (values.length < Math.max(HISTORY_MIN, 2 * rule.season)) {
    return { limit: current, moved: false, reason: `${values.length} values are too few to learn from` };
  }
  // The next value belongs to this phase of the season; each phase has its own middle, all share one deviation.
  const middles = Array.from({ length: rule.season }, (_, phase) => {
    const own = dated.filter((entry) => entry.phase === phase).map(({ value }) => value);
    return median(own.length > 0 ? own : values);
  });
  const deviation = MAD_SCALE * median(dated.map(({ value, phase }) => Math.abs(value - middles[phase])));
  if (!(deviation > 0)) return { limit: current, moved: false, reason: 'the history has no spread' };
  const middle = middles[history.length % rule.season];
  const z = -normalQuantile(rule.falseAlarmRate);
  const learned = rule.side === 'max' ? middle + z * deviation : middle - z * deviation;
  const goal = Math.min(rule.ceiling, Math.max(rule.floor, learned));
  // Standard error of a normal quantile estimated from n values: deviation * sqrt((1 + z^2 / 2) / n).
  const error = deviation * Math.sqrt((1 + (z * z) / 2) / values.length);
  const facts = `median ${show(middle)}, deviation ${show(deviation)} over ${values.length} values`;
  if (Math.abs(goal - current) <= error) {
    return { limit: current, moved: false, reason: `${facts}: ${show(goal)} is within the error of ${show(current)}` };
  }
  const limit = current + STEP_SHARE * (goal - current);
  const bound = goal === learned ? '' : `, held by the declared bounds [${show(rule.floor)}, ${show(rule.ceiling)}]`;
  return { limit, moved: true, reason: `${facts}: towards ${show(goal)}${bound}` };
}

const show = (value: number): string => String(Number(value.toPrecision(4)));

function checkRule(rule: ThresholdRule, current: number): void {
  const { falseAlarmRate, floor, ceiling, season } = rule;
  const rate = falseAlarmRate > 0 && falseAlarmRate < 0.5;
  if (rate && floor <= ceiling && Number.isSafeInteger(season) && season >= 1 && Number.isFinite(current)) return;
  throw usageError({
    type: 'InvalidThreshold',
    message: 'the rule of an adaptive limit contradicts itself',
    expected: 'falseAlarmRate in (0, .5), floor <= ceiling, season >= 1, a finite limit',
    got: JSON.stringify({ ...rule, current }),
  });
}
