/**
 * Two samples of vectors (embeddings) of one dimension as counts that the tests of a column read. Where the samples differ most
 * is looked for in one half of the rows, and tested on the other half: the tests are as exact as for a column of numbers, in
 * any dimension (a two-sample test of the kind of Lopez-Paz & Oquab 2017, "Revisiting classifier two-sample tests", with
 * the two linear and quadratic directions in place of a trained classifier).
 */
import type { PairedCounts } from './shift-tests.js';
import type { PairedPart } from './shift.js';
import { normOf, planeSigns, rankOf } from './vector-state.js';
import { NEAR_COSINE } from './vectors.js';

type Vectors = readonly Float64Array[];

/** Steps of each power iteration: an eigenvalue that is a quarter ahead is separated to one part in a hundred. */
const POWER_STEPS = 24;
/** A place that varies by less than so much of its own size varies by rounding (numbers of 32 bits beside the same ones of 64). */
const CONSTANT = 1e-6;
/** Projections are told apart from so much of their deviation on: one vector written with 32 and with 64 bits is one value. */
const PROJECTION_STEP = 1e-4;
/** Vectors of one signature that are compared with each other: pairs grow with the square. */
const ALIKE_MAX = 64;

/**
 * The parts of a column of vectors that are tested.
 *
 * `mean`: the held-out rows along the difference of the means. `covariance`: along the direction in which the spread changed
 * most. `signature`: rows on the same side of each of sixteen random planes through the middle, which many rows of one place
 * are. `near-duplicates`: groups of rows of nearly one direction, against rows that stand alone, of as many rows of each side.
 *
 * @param reference finite vectors, all of one dimension, in an order that says nothing of them
 * @returns no part where a side has fewer than four rows. Cost: O(rows x dimension)
 */
export function vectorParts(reference: Vectors, current: Vectors): PairedPart[] {
  if (Math.min(reference.length, current.length) < 4) return [];
  const learned = [half(reference, 0), half(current, 0)] as const;
  const held = [half(reference, 1), half(current, 1)] as const;
  const { centre, scale } = standardOf([...learned[0], ...learned[1]]);
  const means = learned.map((vectors) => meanOf(vectors));
  const mean = scale.map((factor, at) => (means[1][at] - means[0][at]) * factor);
  const spread = spreadDirection(learned, means, scale);
  const along = (direction: Float64Array): PairedCounts => projected(held, centre, scale, direction);
  return [
    { name: 'mean', kind: 'number', counts: along(mean) },
    { name: 'covariance', kind: 'number', counts: along(spread) },
    { name: 'signature', kind: 'category', counts: signatureCounts(reference, current) },
    { name: 'near-duplicates', kind: 'category', counts: nearCounts(reference, current) },
  ];
}

function half(vectors: Vectors, parity: number): Vectors {
  return vectors.filter((_, index) => index % 2 === parity);
}

function meanOf(vectors: Vectors): Float64Array {
  const mean = new Float64Array(vectors[0].length);
  for (const vector of vectors) for (let at = 0; at < mean.length; at++) mean[at] += vector[at];
  return mean.map((sum) => sum / vectors.length);
}

/** Mean of each place, and 1 / its deviation: 0 where it is constant. */
function standardOf(vectors: Vectors): { readonly centre: Float64Array; readonly scale: Float64Array } {
  const centre = meanOf(vectors);
  const squares = new Float64Array(centre.length);
  for (const vector of vectors)
    for (let at = 0; at < squares.length; at++) squares[at] += (vector[at] - centre[at]) ** 2;
  const scale = squares.map((sum, at) => {
    const deviation = Math.sqrt(sum / vectors.length);
    return deviation <= CONSTANT * Math.abs(centre[at]) ? 0 : 1 / deviation;
  });
  return { centre, scale };
}

/**
 * The direction along which the variances of the two sides differ most: the eigenvector of the difference of the covariances
 * with the largest absolute eigenvalue, by power iteration. Shifted by the largest absolute eigenvalue either way: a
 * rotation has pairs +x, -x, between which a plain iteration never settles.
 */
function spreadDirection(
  sides: readonly [Vectors, Vectors],
  means: readonly Float64Array[],
  scale: Float64Array,
): Float64Array {
  const apply = (direction: Float64Array): Float64Array => {
    const [before, after] = sides.map((vectors, side) => covarianceTimes(vectors, means[side], scale, direction));
    return after.map((value, at) => value - before[at]);
  };
  const start = unit(scale.map((factor, at) => (factor === 0 ? 0 : planeSigns(at) & 1 ? 1 : -1)));
  const bound = Math.abs(iterate(apply, start, 0).value);
  const [up, down] = [bound, -bound].map((shift) => iterate(apply, start, shift));
  return Math.abs(up.value) >= Math.abs(down.value) ? up.direction : down.direction;
}

