/**
 * Rolling accuracy of a predictor in use against the last value: is it worth its place, are its intervals right, has
 * it become worse than it was? Constant time and state per observation.
 */
import { usageError } from '../types/errors.js';

/** Means are over about this many observations. */
const WINDOW = 100;
/** Observations before any advice. */
const OBSERVATIONS_MIN = 30;
/** A predictor may be this much worse than the last value before it should step aside: within the noise of WINDOW. */
const STEP_ASIDE_RATIO = 1.05;
/** A challenger must be this much better to replace the champion: a switch costs its own learning. */
const SWITCH_RATIO = 0.97;
/** CUSUM (Page 1954) of errors in units of their long mean: excesses below the slack are no drift; the threshold is
 * reached by twenty errors of twice the usual size, rarely by chance. */
const DRIFT_SLACK = 0.5;
const DRIFT_THRESHOLD = 10;
/** One error counts at most as so many usual ones: an outlier is no drift. */
const ERROR_CLIP = 4;
/** Standard errors that the coverage may be away from its level. */
const COVERAGE_TOLERANCE = 3;

export interface AccuracyObservation {
  readonly forecast: number;
  /** What the last known value would have forecast. */
  readonly naive: number;
  readonly lower: number;
  readonly upper: number;
  /** null where the value is missing: the observation is skipped. */
  readonly actual: number | null;
}

export type AccuracyAdvice = 'too-little-history' | 'keep' | 'retune' | 'step-aside';

export interface AccuracyReport {
  readonly observations: number;
  /** Mean absolute error over the last value's; 1 where both are perfect; null without observations or if only the last value is. */
  readonly errorToNaive: number | null;
  /** Share of values within the interval; null without observations. */
  readonly coverage: number | null;
  /** Errors have grown against their own past. */
  readonly drifted: boolean;
  /** `step-aside`: the last value is better. `retune`: errors grew, or the coverage left its level. */
  readonly advice: AccuracyAdvice;
}

/** Plain JSON. */
export interface AccuracySnapshot {
  readonly version: 1;
  readonly level: number;
  readonly observations: number;
  readonly error: number;
  readonly naiveError: number;
  readonly longError: number;
  readonly coverage: number;
  readonly excess: number;
}

export interface AccuracyMonitor {
  observe(observation: AccuracyObservation): void;
  report(): AccuracyReport;
  /** After a retuning or a switch: drift is counted anew. */
  acknowledge(): void;
  snapshot(): AccuracySnapshot;
}

class RollingAccuracy implements AccuracyMonitor {
  constructor(private state: AccuracySnapshot) {}

  observe({ forecast, naive, lower, upper, actual }: AccuracyObservation): void {
    if (actual === null) return;
    const { state } = this;
    const observations = state.observations + 1;
    const share = 1 / Math.min(observations, WINDOW);
    const toward = (mean: number, value: number): number => mean + share * (value - mean);
    const error = Math.abs(actual - forecast);
    const longError = state.longError + (error - state.longError) / observations;
    const relative = longError > 0 ? Math.min(ERROR_CLIP, error / longError) : 0;
    const excess = Math.max(0, state.excess + relative - 1 - DRIFT_SLACK);
    this.state = {
      ...state,
      observations,
      error: toward(state.error, error),
      naiveError: toward(state.naiveError, Math.abs(actual - naive)),
      longError,
      coverage: toward(state.coverage, actual >= lower && actual <= upper ? 1 : 0),
      excess: observations < OBSERVATIONS_MIN ? 0 : excess,
    };
  }

  report(): AccuracyReport {
    const { observations, error, naiveError, coverage, excess } = this.state;
    const drifted = excess > DRIFT_THRESHOLD;
    const both = error === 0 && naiveError === 0 ? 1 : null;
    return {
      observations,
      errorToNaive: observations === 0 ? null : naiveError > 0 ? error / naiveError : both,
      coverage: observations === 0 ? null : coverage,
      drifted,
      advice: this.advice(drifted),
    };
  }

  private advice(drifted: boolean): AccuracyAdvice {
    const { observations, error, naiveError, coverage, level } = this.state;
    if (observations < OBSERVATIONS_MIN) return 'too-little-history';
    if (error > STEP_ASIDE_RATIO * naiveError) return 'step-aside';
    const standardError = Math.sqrt((level * (1 - level)) / Math.min(observations, WINDOW));
    const uncovered = Math.abs(coverage - level) > COVERAGE_TOLERANCE * standardError;
    return drifted || uncovered ? 'retune' : 'keep';
  }

  acknowledge(): void {
    const { error } = this.state;
    this.state = { ...this.state, longError: error, excess: 0 };
  }

  snapshot(): AccuracySnapshot {
    return this.state;
  }
}

/** A monitor of intervals that should enclose a share `level` in (0, 1) of the values. */
export function createAccuracyMonitor(level: number): AccuracyMonitor {
  if (!(level > 0 && level < 1)) {
    throw usageError({
      type: 'InvalidLevel',
      message: 'an interval level is not a probability',
      expected: 'a level between 0 and 1',
      got: String(level),
    });
  }
  const zeros = { observations: 0, error: 0, naiveError: 0, longError: 0, coverage: 0, excess: 0 };
  return new RollingAccuracy({ version: 1, level, ...zeros });
}

export function restoreAccuracyMonitor(snapshot: AccuracySnapshot): AccuracyMonitor {
  return new RollingAccuracy(snapshot);
}

/**
 * Whether a challenger that was run beside the champion on the same values should replace it: both have enough
 * observations and the challenger's error is clearly lower.
 * @param ratio of its error to the champion's, at most; default 0.97
 */
export function preferChallenger(
  champion: AccuracySnapshot,
  challenger: AccuracySnapshot,
  ratio: number = SWITCH_RATIO,
): boolean {
  const enough = Math.min(champion.observations, challenger.observations) >= OBSERVATIONS_MIN;
  return enough && challenger.error < ratio * champion.error;
}
