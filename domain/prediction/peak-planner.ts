/**
 * Capacity for the next window of steps at a chosen rate of violations, learned online.
 *
 * The mean of the window's upper quantiles is a first guess; how far demand exceeds such guesses, as a ratio, is
 * counted per step, and the capacity is the guess times the quantile of that ratio. Windows with a high guess get a
 * lower quantile and cheap ones a higher: the same violations overall cost less capacity so.
 */
import { usageError } from '../types/errors.js';
import { ErrorHistogram } from './interval-histogram.js';
import { createSeriesForecaster, restoreSeriesForecaster } from './series-forecaster.js';
import type { SeriesForecaster, SeriesSnapshot } from './series-forecaster.js';

/** The interval whose upper end is the first guess: the 90th percentile. */
const GUESS_LEVEL = 0.8;
/** Ratios of about the last 5,000 steps count: a one-percent quantile rests on fifty of them. */
const RATIO_FADE = 0.9998;
/** Log ratios are counted in eighths, which resolves them to about one percent near 1. */
const RATIO_UNITS = 8;
/** Spread of log ratios before any was seen: demand is within a third of its guess. */
const UNSEEN_SPREAD = 0.3;
/** Demand and guesses get this share of the mean demand added, so that ratios near zero stay bounded. */
const FLOOR_SHARE = 0.05;
/** Elasticity of the quantile to the guess, per unit of -ln(violation): .18 at 5 %, .28 at 1 %. The cheapest plan subtracts the
 * tail's mean log excess per unit of log guess (stationarity of capacity against violations); tails of demand are heavier
 * than exponential ones, so that it grows with the rarity (a Weibull tail's does in proportion to a power of -ln). */
const COST_ELASTICITY = 0.06;
/** Windows that the usual guess is averaged over. */
const USUAL_WINDOWS = 200;
/** Capacity is not planned beyond this multiple of the highest demand seen, which itself decays by PEAK_FADE a step. */
const PEAK_MARGIN = 1.1;
const PEAK_FADE = 0.9995;
/** Steps that the mean demand is averaged over. */
const MEAN_STEPS = 1000;

export interface PeakPlannerOptions {
  /** Share of steps whose demand may exceed the capacity, in (0, 0.5]. */
  readonly violation: number;
  /** Steps of a window, at least 1. */
  readonly every: number;
  /** Steps between the last value that may be used and the window, at least 0: time to act. */
  readonly lead?: number;
  readonly seasons?: readonly number[];
}

export interface PeakPlanner {
  /** Appends one step of demand; null is missing. */
  update(value: number | null): void;
  /** Capacity for the `every` steps that begin `lead` steps after the next one; 0 without any history. */
  plan(): number;
  snapshot(): PeakPlannerSnapshot;
}

/** A planned window that is not over: its guess (with floor) and the elasticity's offset to its log ratio. */
interface PendingWindow {
  readonly start: number;
  readonly guess: number;
  readonly offset: number;
}

export interface PeakPlannerSnapshot {
  readonly version: 1;
  readonly options: PeakPlannerOptions;
  readonly forecaster: SeriesSnapshot;
  readonly ratios: readonly (readonly number[])[];
  readonly pending: readonly PendingWindow[];
  readonly scalars: readonly number[];
}

class RatioPlanner implements PeakPlanner {
  private forecaster: SeriesForecaster;
  private readonly ratios = new ErrorHistogram(RATIO_FADE, RATIO_UNITS * UNSEEN_SPREAD);
  private pending: PendingWindow[] = [];
  private count = 0;
  private mean = 0;
  private peak = 0;
  private windows = 0;
  private usualLogGuess = 0;

  constructor(readonly options: PeakPlannerOptions) {
    this.forecaster = createSeriesForecaster({ seasons: options.seasons });
  }

