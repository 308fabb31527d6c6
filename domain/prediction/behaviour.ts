/**
 * Behaviour profile of a model, a dataset or the system: how much it asks for, when and how unevenly; mergeable, so that
 * workers that see parts of a stream add up to the whole, and comparable, so that a change of behaviour is a number.
 */

const SECONDS_PER_HOUR = 3600;
const HOURS = 168;
/** Doubling bins of the value's magnitude: 2^-16 ... 2^47 covers rates and bytes. */
const MAGNITUDES = 64;
const MAGNITUDE_OFFSET = 16;

/** Plain-JSON profile; every field is a sum, so profiles merge by adding. */
export interface BehaviourProfile {
  readonly count: number;
  readonly sum: number;
  readonly squares: number;
  /** Demand in each hour of the week, UTC, Thursday 0:00 first (1970-01-01). */
  readonly hourSums: readonly number[];
  readonly hourCounts: readonly number[];
  /** Values by magnitude: `magnitudes[k]` counts |value| in [2^(k-16), 2^(k-15)); the first bin also holds 0. */
  readonly magnitudes: readonly number[];
}

/** How two profiles differ; each distance is in [0, 1], 0 for alike. */
export interface BehaviourChange {
  /** Jensen-Shannon distance of the distributions of magnitude. */
  readonly magnitude: number;
  /** Jensen-Shannon distance of the shares of the hours of the day. */
  readonly timing: number;
  /** Mean of the later profile over that of the earlier; null where the earlier mean is 0. */
  readonly meanRatio: number | null;
  readonly changed: boolean;
}

/** Distance from which two profiles count as different: PSI's customary limit of 0.25 as a Jensen-Shannon distance. */
const CHANGED_DISTANCE = 0.2;
/** Rows that a profile needs before it is compared: a few in each hour of a day. */
const ROWS_MIN = 100;

/** The profile of nothing: the neutral element of `mergeBehaviour`. */
export function emptyBehaviour(): BehaviourProfile {
  const zeros = (length: number): number[] => new Array<number>(length).fill(0);
  return {
    count: 0,
    sum: 0,
    squares: 0,
    hourSums: zeros(HOURS),
    hourCounts: zeros(HOURS),
    magnitudes: zeros(MAGNITUDES),
  };
}

function magnitudeOf(value: number): number {
  const size = Math.abs(value);
  if (size === 0) return 0;
  return Math.min(Math.max(Math.floor(Math.log2(size)) + MAGNITUDE_OFFSET, 0), MAGNITUDES - 1);
}

/** Profile of a set of points; their order is irrelevant up to rounding. Values that are not finite are left out. */
export function profileBehaviour(
  points: readonly { readonly seconds: number; readonly value: number }[],
): BehaviourProfile {
  const profile = emptyBehaviour();
  const hourSums = [...profile.hourSums];
  const hourCounts = [...profile.hourCounts];
  const magnitudes = [...profile.magnitudes];
  let [count, sum, squares] = [0, 0, 0];
  for (const { seconds, value } of points) {
    if (!Number.isFinite(value)) continue;
    const hour = ((Math.floor(seconds / SECONDS_PER_HOUR) % HOURS) + HOURS) % HOURS;
    hourSums[hour] += value;
    hourCounts[hour]++;
    magnitudes[magnitudeOf(value)]++;
    count++;
    sum += value;
    squares += value * value;
  }
  return { count, sum, squares, hourSums, hourCounts, magnitudes };
}

/** Profile of two parts together: associative and commutative up to rounding. */
export function mergeBehaviour(a: BehaviourProfile, b: BehaviourProfile): BehaviourProfile {
  const add = (x: readonly number[], y: readonly number[]): number[] => x.map((value, i) => value + y[i]);
  return {
    count: a.count + b.count,
    sum: a.sum + b.sum,
    squares: a.squares + b.squares,
    hourSums: add(a.hourSums, b.hourSums),
    hourCounts: add(a.hourCounts, b.hourCounts),
    magnitudes: add(a.magnitudes, b.magnitudes),
  };
}

/** Square root of the Jensen-Shannon divergence in bits (Endres and Schindelin, 2003): a metric in [0, 1]. */
function distance(a: readonly number[], b: readonly number[]): number {
  const totalA = a.reduce((sum, x) => sum + x, 0);
  const totalB = b.reduce((sum, x) => sum + x, 0);
  if (totalA <= 0 || totalB <= 0) return totalA === totalB ? 0 : 1;
  const part = (p: number, middle: number): number => (p > 0 ? p * Math.log2(p / middle) : 0);
  let divergence = 0;
  a.forEach((x, i) => {
    const p = x / totalA;
    const q = b[i] / totalB;
    divergence += 0.5 * (part(p, (p + q) / 2) + part(q, (p + q) / 2));
  });
  return Math.sqrt(Math.min(Math.max(divergence, 0), 1));
}

/** Mean absolute demand in each hour of the day. */
function dayShape(profile: BehaviourProfile): number[] {
  return Array.from({ length: 24 }, (_, hour) => {
    let sum = 0;
    let count = 0;
    for (let day = 0; day < 7; day++) {
      sum += Math.abs(profile.hourSums[day * 24 + hour]);
      count += profile.hourCounts[day * 24 + hour];
    }
    return count > 0 ? sum / count : 0;
  });
}

/** Compares the behaviour of two stretches; profiles of fewer than 100 values are never said to differ. */
export function compareBehaviour(earlier: BehaviourProfile, later: BehaviourProfile): BehaviourChange {
  const magnitude = distance(earlier.magnitudes, later.magnitudes);
  const timing = distance(dayShape(earlier), dayShape(later));
  const known = Math.min(earlier.count, later.count) >= ROWS_MIN;
  const meanRatio = known && earlier.sum !== 0 ? later.sum / later.count / (earlier.sum / earlier.count) : null;
  return { magnitude, timing, meanRatio, changed: known && Math.max(magnitude, timing) > CHANGED_DISTANCE };
}
