/**
 * One forecast horizon of a series: the losses of its experts, what its experts have learned, the mixture that is
 * issued and the errors that this mixture made. A forecaster holds one per knot of its horizon grid.
 */
import { ErrorHistogram } from './interval-histogram.js';
import {
  ANCHOR_COUNT,
  EXPERT_COUNT,
  FEATURE_PRIOR,
  FIRST_ANCHOR,
  REGRESSION_EXPERT,
  SeriesView,
} from './series-experts.js';
import type { SeriesMemory } from './series-memory.js';
import { RecursiveRegression } from './series-regression.js';

/** Losses are means over about so many steps: half of the weights follow the steady ones, half the recent ones, so that
 * a change of regime moves the mixture at once and noise does not move all of it. */
const LOSS_STEPS = 300;
const LOSS_STEPS_RECENT = 12;
/** Share of the weight that is cut off on either side: the mean of the middle half (the midmean) does not follow a few
 * experts that a change of level has left behind, as a mean would. */
const TRIMMED = 0.25;
/** Errors beyond this multiple of the mean loss are clipped (Huber) before coefficients learn from them: most errors then
 * count by their sign, so that coefficients follow the median, whose absolute error is what experts are scored by. */
const CLIP_LOSSES = 0.5;
/** A learned forecast may leave the seen range by this share of it. */
const RANGE_MARGIN = 0.1;
/** Forgetting of the regression: it remembers about 100 steps. */
const FORGETTING = 0.99;
/** The shares that anchors keep of a deviation remember about 50 steps, from 1 (a random walk), with a ridge of one
 * squared unit of z, and stay near [0, 1]: a deviation fades, it does not grow. */
const ANCHOR_FORGETTING = 0.98;
const ANCHOR_RIDGE = 1;
const SHARE_MIN = -0.2;
const SHARE_MAX = 1.2;
/** Weight of an error against the next younger one: intervals follow about the last 500 steps. */
const ERROR_FADE = 0.998;
/** A far horizon learns from every n-th origin, n its steps over this, rounded: neighbours have nearly the same error. */
const STEPS_PER_STRIDE = 12;
/** Quarters of a scale: finer bins cost state and gain nothing (measured by pinball loss). */
const ERROR_BINS_PER_UNIT = 4;
/** Standard deviation of a normal error over its mean size; it grows with the root of the steps of a random walk. */
const MEAN_TO_SIGMA = Math.sqrt(Math.PI / 2);
/** What similar series have learned counts as so many own observations. */
const ADOPTED_STEPS = 20;
/** Below this, losses are equal: the series is constant. */
const LOSS_FLOOR = 1e-9;

/** A forecast of z and how far the experts lie above and below it on average: doubt about the regime. */
export interface Mixed {
  point: number;
  above: number;
  below: number;
}

// Work space of one forecast at a time.
const view = new SeriesView();
const experts = new Float64Array(EXPERT_COUNT);
const otherExperts = new Float64Array(EXPERT_COUNT);
const weights = new Float64Array(EXPERT_COUNT);
const expectedLosses = new Float32Array(EXPERT_COUNT);
const order = new Uint8Array(EXPERT_COUNT).map((_, index) => index);
const mixed: Mixed = { point: 0, above: 0, below: 0 };

/** Sorts `order` by expert, equal ones by index, so that the result does not depend on the order before. */
function sortExperts(): void {
  for (let i = 1; i < EXPERT_COUNT; i++) {
    const index = order[i];
    const expert = experts[index];
    let j = i - 1;
    for (; j >= 0; j--) {
      const above = experts[order[j]];
      if (!(above > expert || (above === expert && order[j] > index))) break;
      order[j + 1] = order[j];
    }
    order[j + 1] = index;
  }
}

/** The midmean of the experts under the weights of the work space, and their spread about it. */
function mix(): Mixed {
  sortExperts();
  let cumulated = 0;
  let sum = 0;
  for (let i = 0; i < EXPERT_COUNT && cumulated < 1 - TRIMMED; i++) {
    const weight = weights[order[i]];
    const share = Math.min(cumulated + weight, 1 - TRIMMED) - Math.max(cumulated, TRIMMED);
    if (share > 0) sum += share * experts[order[i]];
    cumulated += weight;
  }
  const point = sum / (1 - 2 * TRIMMED);
  let above = 0;
  let both = 0;
  for (let i = 0; i < EXPERT_COUNT; i++) {
    const distance = weights[i] * (experts[i] - point);
    both += Math.abs(distance);
    above += Math.max(0, distance);
  }
  mixed.point = point;
  mixed.above = above;
  mixed.below = both - above;
  return mixed;
}

