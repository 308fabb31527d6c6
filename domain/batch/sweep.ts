/** Which boxes may be neighbours: a sweep along the column that most of them constrain. */
import type { Literal } from '../types/predicate.js';
import { constraintOn, type Box } from './predicate-algebra.js';

/** Neighbours each box is compared with: the latest to start and the furthest to reach. Bounds the sweep to O(n). */
const NEIGHBOURS_MAX = 16;

/** Where boxes begin and end on a column, as ranks of its literals: -1 begins before, `literals.length` ends after all of them. */
interface Intervals {
  readonly lows: Int32Array;
  readonly highs: Int32Array;
  /** By rank: the first rank that, as an end, reaches what begins there. */
  readonly reachedFrom: Int32Array;
}

function sweepColumn(boxes: readonly Box[]): string {
  const counts = new Map<string, number>();
  for (const box of boxes) for (const { column } of box) counts.set(column, (counts.get(column) ?? 0) + 1);
  let best = '';
  for (const [column, count] of counts) {
    const most = counts.get(best) ?? 0;
    if (count > most || (count === most && column < best)) best = column;
  }
  return best;
}

/** The ends of a box on a column; null: it has none there. */
function endsOf(box: Box, column: string): readonly [Literal | null, Literal | null] {
  const side = constraintOn(box, column);
  if (side === undefined) return [null, null];
  const { among, low, high } = side;
  if (among !== null && among.length > 0) return [among[0], among[among.length - 1]];
  return [low?.value ?? null, high?.value ?? null];
}

/** In `storageOrder`: types apart, each in its own order. */
function inStorageOrder(literals: readonly Literal[]): Literal[] {
  const numbers = Float64Array.from(literals.filter((literal) => typeof literal === 'number')).sort();
  const texts = literals.filter((literal) => typeof literal === 'string').sort();
  return [...literals.filter((literal) => typeof literal === 'boolean').sort(), ...numbers, ...texts];
}

function intervalsOn(boxes: readonly Box[], column: string): Intervals {
  const ends = boxes.map((box) => endsOf(box, column));
  const known = new Set<Literal>();
  for (const [low, high] of ends) {
    if (low !== null) known.add(low);
    if (high !== null) known.add(high);
  }
  const literals = inStorageOrder([...known]);
  const ranks = new Map(literals.map((literal, rank) => [literal, rank]));
  const reachedFrom = new Int32Array(literals.length);
  // Consecutive whole numbers border each other.
  const borders = (before: Literal, after: Literal): boolean =>
    typeof before === 'number' && typeof after === 'number' && after - before <= 1;
  for (let rank = 0, first = 0; rank < literals.length; rank++) {
    while (first < rank && !borders(literals[first], literals[rank])) first++;
    reachedFrom[rank] = first;
  }
  return {
    lows: Int32Array.from(ends, ([low]) => (low === null ? -1 : ranks.get(low)!)),
    highs: Int32Array.from(ends, ([, high]) => (high === null ? literals.length : ranks.get(high)!)),
    reachedFrom,
  };
}

/** Positions by where they begin, then by key. */
function inOrderOf(lows: Int32Array, keys: readonly string[]): Uint32Array {
  // Sorted as numbers, which needs no call for each comparison: rank first, then position.
  const count = lows.length;
  const order = Uint32Array.from(
    Float64Array.from(lows, (low, position) => (low + 1) * count + position).sort(),
    (code) => code % count,
  );
  for (let from = 0, to = 0; from < count; from = to) {
    while (to < count && lows[order[to]] === lows[order[from]]) to++;
    if (to - from > 1) order.subarray(from, to).sort((a, b) => (keys[a] < keys[b] ? -1 : 1));
  }
  return order;
}

/** The neighbours that are still reached, in a list of bounded length. */
class Neighbours {
  /** Held for its shape, as that of `PairIds`. */
  static readonly held = new Neighbours();

  readonly places = new Int32Array(NEIGHBOURS_MAX + 1);
  count = 0;

  keep(highs: Int32Array, reach: number): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const place = this.places[i];
      if (highs[place] >= reach) this.places[kept++] = place;
    }
    this.count = kept;
  }

  /** Tells them to be neighbours of a place, those that were not seen by it. */
  tell(place: number, seen: Int32Array, judge: Judge): void {
    for (let i = 0; i < this.count; i++) {
      const other = this.places[i];
      if (seen[other] === place) continue;
      seen[other] = place;
      judge.judge(place, other);
    }
  }

  dropFirst(): void {
    this.count--;
    for (let i = 0; i < this.count; i++) this.places[i] = this.places[i + 1];
  }

  insert(at: number, place: number): void {
    // At most some 16: a loop is faster than a call of the engine.
    for (let i = this.count; i > at; i--) this.places[i] = this.places[i - 1];
    this.places[at] = place;
    this.count++;
  }
}

/** Boxes in the order of the sweep. */
export interface SweepOrder {
  /** Which box is at each place. */
  readonly order: Uint32Array;
  /** By place: the rank at which it ends, and the least rank that, as an end, reaches it. */
  readonly highs: Int32Array;
  readonly reach: Int32Array;
}

/** @param keys of the boxes, all different: the result does not depend on the order in which they are given */
export function sweepOrder(boxes: readonly Box[], keys: readonly string[]): SweepOrder {
  const { lows, highs, reachedFrom } = intervalsOn(boxes, sweepColumn(boxes));
  const order = inOrderOf(lows, keys);
  return {
    order,
    highs: Int32Array.from(order, (position) => highs[position]),
    reach: Int32Array.from(order, (position) => (lows[position] < 0 ? -1 : reachedFrom[lows[position]])),
  };
}

/** Who is told of the neighbours. */
export interface Judge {
  judge(later: number, earlier: number): void;
}

/** Tells every pair of neighbours by their places, later one first. */
export function sweep({ highs, reach }: SweepOrder, judge: Judge): void {
  const recent = new Neighbours();
  const furthest = new Neighbours();
  const seen = new Int32Array(highs.length).fill(-1);
  for (let place = 0; place < highs.length; place++) {
    furthest.keep(highs, reach[place]);
    furthest.tell(place, seen, judge);
    recent.keep(highs, reach[place]);
    recent.tell(place, seen, judge);
    if (recent.count === NEIGHBOURS_MAX) recent.dropFirst();
    recent.insert(recent.count, place);
    let at = 0;
    while (at < furthest.count && highs[furthest.places[at]] >= highs[place]) at++;
    furthest.insert(at, place);
    if (furthest.count > NEIGHBOURS_MAX) furthest.count--;
  }
}
