/**
 * The only door to ml-regression. The library ships no types, answers NaN for one point or a constant x, lets NaN
 * through and calls squared correlation r2; here inputs are checked first, failures are values, and the score is
 * computed from the residuals.
 */
// @ts-expect-error ml-regression ships no types; the interface below is what is used of it.
import * as library from 'ml-regression';

interface SimpleModel {
  readonly slope: number;
  readonly intercept: number;
}
interface MultivariateModel {
  predict(rows: readonly (readonly number[])[]): number[][];
  /** One row per feature, then the intercept. */
  readonly weights: number[][];
}
interface RegressionLibrary {
  readonly SimpleLinearRegression: new (x: readonly number[], y: readonly number[]) => SimpleModel;
  readonly MultivariateLinearRegression: new (
    x: readonly (readonly number[])[],
    y: readonly (readonly number[])[],
    options: { readonly statistics: false },
  ) => MultivariateModel;
}
const { SimpleLinearRegression, MultivariateLinearRegression } = library as RegressionLibrary;

/** Why a regression has no answer. */
export interface RegressionFailure {
  readonly failure: 'too-few-points' | 'constant-x' | 'not-finite' | 'ragged-rows' | 'dependent-columns';
}

export interface LinearTrend {
  /** Change of the value per step. */
  readonly slope: number;
  /** Value of the line at the first step. */
  readonly intercept: number;
  readonly n: number;
  /** 1 - residual sum of squares / total sum of squares; 1 for a constant series, which the line meets exactly. */
  readonly r2: number;
}

/** Share of a series' variance that predictions explain: at most 1, negative where they are worse than the mean. */
export function explainedVariance(actual: readonly number[], predicted: readonly number[]): number {
  const mean = actual.reduce((sum, value) => sum + value, 0) / actual.length;
  let residual = 0;
  let total = 0;
  actual.forEach((value, i) => {
    residual += (value - predicted[i]) ** 2;
    total += (value - mean) ** 2;
  });
  if (total === 0) return residual === 0 ? 1 : 0;
  return 1 - residual / total;
}

/**
 * Least-squares line through equally spaced values (x = 0, 1, 2 ...). Fewer than two values and values that are not
 * finite are a failure. The scale is divided out first, so that values near the largest number do not overflow.
 */
export function linearTrend(values: readonly number[]): LinearTrend | RegressionFailure {
  if (values.some((value) => !Number.isFinite(value))) return { failure: 'not-finite' };
  const n = values.length;
  if (n < 2) return { failure: 'too-few-points' };
  const first = values[0];
  if (values.every((value) => value === first)) return { slope: 0, intercept: first, n, r2: 1 };
  const scale = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const steps = values.map((_, step) => step);
  const scaled = values.map((value) => value / scale);
  const model = new SimpleLinearRegression(steps, scaled);
  const line = steps.map((step) => model.intercept + model.slope * step);
  return { slope: model.slope * scale, intercept: model.intercept * scale, n, r2: explainedVariance(scaled, line) };
}

/** A fitted linear model: prediction = intercept + sum of coefficients x features. */
export interface LinearModel {
  readonly coefficients: readonly number[];
  readonly intercept: number;
  readonly n: number;
  readonly r2: number;
}

/**
 * Multivariate least squares of `targets` on `rows` (one feature row per target). Fails as a value where there are
 * not more rows than coefficients, where rows differ in length, hold a number that is not finite, or where columns
 * determine each other so far that the answer is not finite.
 */
export function linearModel(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
): LinearModel | RegressionFailure {
  const width = rows.at(0)?.length ?? 0;
  if (rows.length !== targets.length || rows.some((row) => row.length !== width)) return { failure: 'ragged-rows' };
  if (width === 0 || rows.length <= width + 1) return { failure: 'too-few-points' };
  if (rows.some((row) => !row.every(Number.isFinite)) || !targets.every(Number.isFinite)) {
    return { failure: 'not-finite' };
  }
  const model = new MultivariateLinearRegression(
    rows,
    targets.map((target) => [target]),
    { statistics: false },
  );
  const weights = model.weights.map((row) => row[0]);
  if (!weights.every(Number.isFinite)) return { failure: 'dependent-columns' };
  const predicted = model.predict(rows).map((row) => row[0]);
  const intercept = weights.at(-1)!;
  return { coefficients: weights.slice(0, -1), intercept, n: rows.length, r2: explainedVariance(targets, predicted) };
}