  update(value: number | null): void {
    const step = this.count++;
    this.forecaster.update(value);
    const { every } = this.options;
    this.pending = this.pending.filter(({ start }) => start + every > step);
    if (value === null) return;
    this.mean += (Math.abs(value) - this.mean) / Math.min(this.count, MEAN_STEPS);
    this.peak = Math.max(value, this.peak * PEAK_FADE);
    for (const { start, guess, offset } of this.pending) {
      if (start > step) continue;
      const ratio = Math.max(Number.MIN_VALUE, value + this.floor()) / guess;
      this.ratios.count(RATIO_UNITS * (Math.log(ratio) + offset));
    }
  }

  plan(): number {
    const { every, lead = 0, violation } = this.options;
    if (this.peak <= 0) return 0;
    const { upper } = this.forecaster.forecast(lead + every, [GUESS_LEVEL]).quantiles[0];
    let sum = 0;
    for (let i = lead; i < lead + every; i++) sum += upper[i];
    const guess = Math.max(0, sum / every) + this.floor();
    const logGuess = Math.log(guess);
    this.windows++;
    this.usualLogGuess += (logGuess - this.usualLogGuess) / Math.min(this.windows, USUAL_WINDOWS);
    const offset = COST_ELASTICITY * Math.log(1 / violation) * (logGuess - this.usualLogGuess);
    this.pending.push({ start: this.count + lead, guess, offset });
    const quantile = this.ratios.quantile(1 - violation) / RATIO_UNITS;
    const capacity = guess * Math.exp(quantile - offset) - this.floor();
    return Math.max(0, Math.min(capacity, PEAK_MARGIN * this.peak));
  }

  private floor(): number {
    return FLOOR_SHARE * this.mean;
  }

  snapshot(): PeakPlannerSnapshot {
    return {
      version: 1,
      options: this.options,
      forecaster: this.forecaster.snapshot(),
      ratios: this.ratios.arrays().map((values) => Array.from(values)),
      pending: this.pending,
      scalars: [this.count, this.mean, this.peak, this.windows, this.usualLogGuess],
    };
  }

  restore({ forecaster, ratios, pending, scalars }: PeakPlannerSnapshot): void {
    this.forecaster = restoreSeriesForecaster(forecaster);
    this.ratios.arrays().forEach((values, i) => values.set(ratios[i]));
    this.pending = [...pending];
    [this.count, this.mean, this.peak, this.windows, this.usualLogGuess] = scalars;
  }
}

/** A planner without history; options outside their ranges are refused. */
export function createPeakPlanner(options: PeakPlannerOptions): PeakPlanner {
  const { violation, every, lead = 0 } = options;
  const usable = violation > 0 && violation <= 0.5 && [every - 1, lead].every((n) => Number.isInteger(n) && n >= 0);
  if (!usable) {
    throw usageError({
      type: 'InvalidPlan',
      message: 'the options of a capacity plan are not usable',
      expected: 'violation in (0, 0.5], every at least 1, lead at least 0',
      got: `violation ${violation}, every ${every}, lead ${lead}`,
    });
  }
  return new RatioPlanner(options);
}

/** The planner that wrote the snapshot: its plans are identical. */
export function restorePeakPlanner(snapshot: PeakPlannerSnapshot): PeakPlanner {
  const planner = new RatioPlanner(snapshot.options);
  planner.restore(snapshot);
  return planner;
}

export interface PlannedWindow {
  /** Index of the window's first step. */
  readonly step: number;
  readonly capacity: number;
}

/** Replays `series`: windows at steps 0, every, 2 every ..., each planned from values before step - lead only. */
export function planPeaks(series: readonly (number | null)[], options: PeakPlannerOptions): PlannedWindow[] {
  const planner = createPeakPlanner(options);
  const { every, lead = 0 } = options;
  const windows: PlannedWindow[] = [];
  // Windows whose information ends before the first value.
  for (let step = 0; step < Math.min(lead, series.length); step += every) windows.push({ step, capacity: 0 });
  series.forEach((value, index) => {
    const step = index + lead;
    if (step % every === 0 && step < series.length) windows.push({ step, capacity: planner.plan() });
    planner.update(value);
  });
  return windows;
}