function unit(vector: Float64Array): Float64Array {
  const norm = normOf(vector);
  return norm === 0 ? vector : vector.map((value) => value / norm);
}

function iterate(apply: (direction: Float64Array) => Float64Array, start: Float64Array, shift: number) {
  let direction = start;
  let value = 0;
  for (let step = 0; step < POWER_STEPS; step++) {
    const next = apply(direction);
    value = next.reduce((sum, x, at) => sum + x * direction[at], 0);
    const shifted = next.map((x, at) => x + shift * direction[at]);
    // Without a difference there is no direction: any will do.
    if (!shifted.some((x) => x !== 0)) break;
    if (shift === 0) value = normOf(next);
    direction = unit(shifted);
  }
  return { direction, value };
}

/** Covariance of standardised vectors times a direction. */
function covarianceTimes(vectors: Vectors, mean: Float64Array, scale: Float64Array, direction: Float64Array) {
  const weights = direction.map((value, at) => value * scale[at]);
  const offset = mean.reduce((sum, value, at) => sum + value * weights[at], 0);
  const sums = new Float64Array(direction.length);
  let total = 0;
  for (const vector of vectors) {
    let product = -offset;
    for (let at = 0; at < vector.length; at++) product += vector[at] * weights[at];
    for (let at = 0; at < vector.length; at++) sums[at] += product * vector[at];
    total += product;
  }
  return sums.map((sum, at) => ((sum - total * mean[at]) * scale[at]) / vectors.length);
}

function projected(
  sides: readonly [Vectors, Vectors],
  centre: Float64Array,
  scale: Float64Array,
  direction: Float64Array,
): PairedCounts {
  const weights = direction.map((value, at) => value * scale[at]);
  const values = sides.map((vectors) =>
    vectors.map((vector) => {
      let sum = 0;
      for (let at = 0; at < vector.length; at++) sum += (vector[at] - centre[at]) * weights[at];
      return sum;
    }),
  );
  const all = values.flat();
  const step = PROJECTION_STEP * Math.sqrt(all.reduce((sum, x) => sum + x * x, 0) / all.length);
  const rounded = values.map((side) => side.map((x) => (step === 0 ? 0 : Math.round(x / step) + 0)));
  return pairedCounts(rounded[0], rounded[1], (a, b) => a - b);
}

function pairedCounts<Value extends string | number>(
  before: readonly Value[],
  after: readonly Value[],
  order: (a: Value, b: Value) => number,
): PairedCounts {
  const counts = new Map<Value, [number, number]>();
  [before, after].forEach((side, index) => {
    for (const value of side) {
      const known = counts.get(value);
      if (known === undefined) counts.set(value, index === 0 ? [1, 0] : [0, 1]);
      else known[index]++;
    }
  });
  const values = [...counts.keys()].sort(order);
  return {
    values,
    reference: values.map((value) => counts.get(value)![0]),
    current: values.map((value) => counts.get(value)![1]),
    present: [before.length, after.length],
  };
}

function signatureCounts(reference: Vectors, current: Vectors): PairedCounts {
  const centre = meanOf([...reference, ...current]);
  const [before, after] = [reference, current].map((vectors) =>
    vectors.map((vector) => rankOf(vector.map((value, at) => value - centre[at]))),
  );
  return pairedCounts(before, after, (a, b) => a - b);
}

/** Of as many rows of each side, since more rows have more near ones: a group of near rows counts once, else chance would count its rows together. */
function nearCounts(reference: Vectors, current: Vectors): PairedCounts {
  const rows = Math.min(reference.length, current.length);
  const [before, after] = [reference, current].map((vectors) => groupsOf(vectors.slice(0, rows)));
  return pairedCounts(before, after, (a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Each group of rows of one signature: whether two of them are of nearly one direction. */
function groupsOf(vectors: Vectors): ('alone' | 'near')[] {
  const groups = new Map<number, Float64Array[]>();
  for (const vector of vectors) {
    const norm = normOf(vector);
    // A vector without a direction is nobody's near duplicate.
    if (norm === 0) continue;
    const rank = rankOf(vector);
    const direction = vector.map((value) => value / norm);
    const group = groups.get(rank);
    if (group === undefined) groups.set(rank, [direction]);
    else if (group.length < ALIKE_MAX) group.push(direction);
  }
  return [...groups.values()].map((group) => (hasNear(group) ? 'near' : 'alone'));
}

function hasNear(group: Vectors): boolean {
  return group.some((a, i) =>
    group.slice(0, i).some((b) => a.reduce((sum, x, at) => sum + x * b[at], 0) >= NEAR_COSINE),
  );
}
