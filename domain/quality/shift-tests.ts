/**
 * Two-sample tests of one column: is the current sample drawn from the same distribution as the reference?
 *
 * Both samples are samples: nothing takes the reference for the truth. All tests condition on the pooled values, so
 * they hold for any distribution, with ties, and with sparse categories. Each gives an effect with the size that
 * chance alone would give (`floor`) beside its p value: a difference counts only when it is both improbable and large.
 */
import {
  fisherSmallest,
  fisherTwoSided,
  gammaUpper,
  harmonicMeanP,
  kolmogorovUpper,
  lnHypergeometric,
  normalTwoSided,
  poissonUpper,
} from './shift-probability.js';

/** Values of one column with their counts in both samples. For numbers: every distinct value, ascending. */
export interface PairedCounts {
  readonly values: readonly (string | number)[];
  readonly reference: readonly number[];
  readonly current: readonly number[];
  /** Rows with a value, reference and current. Categories that occur once in all may be left out of `values`. */
  readonly present: readonly [number, number];
  /** Rows of left-out categories that occur once in all; absent: all of those left out; null: not known. */
  readonly singles?: readonly [number, number] | null;
}

/** Result of one test. `effect`, `floor` and `effectMin` share a scale; an effect counts when `effect - floor >= effectMin`. */
export interface ShiftTest {
  readonly test: string;
  readonly statistic: number;
  readonly effect: number;
  readonly floor: number;
  readonly effectMin: number;
  readonly p: number;
  /** Share of this test in the column's combined p value. */
  readonly weight: number;
  readonly reason: string;
}

/** Expected count below which a cell joins the pool of rare values (Cochran 1954, Biometrics 10:417). */
const EXPECTED_MIN = 5;
/** Least Jensen-Shannon distance above its floor: a 50:50 mix that moves by four points. A population stability index of .007. */
const JS_MIN = 0.03;
/** Least distance of the cumulative shares above its floor: one row in forty lies on the other side of some value. */
const KS_MIN = 0.025;
/** Least relative change |q - p| / (q + p) of one category above its floor: a share that falls by a third or grows by half. */
const RELATIVE_MIN = 0.2;
/** Least change, in shares of all rows, of the values that occur once: a misspelling in one row of a hundred. */
const SINGLES_MIN = 0.01;
/** A category whose best possible p, over all categories, stays above this can never alarm and is not tested (Tarone 1990). */
const TESTABLE_P = 1.5e-3;
/** Weight of the test of single classes, each of the others having 1: most harm is done to one rare class. */
const SINGLE_WEIGHT = 3;
/** E|Z| of a standard normal: the noise floor of an effect is this many standard deviations. */
const MEAN_ABS_NORMAL = Math.sqrt(2 / Math.PI);

const percent = (share: number): string => `${Number((100 * share).toPrecision(3))} %`;

/**
 * Tests of unordered values: a contingency test over the frequent values (rare ones pooled), an exact test of each
 * value that could alarm, and for the rare values a test of how many the samples share.
 *
 * Returns no test when nothing can be said: fewer than two values, an empty sample, or only values that occur once.
 */
export function categoryTests(column: PairedCounts): ShiftTest[] {
  const [n1, n2] = column.present;
  if (n1 === 0 || n2 === 0) return [];
  const smaller = Math.min(n1, n2) / (n1 + n2);
  const frequent: number[] = [];
  const rare: number[] = [];
  column.values.forEach((_, i) => {
    const expected = (column.reference[i] + column.current[i]) * smaller;
    (expected >= EXPECTED_MIN ? frequent : rare).push(i);
  });
  return [
    contingencyTest(column, frequent, n1, n2),
    singleTest(column, n1, n2),
    sharedTest(column, rare, n1, n2),
    singlesTest(column, n1, n2),
  ].filter((test) => test !== null);
}

/**
 * Pearson's X^2 of the 2 x k table. Its p comes from a gamma law with the exact permutation mean and variance
 * (Haldane 1940, Biometrika 31:346; Mielke & Berry 1985, Biometrics 41:633), which also holds for uneven tables.
 */
