/**
 * Forecasts of a series that follows another one by a known lag: what the leader did is what the follower will do. For
 * each horizon up to the lag the leader's value at the target is known; a recursive regression learns what it adds to the
 * follower's own forecast, beginning with: nothing. Farther steps are the own forecast.
 */
import { ErrorHistogram } from './interval-histogram.js';
import type { SeriesForecast } from './series-forecaster.js';
import { RecursiveRegression } from './series-regression.js';

/** Horizons that it learns: those that a cycle records. */
const HORIZONS_MAX = 4;
/** Intercept, own forecast, own last value, leader at the target, leader at the origin. */
const PRIOR = [0, 1, 0, 0, 0];
/** Weight of an observation against the next younger one: a memory of about 300 steps, as that of the experts. */
const FORGETTING = 0.997;
/** As the accuracy monitor looks back: about 100 errors. */
const ERROR_FADE = 0.99;
/** An error counts at most as so many usual ones: an outlier is no lesson. */
const ERROR_CLIP = 4;
/** A forecast may exceed the largest value of both, each in its own usual magnitude, by this much: two thirds of a large one. */
const RANGE_MARGIN = 0.5;

export interface LeaderSnapshot {
  readonly version: 1;
  readonly lagSteps: number;
  readonly scales: readonly [own: number, leader: number];
  readonly leads: readonly (number | null)[];
  readonly origins: readonly Origin[];
  readonly horizons: readonly HorizonState[];
  readonly highest: number;
}
/** What was known at the end of a step. */
interface Origin {
  readonly own: number;
  readonly base: readonly number[];
}
interface HorizonState {
  readonly usual: number;
  readonly learned: number;
  readonly regression: readonly (readonly number[])[];
  readonly errors: readonly (readonly number[])[];
}

class Horizon {
  readonly regression = new RecursiveRegression(PRIOR, FORGETTING);
  readonly errors = new ErrorHistogram(ERROR_FADE, 1);
  /** Usual absolute error, and from how many. */
  usual = 0;
  learned = 0;

  learn(features: Float64Array, target: number): void {
    const error = target - this.regression.predict(features);
    this.learned++;
    if (this.usual > 0) this.errors.count(error / this.usual);
    const limit = this.usual > 0 ? ERROR_CLIP * this.usual : Infinity;
    const clipped = Math.max(-limit, Math.min(limit, error));
    this.regression.learn(features, clipped);
    this.usual += (Math.abs(clipped) - this.usual) / Math.min(this.learned, 1 / (1 - ERROR_FADE));
  }

  snapshot(): HorizonState {
    const plain = (arrays: readonly Float32Array[]): number[][] => arrays.map((one) => Array.from(one, (x) => x + 0));
    const { usual, learned, regression, errors } = this;
    return { usual, learned, regression: plain(regression.arrays()), errors: plain(errors.arrays()) };
  }

  restore({ usual, learned, regression, errors }: HorizonState): void {
    Object.assign(this, { usual, learned });
    this.regression.arrays().forEach((array, index) => array.set(regression[index]));
    this.errors.arrays().forEach((array, index) => array.set(errors[index]));
  }
}

export class LeaderRegression {
  /** Leader's values, newest last: as far back as the farthest feature. */
  private leads: (number | null)[] = [];
  private origins: Origin[] = [];
  private readonly horizons: Horizon[];
  private highest = 0;

  /**
   * @param lagSteps steps by which the series follows the leader, at least 1
   * @param scales usual magnitudes of both, above 0: values are compared as asinh(value / scale)
   */
  constructor(
    readonly lagSteps: number,
    private readonly scales: readonly [own: number, leader: number],
  ) {
    this.horizons = Array.from({ length: Math.min(lagSteps, HORIZONS_MAX) }, () => new Horizon());
  }

  /** One step: the value (null: missing), the leader's at the same time, and what is now forecast without it. */
  observe(value: number | null, lead: number | null, base: readonly number[]): void {
    const scaled = lead === null ? null : Math.asinh(lead / this.scales[1]) + 0;
    this.leads.push(scaled);
    this.highest = Math.max(this.highest, scaled ?? 0);
    if (this.leads.length > this.lagSteps + this.horizons.length + 1) this.leads.shift();
    const own = value === null ? null : this.inward(value);
    if (own !== null) {
      this.highest = Math.max(this.highest, own);
      this.horizons.forEach((horizon, index) => {
        const origin = this.origins.at(-1 - index);
        const features = origin === undefined ? null : this.features(origin, index + 1, index + 1);
        if (features !== null) horizon.learn(features, own);
      });
    }
    const known = own ?? this.origins.at(-1)?.base[0] ?? 0;
    this.origins.push({ own: known, base: base.slice(0, this.horizons.length).map((one) => this.inward(one)) });
    if (this.origins.length > this.horizons.length) this.origins.shift();
  }

  /** The own forecast, and in its place what the leader adds to it as far as the lag reaches. */
  forecast(base: SeriesForecast): SeriesForecast {
    const origin = this.origins.at(-1);
    const mean = [...base.mean];
    const quantiles = base.quantiles.map(({ level, lower, upper }) => {
      return { level, lower: [...lower], upper: [...upper] };
    });
    if (origin === undefined) return base;
    this.horizons.slice(0, mean.length).forEach(({ regression, errors, usual, learned }, index) => {
      const features = learned === 0 ? null : this.features(origin, index + 1, 0);
      if (features === null) return;
      const middle = regression.predict(features);
      const limit = this.highest + RANGE_MARGIN;
      const at = (error: number): number =>
        this.scales[0] * Math.sinh(Math.max(-limit, Math.min(limit, middle + error))) + 0;
      mean[index] = at(0);
      for (const { level, lower, upper } of quantiles) {
        lower[index] = at(usual * errors.quantile((1 - level) / 2));
        upper[index] = at(usual * errors.quantile((1 + level) / 2));
      }
    });
    return { ...base, mean, quantiles };
  }

  snapshot(): LeaderSnapshot {
    const { lagSteps, scales, leads, origins, highest } = this;
    return {
      ...{ version: 1, lagSteps, scales, leads: [...leads], origins: [...origins], highest },
      horizons: this.horizons.map((horizon) => horizon.snapshot()),
    };
  }

  static restore(snapshot: LeaderSnapshot): LeaderRegression {
    const { lagSteps, scales, leads, origins, horizons, highest } = snapshot;
    const restored = new LeaderRegression(lagSteps, scales);
    restored.leads = [...leads];
    restored.origins = [...origins];
    restored.highest = highest;
    restored.horizons.forEach((horizon, index) => horizon.restore(horizons[index]));
    return restored;
  }

  /** What is known of the step `ahead` of an origin that was `ago` steps before the newest value; null: not enough. */
  private features({ own, base }: Origin, ahead: number, ago: number): Float64Array | null {
    const target = this.leads.at(-1 - ago + ahead - this.lagSteps);
    const before = this.leads.at(-1 - ago - this.lagSteps);
    const forecast = base.at(ahead - 1);
    if (target == null || before == null || forecast === undefined) return null;
    return Float64Array.of(1, forecast, own, target, before);
  }

  private inward(value: number): number {
    return Math.asinh(value / this.scales[0]) + 0;
  }
}
