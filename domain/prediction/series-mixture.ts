/**
 * One forecast horizon of a series: the losses of its experts, its two regressions, the mixture that is issued and
 * the errors that this mixture made. A forecaster holds one per knot of its horizon grid.
 */
import { ErrorHistogram } from './interval-histogram.js';
import { EXPERT_COUNT, FEATURE_PRIOR, readExperts, REGRESSION_EXPERT } from './series-experts.js';
import { ORIGINS_KEPT, slot, type SeriesMemory } from './series-memory.js';
import { RecursiveRegression } from './series-regression.js';

/** Losses are means over about this many steps: recent accuracy decides. */
const LOSS_STEPS = 100;
/** Weight of an expert is its loss, relative to the best, to the power of minus this: polynomial weights
 * (Cesa-Bianchi & Lugosi, Prediction, Learning, and Games, section 2.1), which keep near-equals together. */
const WEIGHT_POWER = 4;
/** Regression errors beyond this multiple of the mean loss are clipped: an outlier teaches only so much. */
const CLIP_LOSSES = 4;
/** A regression may leave the seen range by this share of it. */
const RANGE_MARGIN = 0.1;
/** Forgetting of the steady and of the quick regression: about 500 and 100 steps. */
const FORGETTING = [0.998, 0.99] as const;
/** Weight of an error against the next younger one: intervals follow about the last 200 steps. */
const ERROR_FADE = 0.995;
/** Below this, losses are equal: the series is constant. */
const LOSS_FLOOR = 1e-9;

const experts = new Float64Array(EXPERT_COUNT);
const features = new Float64Array(FEATURE_PRIOR.length);

export class HorizonMixture {
  readonly losses = new Float32Array(EXPERT_COUNT);
  readonly weights = new Float32Array(EXPERT_COUNT).fill(1 / EXPERT_COUNT);
  readonly errors = new ErrorHistogram(ERROR_FADE);
  /** Targets scored so far. */
  scored = 0;
  private readonly regressions = FORGETTING.map((rate) => new RecursiveRegression(FEATURE_PRIOR, rate));
  /** What was issued at each recent origin, and the error scale then; 0 where nothing was. */
  private readonly issued = new Float32Array(ORIGINS_KEPT);
  private readonly issuedScale = new Float32Array(ORIGINS_KEPT);

  /** `steps` is how far ahead this horizon looks, from 1 to ORIGINS_KEPT - 1. */
  constructor(
    private readonly memory: SeriesMemory,
    readonly steps: number,
  ) {}

  /** The mixture's forecast of z at `target` from `origin`. */
  point(origin: number, target: number): number {
    this.read(origin, target);
    let sum = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) sum += this.weights[i] * experts[i];
    return sum;
  }

  private read(origin: number, target: number): void {
    const level = readExperts(this.memory, origin, target, experts, features);
    this.regressions.forEach((regression, i) => {
      experts[REGRESSION_EXPERT + i] = this.memory.clamp(level + regression.predict(features), RANGE_MARGIN);
    });
  }

  /** Scores the forecasts of step `target` with its value `z`, then learns from it. `target` is not yet appended. */
  learn(target: number, z: number): void {
    const origin = target - this.steps;
    if (origin < 1) return;
    this.read(origin, target);
    const share = 1 / Math.min(++this.scored, LOSS_STEPS);
    let best = Infinity;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      this.losses[i] += share * (Math.abs(z - experts[i]) - this.losses[i]);
      best = Math.min(best, this.losses[i]);
    }
    this.reweigh(best);
    const scale = this.issuedScale[slot(origin)];
    if (scale > 0) this.errors.count((z - this.issued[slot(origin)]) / scale);
    this.regressions.forEach((regression, i) => {
      const limit = CLIP_LOSSES * Math.max(this.losses[REGRESSION_EXPERT + i], LOSS_FLOOR);
      const error = z - experts[REGRESSION_EXPERT + i];
      regression.learn(features, Math.max(-limit, Math.min(limit, error)));
    });
  }

  private reweigh(best: number): void {
    let total = 0;
    for (let i = 0; i < EXPERT_COUNT; i++) {
      const ratio = (best + LOSS_FLOOR) / (this.losses[i] + LOSS_FLOOR);
      const weight = ratio ** WEIGHT_POWER;
      this.weights[i] = weight;
      total += weight;
    }
    for (let i = 0; i < EXPERT_COUNT; i++) this.weights[i] /= total;
  }

  /** Records the forecast that `origin` (the newest step) issues for this horizon, in units of `scale`. */
  issue(origin: number, scale: number): void {
    this.issued[slot(origin)] = this.point(origin, origin + this.steps);
    this.issuedScale[slot(origin)] = scale;
  }

  /** What was issued at `origin`. */
  issuedAt(origin: number): number {
    return this.issued[slot(origin)];
  }

  /** Follows a change of the memory's scale. */
  carry(over: (z: number) => number): void {
    for (let i = 0; i < ORIGINS_KEPT; i++) this.issued[i] = over(this.issued[i]);
  }

  arrays(): readonly Float32Array[] {
    return [
      this.losses,
      this.weights,
      ...this.errors.arrays(),
      ...this.regressions.flatMap((regression) => regression.arrays()),
      this.issued,
      this.issuedScale,
    ];
  }
}
