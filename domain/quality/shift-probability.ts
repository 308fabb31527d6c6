/** Tail probabilities of the two-sample tests, and the two rules that combine them. Relative accuracy holds in the tails. */

/** Lanczos coefficients for g = 7, n = 9 (Godfrey 2001); relative error below 1e-14. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Gamma(x) for x > 0 (Lanczos 1964). */
export function lnGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - lnGamma(1 - x);
  const z = x - 1;
  let sum = LANCZOS[0];
  for (let i = 1; i < LANCZOS.length; i++) sum += LANCZOS[i] / (z + i);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Terms after which series and continued fraction have converged for every a below 1e8 (they need about 6 sqrt a). */
const MAX_TERMS = 100_000;

/** Lower regularised incomplete gamma P(a, x) by its series (Abramowitz & Stegun 6.5.29). For x < a + 1. */
function gammaSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let i = 1; i < MAX_TERMS && term > sum * 1e-16; i++) {
    term *= x / (a + i);
    sum += term;
  }
  return sum * Math.exp(a * Math.log(x) - x - lnGamma(a));
}

/** Upper regularised incomplete gamma Q(a, x) by its continued fraction (A&S 6.5.31, Lentz's method). For x >= a + 1. */
function gammaFraction(a: number, x: number): number {
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < MAX_TERMS; i++) {
    const an = -i * (i - a);
    b += 2;
    d = 1 / (an * d + b || tiny);
    c = b + an / c || tiny;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-15) break;
  }
  return h * Math.exp(a * Math.log(x) - x - lnGamma(a));
}

/** Q(a, x), the upper tail of a gamma variable with shape a > 0 and scale 1, at x. */
export function gammaUpper(a: number, x: number): number {
  if (x <= 0) return 1;
  return x < a + 1 ? 1 - gammaSeries(a, x) : gammaFraction(a, x);
}

/** P(Poisson(mean) >= count) = P(count, mean). */
export function poissonUpper(mean: number, count: number): number {
  if (count <= 0) return 1;
  if (mean <= 0) return 0;
  return mean < count + 1 ? gammaSeries(count, mean) : 1 - gammaFraction(count, mean);
}

/** Two-sided tail of a standard normal: P(|Z| >= |z|) = Q(1/2, z^2/2). */
export function normalTwoSided(z: number): number {
  return gammaUpper(0.5, (z * z) / 2);
}

/** Kolmogorov's limit law: P(sqrt(n) D >= lambda) = 2 sum (-1)^(k-1) exp(-2 k^2 lambda^2) (Kolmogorov 1933). */
export function kolmogorovUpper(lambda: number): number {
  // Below .2 the tail is 1 to the last digit and the alternating series no longer converges quickly.
  if (lambda < 0.2) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) {
    const term = Math.exp(-2 * k * k * lambda * lambda);
    sum += k % 2 === 1 ? term : -term;
    if (term < 1e-17 * sum) break;
  }
  return Math.min(1, 2 * sum);
}

function lnChoose(n: number, k: number): number {
  return lnGamma(n + 1) - lnGamma(k + 1) - lnGamma(n - k + 1);
}

/** ln P(X = x) for X hypergeometric: `drawn` of `total`, `marked` of which count. */
export function lnHypergeometric(x: number, total: number, marked: number, drawn: number): number {
  return lnChoose(marked, x) + lnChoose(total - marked, drawn - x) - lnChoose(total, drawn);
}

/**
 * Two-sided exact test of one category (Fisher 1935; twice the smaller tail): of `total` rows `marked` are of the
 * category, `drawn` lie in the second sample, `x` are both. The tail is summed until its terms vanish.
 */
