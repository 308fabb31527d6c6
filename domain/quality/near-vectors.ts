/** Vectors (embeddings) that nearly repeat those of an earlier row: a document that is there twice, a default, a flood of one text. */
import type { CellColumn } from './cell-table.js';
import type { Signal } from './detector/signal.js';
import { rankOf, normOf, readVector } from './vector-state.js';
import { NEAR_COSINE } from './vectors.js';

/** Half of those told are to be one text in fact: two texts may be meant to say the same. */
const SCORE = 0.5;
/** Vectors that their usual distance is told by: each is compared with each. */
const SAMPLE_MAX = 200;
/** Fewer do not tell how far apart vectors are. */
const ROWS_MIN = 30;
/** Share of rows that may stand so near to another by chance. */
const CHANCE = 1e-3;
/** Least factor between a near pair and what is usual, in however many dimensions: beyond, nearness is a matter of degree. */
const NEARER = 0.1;
/** A vector on more than this share of the rows repeats by custom (that of a product on each of its sales). */
const CUSTOM_SHARE = 0.1;
/** Vectors of one signature that others are compared with. */
const LEADERS_MAX = 64;

interface Direction {
  readonly code: number;
  readonly row: number;
  readonly unit: Float64Array;
}

/**
 * One signal for each row whose vector is nearly that of an earlier one: a cosine of .99 or more, and nearer than chance brings
 * one row in a thousand, as the distances between the others tell. Rows are compared that lie on the same side of sixteen
 * random planes: most near duplicates do (see `rankOf`), the others are not found.
 *
 * @param dimension the column's own; vectors of another, or without a direction, are left out
 */
export function nearVectorSignals(column: CellColumn, index: number, dimension: number): Signal[] {
  const directions = directionsOf(column, dimension);
  const far = usualDistance(directions);
  if (far === null) return [];
  const near = Math.min(Math.sqrt(2 - 2 * NEAR_COSINE), far);
  const groups = new Map<number, Direction[]>();
  const leaderOf = new Map<number, { readonly leader: Direction; readonly cosine: number }>();
  for (const direction of directions) {
    const rank = rankOf(direction.unit);
    const leaders = groups.get(rank) ?? [];
    groups.set(rank, leaders);
    const leader = leaders.find(({ unit }) => distance(unit, direction.unit) <= near);
    if (leader !== undefined)
      leaderOf.set(direction.code, { leader, cosine: 1 - distance(leader.unit, direction.unit) ** 2 / 2 });
    else if (leaders.length < LEADERS_MAX) leaders.push(direction);
  }
  const first = new Map(directions.map(({ code, row }) => [code, row]));
  const repeated = directions.reduce((sum, { code }) => sum + column.counts[code] - 1, 0);
  const isCustom = repeated > CUSTOM_SHARE * column.codes.length;
  const signals: Signal[] = [];
  column.codes.forEach((code, row) => {
    const own = first.get(code);
    if (own === undefined) return;
    const found = leaderOf.get(code);
    const evidence =
      found !== undefined
        ? `nearly the vector of row ${found.leader.row} (cosine ${found.cosine.toFixed(4)})`
        : own < row && !isCustom
          ? `the vector of row ${own}`
          : null;
    if (evidence !== null) signals.push({ row, column: index, kind: 'near-duplicate', score: SCORE, evidence });
  });
  return signals;
}

/** Distinct vectors by the first row that has them. */
function directionsOf(column: CellColumn, dimension: number): Direction[] {
  const seen = new Set<number>();
  const directions: Direction[] = [];
  column.codes.forEach((code, row) => {
    if (seen.has(code)) return;
    seen.add(code);
    const vector = readVector(column.values[code]);
    const norm = vector === null ? 0 : normOf(vector);
    if (vector?.length !== dimension || !Number.isFinite(norm) || norm === 0) return;
    directions.push({ code, row, unit: Float64Array.from(vector, (x) => x / norm) });
  });
  return directions;
}

function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] - b[at]) ** 2;
  return Math.sqrt(sum);
}

/**
 * The distance below which another vector lies by chance once in a thousand rows, from the nearest neighbours within a sample: with
 * m sampled of n and D dimensions in fact, the share is 1 - exp(-(n/m) ln 10 (r / q)^D), where q is the distance
 * within which nine of ten have their neighbour. D by the ratios of second to first neighbours (Facco et al. 2017, "Estimating the
 * intrinsic dimension of datasets by a minimal neighborhood information", Sci. Rep. 7), by their median.
 *
 * @returns null of too few vectors
 */
function usualDistance(directions: readonly Direction[]): number | null {
  if (directions.length < ROWS_MIN) return null;
  const step = Math.max(1, directions.length / SAMPLE_MAX);
  const sample = Array.from(
    { length: Math.min(directions.length, SAMPLE_MAX) },
    (_, at) => directions[Math.floor(at * step)].unit,
  );
  const neighbours = sample.map((unit, at) => {
    let [first, second] = [Infinity, Infinity];
    sample.forEach((other, place) => {
      if (place === at) return;
      const far = distance(unit, other);
      if (far < first) [first, second] = [far, first];
      else if (far < second) second = far;
    });
    return { first, second };
  });
  const quantile = (values: number[], share: number): number =>
    values.sort((a, b) => a - b)[Math.floor(share * (values.length - 1))];
  const ratio = quantile(
    neighbours.map(({ first, second }) => Math.log(second / Math.max(first, 1e-12))),
    0.5,
  );
  const dimensions = Math.max(1, Math.LN2 / Math.max(ratio, 1e-3));
  const usual = quantile(
    neighbours.map(({ first }) => first),
    0.9,
  );
  const part = (CHANCE * sample.length) / (directions.length * Math.LN10);
  return usual * Math.min(NEARER, part ** (1 / dimensions));
}
