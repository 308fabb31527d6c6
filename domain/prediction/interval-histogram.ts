/**
 * A decayed histogram of standardised forecast errors: adaptive conformal quantiles in constant time and memory.
 *
 * Errors are counted in bins that are equal in asinh(error), so the centre is resolved finely and the tails are
 * still covered. Old errors fade: the quantiles follow a change of the series (weighted conformal prediction,
 * Barber et al., arXiv 2202.13415, with geometric weights).
 */

/** Half of the bins; the outermost stands for errors of sinh(32/8) = 27 scales and more. */
const HALF = 32;
const BINS_PER_UNIT = 8;
/** Quantile of an unscaled error where nothing was counted yet, in scales (three sigma of a normal error). */
const UNKNOWN_ERROR_SCALES = 3;
/** The increment grows instead of every bin shrinking; beyond this both are scaled back. */
const INCREMENT_MAX = 1e6;

export class ErrorHistogram {
  private readonly bins = new Float32Array(2 * HALF + 1);
  /** `fade` in (0, 1] is the weight of an error against the next younger one. */
  constructor(private readonly fade: number) {}

  /** Weight of the next error, and total weight. */
  private readonly weights = new Float32Array([1, 0]);

  count(error: number): void {
    const bin = HALF + Math.round(BINS_PER_UNIT * Math.asinh(error));
    const increment = this.weights[0];
    this.bins[Math.max(0, Math.min(2 * HALF, bin))] += increment;
    this.weights[1] += increment;
    this.weights[0] = increment / this.fade;
    if (this.weights[0] < INCREMENT_MAX) return;
    for (const values of [this.bins, this.weights]) {
      for (let i = 0; i < values.length; i++) values[i] /= INCREMENT_MAX;
    }
  }

  /** The error that a share `probability` of the counted ones does not exceed, in scales. */
  quantile(probability: number): number {
    const total = this.weights[1];
    if (total < 2 * this.weights[0]) return UNKNOWN_ERROR_SCALES * Math.sign(probability - 0.5);
    const target = probability * total;
    let sum = 0;
    for (let bin = 0; bin <= 2 * HALF; bin++) {
      const weight = this.bins[bin];
      if (weight > 0 && sum + weight >= target) {
        return Math.sinh((bin - HALF - 0.5 + (target - sum) / weight) / BINS_PER_UNIT);
      }
      sum += weight;
    }
    return Math.sinh((HALF + 0.5) / BINS_PER_UNIT);
  }

  arrays(): readonly Float32Array[] {
    return [this.bins, this.weights];
  }
}