export function fisherTwoSided(x: number, total: number, marked: number, drawn: number): number {
  const lowest = Math.max(0, drawn + marked - total);
  const highest = Math.min(marked, drawn);
  const step = x * total > marked * drawn ? 1 : -1;
  const end = step > 0 ? highest : lowest;
  let term = 1;
  let sum = 1;
  for (let k = x; k !== end && term > sum * 1e-15; k += step) {
    // Ratio of neighbouring hypergeometric probabilities.
    term *=
      step > 0
        ? ((marked - k) * (drawn - k)) / ((k + 1) * (total - marked - drawn + k + 1))
        : (k * (total - marked - drawn + k)) / ((marked - k + 1) * (drawn - k + 1));
    sum += term;
  }
  return Math.min(1, 2 * sum * Math.exp(lnHypergeometric(x, total, marked, drawn)));
}

/** The smallest p that `fisherTwoSided` can give with these margins. */
export function fisherSmallest(total: number, marked: number, drawn: number): number {
  const lowest = Math.max(0, drawn + marked - total);
  const highest = Math.min(marked, drawn);
  const ends = Math.min(
    lnHypergeometric(lowest, total, marked, drawn),
    lnHypergeometric(highest, total, marked, drawn),
  );
  return Math.min(1, 2 * Math.exp(ends));
}

/** A p value and its weight in a combination. */
export interface WeightedP {
  readonly p: number;
  readonly weight: number;
}

/**
 * One p value for several dependent ones: the weighted harmonic mean (Wilson 2019, PNAS 116:1195, eq. 1). For small p
 * it is a valid p value whatever the dependence, never above weighted Bonferroni, and loses nothing where the tests
 * agree. 1 for none.
 */
export function harmonicMeanP(parts: readonly WeightedP[]): number {
  const weights = parts.reduce((sum, part) => sum + part.weight, 0);
  if (weights === 0) return 1;
  const sum = parts.reduce((total, part) => total + part.weight / Math.max(part.p, Number.MIN_VALUE), 0);
  return Math.min(1, weights / sum);
}

/**
 * Benjamini-Hochberg adjusted p values (1995, J. R. Stat. Soc. B 57:289), in the order given:
 * adjusted(i) = min over j >= i of p(j) m / j. O(m log m).
 */
export function benjaminiHochberg(p: readonly number[]): number[] {
  const order = p.map((_, index) => index).sort((a, b) => p[a] - p[b] || a - b);
  const adjusted = new Array<number>(p.length);
  let least = 1;
  for (let rank = order.length; rank >= 1; rank--) {
    const index = order[rank - 1];
    least = Math.min(least, p[index] * (p.length / rank));
    adjusted[index] = least;
  }
  return adjusted;
}

/** Terms that are this much smaller than the sum add nothing to it. */
const NEGLIGIBLE = 1e-17;

/**
 * P(X >= count) of a beta-binomial law: `count` of `drawn` rows whose rate has the law Beta(a, b) (Skellam 1948, JRSS B 10:257). Its terms are
 * unimodal: summed from `count` on above the mode, and from below it as what is left. Cost: O(drawn) at most.
 */
export function betaBinomialUpper(count: number, drawn: number, a: number, b: number): number {
  if (count <= 0) return 1;
  if (count > drawn) return 0;
  const above = count > (drawn * a) / (a + b);
  let sum = 0;
  let term = Math.exp(lnBetaBinomial(above ? count : count - 1, drawn, a, b));
  const [first, step] = above ? [count, 1] : [count - 1, -1];
  for (let x = first; x >= 0 && x <= drawn && term > NEGLIGIBLE * sum; x += step) {
    sum += term;
    // P(x + 1) / P(x) = (n - x)(a + x) / ((x + 1)(n - x - 1 + b)).
    term *= above
      ? ((drawn - x) * (a + x)) / ((x + 1) * (drawn - x - 1 + b))
      : (x * (drawn - x + b)) / ((drawn - x + 1) * (a + x - 1));
  }
  return Math.min(1, Math.max(0, above ? sum : 1 - sum));
}

function lnBetaBinomial(x: number, n: number, a: number, b: number): number {
  const lnBeta = (p: number, q: number): number => lnGamma(p) + lnGamma(q) - lnGamma(p + q);
  return lnGamma(n + 1) - lnGamma(x + 1) - lnGamma(n - x + 1) + lnBeta(x + a, n - x + b) - lnBeta(a, b);
}
