/**
 * One forecast horizon of a series: the losses of its experts, its two regressions, the mixture that is issued and
 * the errors that this mixture made. A forecaster holds one per knot of its horizon grid.
 */
import { ErrorHistogram } from './interval-histogram.js';
import { EXPERT_COUNT, FEATURE_PRIOR, readExperts, REGRESSION_EXPERT, SMALL_FEATURE_PRIOR } from './series-experts.js';
import { slot, type SeriesMemory } from './series-memory.js';
import { RecursiveRegression } from './series-regression.js';

/** Losses are means over about this many steps: recent accuracy decides. */
const LOSS_STEPS = 100;
/** Regression errors beyond this multiple of the mean loss are clipped (Huber): most errors then count by their sign, so
 * that coefficients follow the median, whose absolute error is what experts are scored by. */
const CLIP_LOSSES = 0.5;
/** A regression may leave the seen range by this share of it. */
const RANGE_MARGIN = 0.1;
/** Forgetting of the regression and of the small one: they remember about 100 and 200 steps. */
const FORGETTING = 0.99;
const FORGETTING_SMALL = 0.995;
/** Weight of an error against the next younger one: intervals follow about the last 200 steps. */
const ERROR_FADE = 0.995;
/** Standard deviation of a normal error over its mean size; it grows with the root of the steps of a random walk. */
const MEAN_TO_SIGMA = Math.sqrt(Math.PI / 2);
/** What similar series have learned counts as so many own observations. */
const ADOPTED_STEPS = 20;
/** Below this, losses are equal: the series is constant. */
const LOSS_FLOOR = 1e-9;

const experts = new Float64Array(EXPERT_COUNT);
const features = new Float64Array(FEATURE_PRIOR.length);
const smallFeatures = new Float64Array(SMALL_FEATURE_PRIOR.length);

export class HorizonMixture {
  readonly losses = new Float32Array(EXPERT_COUNT);
  readonly weights = new Float32Array(EXPERT_COUNT).fill(1 / EXPERT_COUNT);
  readonly errors: ErrorHistogram;
  /** Targets scored so far. */
  scored = 0;
  private readonly regression = new RecursiveRegression(FEATURE_PRIOR, FORGETTING);
  private readonly smallRegression = new RecursiveRegression(SMALL_FEATURE_PRIOR, FORGETTING_SMALL);
  /** What was issued at the last `steps` origins: each is read once, when its target is known. */
  private readonly issued: Float32Array;

  /** `steps` is how far ahead this horizon looks, from 1 to ORIGINS_KEPT - 1. */
  constructor(
    private readonly memory: SeriesMemory,
    readonly steps: number,
  ) {
    this.issued = new Float32Array(steps);
    this.errors = new ErrorHistogram(ERROR_FADE, MEAN_TO_SIGMA * Math.sqrt(steps));
  }

  /** The mixture of what readExperts left in the work arrays; `level` is its result. */
  private combine(level: number): number {
    const { memory, weights } = this;
    const full = level + this.regression.predict(features);
    const small = level + this.smallRegression.predict(smallFeatures);
    experts[REGRESSION_EXPERT] = memory.clamp(full, RANGE_MARGIN);
    experts[REGRESSION_EXPERT + 1] = memory.clamp(small, RANGE_MARGIN);
    let sum = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) sum += weights[i] * experts[i];
    return sum;
  }

  /** Forecast of z at `target` from `origin`: this mixture's, drawn to that of `other` by `share` in [0, 1]. */
  point(origin: number, target: number, other: HorizonMixture, share: number): number {
    const level = readExperts(this.memory, origin, target, experts, features, smallFeatures);
    const own = this.combine(level);
    return share === 0 ? own : own + share * (other.combine(level) - own);
  }

  /** Scores the forecasts of step `target` with its value `z`, then learns from it. `target` is not yet appended. */
  learn(target: number, z: number): void {
    const origin = target - this.steps;
    if (origin < 1) return;
    this.combine(readExperts(this.memory, origin, target, experts, features, smallFeatures));
    const share = 1 / Math.min(++this.scored, LOSS_STEPS);
    for (let i = 0; i < EXPERT_COUNT; i++) this.losses[i] += share * (Math.abs(z - experts[i]) - this.losses[i]);
    this.reweigh();
    const scale = this.memory.errorScale[slot(origin)];
    if (scale > 0) this.errors.count((z - this.issuedAt(origin)) / scale);
    this.regression.learn(features, this.clippedError(z, REGRESSION_EXPERT));
    this.smallRegression.learn(smallFeatures, this.clippedError(z, REGRESSION_EXPERT + 1));
  }

  private clippedError(z: number, expert: number): number {
    const limit = CLIP_LOSSES * Math.max(this.losses[expert], LOSS_FLOOR);
    return Math.max(-limit, Math.min(limit, z - experts[expert]));
  }

  /**
   * Weights follow from the losses, equal before any: the loss relative to the best to the power of -8. Polynomial
   * weights (Cesa-Bianchi & Lugosi, Prediction, Learning, and Games, section 2.1) keep near-equals together; twice the
   * best loss weighs next to nothing.
   */
  reweigh(): void {
    let best = Infinity;
    for (let i = 0; i < EXPERT_COUNT; i++) best = Math.min(best, this.losses[i]);
    let total = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      const square = ((best + LOSS_FLOOR) / (this.losses[i] + LOSS_FLOOR)) ** 2;
      const fourth = square * square;
      this.weights[i] = fourth * fourth;
      total += this.weights[i];
    }
    for (let i = 0; i < EXPERT_COUNT; i++) this.weights[i] /= total;
  }

  /** Records the forecast that `origin` (the newest step) issues for this horizon. */
  issue(origin: number): void {
    this.issued[origin % this.steps] = this.point(origin, origin + this.steps, this, 0);
  }

  /** What was issued at `origin`, one of the last `steps`. */
  issuedAt(origin: number): number {
    return this.issued[origin % this.steps];
  }

  /**
   * Starts from what mixtures of similar series have learned: mean losses, coefficients and error distribution, with
   * the weight of a few observations, so that own experience soon prevails. Coefficients are free of scale.
   */
  adopt(similar: readonly HorizonMixture[]): void {
    const average = (own: Float32Array, of: (mixture: HorizonMixture) => Float32Array): void => {
      const others = similar.map(of);
      for (let i = 0; i < own.length; i++) own[i] = others.reduce((sum, other) => sum + other[i] / others.length, 0);
    };
    average(this.losses, (mixture) => mixture.losses);
    average(this.regression.coefficients, (mixture) => mixture.regression.coefficients);
    average(this.smallRegression.coefficients, (mixture) => mixture.smallRegression.coefficients);
    this.errors.adopt(
      similar.map((mixture) => mixture.errors),
      ADOPTED_STEPS,
    );
    this.scored = Math.min(ADOPTED_STEPS, ...similar.map((mixture) => mixture.scored));
    this.reweigh();
  }

  /** Follows a change of the memory's scale. */
  carry(over: (z: number) => number): void {
    for (let i = 0; i < this.steps; i++) this.issued[i] = over(this.issued[i]);
  }

  arrays(): readonly Float32Array[] {
    return [
      this.losses,
      ...this.errors.arrays(),
      ...this.regression.arrays(),
      ...this.smallRegression.arrays(),
      this.issued,
    ];
  }
}
