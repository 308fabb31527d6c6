/**
 * Recursive least squares with exponential forgetting (Haykin, Adaptive Filter Theory, 4th ed., table 9.1),
 * started from a prior instead of from data, with the covariance bounded so that quiet stretches cannot blow it up.
 */

/** Ridge on each coefficient before the first value: a tenth of one squared unit of the (asinh) domain. */
const PRIOR_RIDGE = 0.1;
/** The covariance may grow to this multiple of its start before it is scaled back. */
const COVARIANCE_GROWTH_MAX = 10;

export class RecursiveRegression {
  readonly coefficients: Float32Array;
  private readonly covariance: Float32Array;
  private readonly gain: Float64Array;

  /** `forgetting` in (0, 1]: weight of an observation against the next younger one. */
  constructor(
    prior: readonly number[],
    readonly forgetting: number,
  ) {
    const size = prior.length;
    this.coefficients = Float32Array.from(prior);
    this.covariance = new Float32Array((size * (size + 1)) / 2);
    for (let i = 0; i < size; i++) this.covariance[(i * (i + 3)) / 2] = 1 / PRIOR_RIDGE;
    this.gain = new Float64Array(size);
  }

  predict(features: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < this.coefficients.length; i++) sum += this.coefficients[i] * features[i];
    return sum;
  }

  /** Learns from one observation whose forecast missed by `error` (already clipped by the caller). */
  learn(features: Float64Array, error: number): void {
    const { coefficients, covariance, gain } = this;
    const size = coefficients.length;
    gain.fill(0);
    // The covariance is symmetric: only its lower triangle is kept, row after row.
    for (let i = 0, cell = 0; i < size; i++) {
      const featureI = features[i];
      let sum = 0;
      for (let j = 0; j < i; j++, cell++) {
        sum += covariance[cell] * features[j];
        gain[j] += covariance[cell] * featureI;
      }
      gain[i] += sum + covariance[cell++] * featureI;
    }
    let denominator = this.forgetting;
    for (let i = 0; i < size; i++) denominator += gain[i] * features[i];
    const inverse = 1 / denominator;
    const growth = 1 / this.forgetting;
    let trace = 0;
    for (let i = 0, cell = 0; i < size; i++) {
      const step = gain[i] * inverse;
      coefficients[i] += step * error;
      for (let j = 0; j <= i; j++, cell++) covariance[cell] = (covariance[cell] - step * gain[j]) * growth;
      trace += covariance[cell - 1];
    }
    const limit = (COVARIANCE_GROWTH_MAX * size) / PRIOR_RIDGE;
    if (trace > limit) for (let i = 0; i < covariance.length; i++) covariance[i] *= limit / trace;
  }

  arrays(): readonly Float32Array[] {
    return [this.coefficients, this.covariance];
  }
}