function contingencyTest(column: PairedCounts, frequent: readonly number[], n1: number, n2: number): ShiftTest | null {
  const cells = frequent.map((i): [number, number] => [column.reference[i], column.current[i]]);
  const pool: [number, number] = [
    n1 - cells.reduce((sum, cell) => sum + cell[0], 0),
    n2 - cells.reduce((sum, cell) => sum + cell[1], 0),
  ];
  const total = n1 + n2;
  if (((pool[0] + pool[1]) * Math.min(n1, n2)) / total >= EXPECTED_MIN) cells.push(pool);
  const m1 = cells.reduce((sum, cell) => sum + cell[0], 0);
  const m2 = cells.reduce((sum, cell) => sum + cell[1], 0);
  const k = cells.length;
  if (k < 2 || m1 === 0 || m2 === 0) return null;
  let statistic = 0;
  let divergence = 0;
  let inverse = 0;
  for (const [x, y] of cells) {
    const t = x + y;
    const expected = (t * m2) / (m1 + m2);
    statistic += ((y - expected) ** 2 / expected) * ((m1 + m2) / m1);
    const middle = (x / m1 + y / m2) / 2;
    divergence += (entropyTerm(x / m1, middle) + entropyTerm(y / m2, middle)) / 2;
    inverse += 1 / t;
  }
  const { mean, variance } = chiSquareMoments(m1, m2, k, inverse);
  return {
    test: 'chi-square',
    statistic,
    effect: Math.sqrt(Math.max(0, divergence)),
    // Expected JS distance of two samples of one distribution: sqrt((k-1)/8 (1/n1 + 1/n2)).
    floor: Math.sqrt(((k - 1) / 8) * (1 / m1 + 1 / m2)),
    effectMin: JS_MIN,
    p: gammaUpper((mean * mean) / variance, (statistic * mean) / variance),
    weight: 1,
    reason: `mix of ${k} classes`,
  };
}

function entropyTerm(share: number, middle: number): number {
  return share > 0 ? share * Math.log(share / middle) : 0;
}

/** Mean and variance of X^2 of a 2 x k table over all permutations of the rows; `inverse` is the sum of 1 / column totals. */
export function chiSquareMoments(
  n1: number,
  n2: number,
  k: number,
  inverse: number,
): { readonly mean: number; readonly variance: number } {
  const n = n1 + n2;
  const mean = (n * (k - 1)) / (n - 1);
  const mu1 = (n * (1 / n1 + 1 / n2) - 4) / (n - 2);
  const mu2 = (n * inverse - k * k) / (n - 2);
  const nu1 = (n - 2) / (n - 1);
  const nu2 = ((k - 1) * (n - k)) / (n - 1);
  return { mean, variance: ((2 * n) / (n - 3)) * (nu1 - mu1) * (nu2 - mu2) + ((n * n) / (n - 1)) * mu1 * mu2 };
}

/** Exact test of each value against all others; the value with the smallest p speaks for them. */
function singleTest(column: PairedCounts, n1: number, n2: number): ShiftTest | null {
  const total = n1 + n2;
  const testable = column.values
    .map((value, i) => ({ value, x: column.reference[i], y: column.current[i] }))
    .filter(({ x, y }) => fisherSmallest(total, x + y, n2) * column.values.length <= TESTABLE_P);
  if (testable.length === 0) return null;
  const tested = testable.map((cell) => ({ ...cell, p: fisherTwoSided(cell.y, total, cell.x + cell.y, n2) }));
  // Both classes of a pair have the same p: the rarer one speaks, since to it the change is larger.
  const least = tested.reduce((a, b) => (compareCells(a, b) <= 0 ? a : b));
  const before = least.x / n1;
  const after = least.y / n2;
  const share = (least.x + least.y) / total;
  const deviation = Math.sqrt(share * (1 - share) * (1 / n1 + 1 / n2));
  return {
    test: 'fisher',
    statistic: (after - before) / deviation,
    effect: Math.abs(after - before) / (after + before),
    floor: Math.min(1, (MEAN_ABS_NORMAL * deviation) / (after + before)),
    effectMin: RELATIVE_MIN,
    // Inverse class frequency as weight: changes of common classes show in the contingency test anyway.
    p: harmonicMeanP(tested.map(({ p, x, y }) => ({ p, weight: 1 / (x + y) }))),
    weight: SINGLE_WEIGHT,
    reason: `share of ${JSON.stringify(least.value)}: ${percent(before)} -> ${percent(after)}`,
  };
}

interface Cell {
  readonly value: string | number;
  readonly x: number;
  readonly y: number;
  readonly p: number;
}
function compareCells(a: Cell, b: Cell): number {
  // The p of two complementary classes differ in the last digits only.
  if (Math.abs(a.p - b.p) > 1e-6 * Math.max(a.p, b.p)) return a.p - b.p;
  return a.x + a.y - (b.x + b.y) || (a.value < b.value ? -1 : 1);
}

/**
 * How many of the rare values (seen at least twice) occur in one sample only, against what the same pooled counts give
 * by chance. The p is Poisson's upper tail, which bounds that of a sum of independent trials (Hoeffding 1956).
 * It sees a column whose values were all replaced, where every single value is too rare to tell.
 */
function sharedTest(column: PairedCounts, rare: readonly number[], n1: number, n2: number): ShiftTest | null {
  const total = n1 + n2;
  let tested = 0;
  let alone = 0;
  let expected = 0;
  for (const i of rare) {
    const t = column.reference[i] + column.current[i];
    if (t < 2) continue;
    tested++;
    if (column.reference[i] === 0 || column.current[i] === 0) alone++;
    if (t <= n1) expected += Math.exp(lnHypergeometric(0, total, t, n2));
    if (t <= n2) expected += Math.exp(lnHypergeometric(0, total, t, n1));
  }
  if (tested === 0) return null;
  return {
    test: 'shared-values',
    statistic: alone,
    effect: Math.max(0, alone - expected) / tested,
    floor: (MEAN_ABS_NORMAL * Math.sqrt(expected)) / tested,
    effectMin: RELATIVE_MIN,
    p: poissonUpper(expected, alone),
    weight: 1,
    reason: `${alone} of ${tested} rare values occur on one side only, ${expected.toFixed(1)} expected`,
  };
}