export class HorizonMixture {
  readonly losses = new Float32Array(EXPERT_COUNT);
  readonly recentLosses = new Float32Array(EXPERT_COUNT);
  readonly weights = new Float32Array(EXPERT_COUNT).fill(1 / EXPERT_COUNT);
  /** Errors in scales: those above the forecast in `scaleAbove`, those below it in `scaleBelow`. */
  readonly errors: ErrorHistogram;
  /** Targets scored so far. */
  scored = 0;
  private readonly anchorShares = new Float32Array(ANCHOR_COUNT).fill(1);
  private readonly anchorSquares = new Float32Array(ANCHOR_COUNT).fill(ANCHOR_RIDGE);
  private readonly regression = new RecursiveRegression(FEATURE_PRIOR, FORGETTING);
  /** Origins that are learned from are multiples of this. */
  private readonly stride: number;
  /** What was issued at the last `steps` such origins, and its scales: each is read once, when its target is known. */
  private readonly issued: Float32Array;
  private readonly scaleAbove: Float32Array;
  private readonly scaleBelow: Float32Array;

  /**
   * `steps` is how far ahead this horizon looks, from 1 to ORIGINS_KEPT - 1; `shorter` is the next shorter horizon of the
   * series, which knows sooner whom the present favours: it must learn each step first.
   */
  constructor(
    private readonly memory: SeriesMemory,
    readonly steps: number,
    private readonly shorter?: HorizonMixture,
  ) {
    this.stride = Math.max(1, Math.round(steps / STEPS_PER_STRIDE));
    const pending = Math.ceil(steps / this.stride);
    this.issued = new Float32Array(pending);
    this.scaleAbove = new Float32Array(pending);
    this.scaleBelow = new Float32Array(pending);
    this.errors = new ErrorHistogram(ERROR_FADE, MEAN_TO_SIGMA * Math.sqrt(steps), ERROR_BINS_PER_UNIT);
  }

  /** Fills `answers` with what each expert says of the target in view. */
  private ask(answers: Float64Array): void {
    const { memory, anchorShares } = this;
    const { level, anchors, deviations } = view;
    answers[0] = view.last;
    answers[1] = view.fast;
    for (let i = 0; i < ANCHOR_COUNT; i++) answers[FIRST_ANCHOR + i] = anchors[i] + anchorShares[i] * deviations[i];
    answers[REGRESSION_EXPERT] = level + this.regression.predict(view.features);
    const low = memory.floor(RANGE_MARGIN);
    const high = memory.ceiling(RANGE_MARGIN);
    for (let i = FIRST_ANCHOR; i < EXPERT_COUNT; i++) {
      if (answers[i] < low) answers[i] = low;
      else if (answers[i] > high) answers[i] = high;
    }
  }

