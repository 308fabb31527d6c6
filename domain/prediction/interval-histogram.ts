/**
 * A decayed histogram of standardised forecast errors: adaptive conformal quantiles in constant time and memory.
 *
 * Errors are counted in bins that are equal in asinh(error), so the centre is resolved finely and the tails are
 * still covered. Old errors fade: the quantiles follow a change of the series (weighted conformal prediction,
 * Barber et al., arXiv 2202.13415, with geometric weights).
 */

/** Errors of sinh(4) = 27 scales and more share the outermost bins. */
const ASINH_MAX = 4;
/** Bins per unit of asinh(error): resolves errors near 0 to an eighth of a scale. */
const BINS_PER_UNIT = 8;
/** Medians of the tenths of a normal distribution: what is counted before the first error. */
const NORMAL_TENTHS = [-1.645, -1.036, -0.674, -0.385, -0.126, 0.126, 0.385, 0.674, 1.036, 1.645];
/** The increment grows instead of every bin shrinking; beyond this both are scaled back. */
const INCREMENT_MAX = 1e6;

export class ErrorHistogram {
  /** Bins on either side of the one of no error. */
  private readonly half: number;
  private readonly bins: Float32Array;
  /** Weight of the next error, and total weight. */
  private readonly weights = new Float32Array([1, 0]);

  /**
   * `fade` in (0, 1] is the weight of an error against the next younger one. Ten normal errors of standard deviation
   * `spread` stand for those that were not seen yet. `binsPerUnit` is the resolution.
   */
  constructor(
    private readonly fade: number,
    spread: number,
    private readonly binsPerUnit = BINS_PER_UNIT,
  ) {
    this.half = ASINH_MAX * binsPerUnit;
    this.bins = new Float32Array(2 * this.half + 1);
    for (const error of NORMAL_TENTHS) this.count(spread * error);
  }

  count(error: number): void {
    const { half } = this;
    const bin = half + Math.round(this.binsPerUnit * Math.asinh(error));
    const increment = this.weights[0];
    this.bins[Math.max(0, Math.min(2 * half, bin))] += increment;
    this.weights[1] += increment;
    this.weights[0] = increment / this.fade;
    if (this.weights[0] < INCREMENT_MAX) return;
    for (const values of [this.bins, this.weights]) {
      for (let i = 0; i < values.length; i++) values[i] /= INCREMENT_MAX;
    }
  }

  /** The error that a share `probability` of the counted ones does not exceed, in scales. */
  quantile(probability: number): number {
    const { half, binsPerUnit } = this;
    const total = this.weights[1];
    const target = probability * total;
    let sum = 0;
    for (let bin = 0; bin <= 2 * half; bin++) {
      const weight = this.bins[bin];
      if (weight > 0 && sum + weight >= target) {
        return Math.sinh((bin - half - 0.5 + (target - sum) / weight) / binsPerUnit);
      }
      sum += weight;
    }
    return Math.sinh((half + 0.5) / binsPerUnit);
  }

  /** Replaces the counts by the mean distribution of `others`, with the weight of `count` errors. */
  adopt(others: readonly ErrorHistogram[], count: number): void {
    for (let bin = 0; bin < this.bins.length; bin++) {
      const shares = others.reduce((sum, other) => sum + other.bins[bin] / other.weights[1], 0);
      this.bins[bin] = (count * shares) / others.length;
    }
    this.weights.set([1, count]);
  }

  arrays(): readonly Float32Array[] {
    return [this.bins, this.weights];
  }
}