/**
 * Rows whose value occurs once in both samples together: by chance each is of the current sample with the share of its rows,
 * so that their number is hypergeometric. It sees misspellings and foreign values, each of which is too rare to tell.
 */
function singlesTest(column: PairedCounts, n1: number, n2: number): ShiftTest | null {
  if (column.singles === null) return null;
  const listed = [column.reference, column.current].map((counts) => counts.reduce((sum, count) => sum + count, 0));
  let [before, after] = column.singles ?? [n1 - listed[0], n2 - listed[1]];
  column.values.forEach((_, i) => {
    if (column.reference[i] + column.current[i] === 1)
      [before, after] = [before + column.reference[i], after + column.current[i]];
  });
  const total = n1 + n2;
  const singles = before + after;
  if (singles < 1 || fisherSmallest(total, singles, n2) > TESTABLE_P) return null;
  const share = singles / total;
  const deviation = Math.sqrt(share * (1 - share) * (1 / n1 + 1 / n2));
  const change = after / n2 - before / n1;
  return {
    test: 'single-values',
    statistic: deviation === 0 ? 0 : change / deviation,
    effect: Math.abs(change),
    floor: MEAN_ABS_NORMAL * deviation,
    effectMin: SINGLES_MIN,
    p: fisherTwoSided(after, total, singles, n2),
    weight: 1,
    reason: `rows whose value no other row has: ${percent(before / n1)} -> ${percent(after / n2)}`,
  };
}

/**
 * Tests of ordered values: location (Wilcoxon 1945), scale (Mood 1954) and any difference (Kolmogorov-Smirnov), with
 * midranks and exact permutation variances, so that ties are no approximation. The effect of all three is the largest
 * difference of the cumulative shares. Values that repeat are also tested as categories (a spike at a default value).
 *
 * @param column distinct values, ascending
 */
export function numberTests(column: PairedCounts): ShiftTest[] {
  const [n1, n2] = column.present;
  const k = column.values.length;
  if (n1 === 0 || n2 === 0 || k < 2) return [];
  const total = n1 + n2;
  let below = 0;
  let gap = 0;
  let distance = 0;
  const ranks = new Float64Array(k);
  for (let i = 0; i < k; i++) {
    const t = column.reference[i] + column.current[i];
    ranks[i] = (below + t / 2) / total - 0.5;
    below += t;
    gap += column.current[i] / n2 - column.reference[i] / n1;
    distance = Math.max(distance, Math.abs(gap));
  }
  const effective = Math.sqrt((n1 * n2) / total);
  // E[D] = sqrt(pi/2) ln 2 / sqrt(n1 n2 / (n1 + n2)), the mean of Kolmogorov's law.
  const shared = {
    effect: distance,
    floor: (Math.sqrt(Math.PI / 2) * Math.LN2) / effective,
    effectMin: KS_MIN,
    weight: 1,
  };
  const location = rankZ(column, ranks, n1, n2);
  const scale = rankZ(
    column,
    ranks.map((rank) => rank * rank),
    n1,
    n2,
  );
  const lambda = distance * effective;
  const tests: ShiftTest[] = [
    {
      ...shared,
      test: 'wilcoxon',
      statistic: location,
      p: normalTwoSided(location),
      reason: `values ${location > 0 ? 'rose' : 'fell'}`,
    },
    {
      ...shared,
      test: 'mood',
      statistic: scale,
      p: normalTwoSided(scale),
      reason: `values spread ${scale > 0 ? 'out' : 'less'}`,
    },
    {
      ...shared,
      test: 'kolmogorov-smirnov',
      statistic: lambda,
      p: kolmogorovUpper(lambda),
      reason: 'the shape changed',
    },
  ];
  // That hardly any value occurs twice is what numbers are like.
  const repeated = categoryTests({ ...column, singles: null });
  return [...tests, ...repeated.map((test) => ({ ...test, weight: 1 / repeated.length }))];
}

/** Standardised sum of the scores of the current sample, with its exact permutation variance; 0 when all scores are equal. */
function rankZ(column: PairedCounts, scores: Float64Array, n1: number, n2: number): number {
  const total = n1 + n2;
  let mean = 0;
  scores.forEach((score, i) => (mean += (score * (column.reference[i] + column.current[i])) / total));
  let squares = 0;
  let current = 0;
  scores.forEach((score, i) => {
    squares += (score - mean) ** 2 * (column.reference[i] + column.current[i]);
    current += (score - mean) * column.current[i];
  });
  const variance = (n1 * n2 * squares) / (total * (total - 1));
  return variance > 0 ? current / Math.sqrt(variance) : 0;
}