  /**
   * Forecast of z at `target` from `origin`: this mixture's experts and weights, drawn to those of `other` by `share`
   * in [0, 1]. The result is overwritten by the next call.
   */
  forecast(origin: number, target: number, other: HorizonMixture, share: number): Mixed {
    view.see(this.memory, origin, target);
    this.ask(experts);
    const own = this.weights;
    if (share === 0) {
      for (let i = 0; i < EXPERT_COUNT; i++) weights[i] = own[i];
      return mix();
    }
    other.ask(otherExperts);
    const others = other.weights;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      experts[i] += share * (otherExperts[i] - experts[i]);
      weights[i] = own[i] + share * (others[i] - own[i]);
    }
    return mix();
  }

  /** Scores the forecasts of step `target` with its value `z`, then learns from it. `target` is not yet appended. */
  learn(target: number, z: number): void {
    const origin = target - this.steps;
    const due = origin >= 1 && origin % this.stride === 0;
    if (due) {
      view.see(this.memory, origin, target);
      this.ask(experts);
      this.score(z);
    }
    this.reweigh();
    if (due) this.adapt(origin, z);
  }

  /** Errors and coefficients follow the target in view. */
  private adapt(origin: number, z: number): void {
    this.countError(origin, z);
    for (let i = 0; i < ANCHOR_COUNT; i++) {
      const deviation = view.deviations[i];
      const kept = ANCHOR_FORGETTING * this.anchorSquares[i] + (1 - ANCHOR_FORGETTING) * ANCHOR_RIDGE;
      this.anchorSquares[i] = kept + deviation * deviation;
      const gain = deviation / this.anchorSquares[i];
      const share = this.anchorShares[i] + gain * this.clippedError(z, FIRST_ANCHOR + i);
      this.anchorShares[i] = Math.max(SHARE_MIN, Math.min(SHARE_MAX, share));
    }
    this.regression.learn(view.features, this.clippedError(z, REGRESSION_EXPERT));
  }

  private score(z: number): void {
    this.scored++;
    const share = 1 / Math.min(this.scored, LOSS_STEPS);
    const recentShare = 1 / Math.min(this.scored, LOSS_STEPS_RECENT);
    for (let i = 0; i < EXPERT_COUNT; i++) {
      const loss = Math.abs(z - experts[i]);
      this.losses[i] += share * (loss - this.losses[i]);
      this.recentLosses[i] += recentShare * (loss - this.recentLosses[i]);
    }
  }

  private countError(origin: number, z: number): void {
    const error = z - this.issuedAt(origin);
    const scale = (error > 0 ? this.scaleAbove : this.scaleBelow)[this.pending(origin)];
    if (scale > 0) this.errors.count(error / scale);
  }

  private clippedError(z: number, expert: number): number {
    const limit = CLIP_LOSSES * Math.max(this.losses[expert], LOSS_FLOOR);
    return Math.max(-limit, Math.min(limit, z - experts[expert]));
  }

  /**
   * Weights follow from the losses, equal before any: half from the steady ones, half from these times what each expert's
   * recent loss is of its steady one at the next shorter horizon, whose targets are known sooner.
   */
  reweigh(): void {
    const { losses, recentLosses } = this.shorter ?? this;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      expectedLosses[i] = (this.losses[i] * (recentLosses[i] + LOSS_FLOOR)) / (losses[i] + LOSS_FLOOR);
    }
    this.weights.fill(0);
    this.addHalfWeights(this.losses);
    this.addHalfWeights(expectedLosses);
  }

  /**
   * The loss relative to the best to the power of -6. Polynomial weights (Cesa-Bianchi & Lugosi, Prediction, Learning,
   * and Games, section 2.1) keep near-equals together; twice the best loss weighs next to nothing.
   */
  private addHalfWeights(losses: Float32Array): void {
    let best = Infinity;
    for (let i = 0; i < EXPERT_COUNT; i++) best = Math.min(best, losses[i]);
    let total = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      const square = ((best + LOSS_FLOOR) / (losses[i] + LOSS_FLOOR)) ** 2;
      weights[i] = square * square * square;
      total += weights[i];
    }
    for (let i = 0; i < EXPERT_COUNT; i++) this.weights[i] += (0.5 * weights[i]) / total;
  }

  /** Records the forecast that `origin` (the newest step) issues for this horizon; `errorScale` is the usual error now. */
  issue(origin: number, errorScale: number): void {
    if (origin % this.stride !== 0) return;
    const at = this.pending(origin);
    const { point, above, below } = this.forecast(origin, origin + this.steps, this, 0);
    this.issued[at] = point;
    this.scaleAbove[at] = errorScale + above;
    this.scaleBelow[at] = errorScale + below;
  }

  /** Forecast of the horizon itself from the newest step `origin`: what was issued, where that was. */
  newest(origin: number, errorScale: number): Mixed {
    if (origin % this.stride !== 0) return this.forecast(origin, origin + this.steps, this, 0);
    const at = this.pending(origin);
    mixed.point = this.issued[at];
    mixed.above = this.scaleAbove[at] - errorScale;
    mixed.below = this.scaleBelow[at] - errorScale;
    return mixed;
  }

  /** What was issued at `origin`, a multiple of the stride among the last `steps`. */
  issuedAt(origin: number): number {
    return this.issued[this.pending(origin)];
  }

  private pending(origin: number): number {
    return (origin / this.stride) % this.issued.length;
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
    average(this.recentLosses, (mixture) => mixture.losses);
    average(this.anchorShares, (mixture) => mixture.anchorShares);
    average(this.regression.coefficients, (mixture) => mixture.regression.coefficients);
    this.errors.adopt(
      similar.map((mixture) => mixture.errors),
      ADOPTED_STEPS,
    );
    this.scored = Math.min(ADOPTED_STEPS, ...similar.map((mixture) => mixture.scored));
    this.reweigh();
  }

  /** Follows a change of the memory's scale. */
  carry(over: (z: number) => number): void {
    for (let i = 0; i < this.issued.length; i++) this.issued[i] = over(this.issued[i]);
  }

  arrays(): readonly Float32Array[] {
    return [
      this.losses,
      this.recentLosses,
      this.anchorShares,
      this.anchorSquares,
      ...this.errors.arrays(),
      ...this.regression.arrays(),
      this.issued,
      this.scaleAbove,
      this.scaleBelow,
    ];
  }
}
