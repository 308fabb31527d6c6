/**
 * Bounded summaries that merge exactly: every state here is made of integers and depends on the multiset of values
 * alone, so any split, order and grouping of the data gives the same state.
 */

/** 64 well-mixed bits of a text as two unsigned halves (cyrb53 by bryc, public domain: two multiply-xor lanes). */
export function hashText(text: string): { readonly high: number; readonly low: number } {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 2654435761);
    b = Math.imul(b ^ unit, 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return { high: a >>> 0, low: b >>> 0 };
}

/** HyperLogLog registers: 2^12, so the standard error is 1.04 / sqrt(4096) = 1.6 % (Flajolet et al. 2007). */
const REGISTER_BITS = 12;
const REGISTERS = 1 << REGISTER_BITS;

export function emptyRegisters(): Uint8Array {
  return new Uint8Array(REGISTERS);
}

/** Enters one hash into the registers, in place. */
export function observe(registers: Uint8Array, { high, low }: { high: number; low: number }): void {
  const index = high >>> (32 - REGISTER_BITS);
  const rank = Math.clz32(low) + 1;
  if (rank > registers[index]) registers[index] = rank;
}

export function mergeRegisters(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((rank, index) => Math.max(rank, b[index]));
}

/** Distinct values from any power of two of registers: the harmonic mean estimate, linear counting while registers are empty (ibid., figure 3). */
export function estimateDistinct(registers: Uint8Array): number {
  const size = registers.length;
  let sum = 0;
  let zeros = 0;
  for (const rank of registers) {
    sum += 2 ** -rank;
    if (rank === 0) zeros++;
  }
  const alpha = 0.7213 / (1 + 1.079 / size);
  const raw = (alpha * size * size) / sum;
  return raw <= 2.5 * size && zeros > 0 ? size * Math.log(size / zeros) : raw;
}

/**
 * Counts of values, exact for those it holds: all values while there are at most `capacity`, then those whose hash is
 * below 2^(32 - level), the smallest level that fits. Which values are held depends on the set of values alone.
 */
export interface BoundedCounts {
  readonly level: number;
  readonly counts: ReadonlyMap<string, number>;
}

export const EMPTY_COUNTS: BoundedCounts = { level: 0, counts: new Map() };

/** Adds up counts of values and keeps what fits. */
export function combineCounts(
  level: number,
  parts: readonly Iterable<readonly [string, number]>[],
  capacity: number,
): BoundedCounts {
  const counts = new Map<string, number>();
  for (const part of parts) for (const [value, count] of part) counts.set(value, (counts.get(value) ?? 0) + count);
  let kept = level;
  const drop = (): void => {
    for (const value of counts.keys()) if (!isHeld(value, kept)) counts.delete(value);
  };
  if (kept > 0) drop();
  while (counts.size > capacity) {
    kept++;
    drop();
  }
  return { level: kept, counts };
}

export function mergeCounts(a: BoundedCounts, b: BoundedCounts, capacity: number): BoundedCounts {
  return combineCounts(Math.max(a.level, b.level), [a.counts, b.counts], capacity);
}

function isHeld(value: string, level: number): boolean {
  return level >= 32 ? hashText(value).high === 0 : hashText(value).high < 2 ** (32 - level);
}

/**
 * Quantiles by logarithmic buckets (DDSketch, Masson, Rim and Lee 2019): a quantile is within 1 % of a value of that
 * rank. Magnitudes below 1e-9 count as zero, above 1e15 as 1e15, which bounds the buckets at about 5,500.
 */
export const RELATIVE_ACCURACY = 0.01;
const GAMMA = (1 + RELATIVE_ACCURACY) / (1 - RELATIVE_ACCURACY);
const LOG_GAMMA = Math.log(GAMMA);
const LEAST_MAGNITUDE = 1e-9;
const MOST_MAGNITUDE = 1e15;
/** Keeps the buckets of positive and negative numbers apart: no bucket index comes near it. */
const SIDE = 10_000;

/** Bucket of a number: 0 for zero, above 0 for positive and below 0 for negative numbers, in the order of the numbers. */
export function bucketOf(value: number): number {
  const magnitude = Math.abs(value);
  if (magnitude < LEAST_MAGNITUDE) return 0;
  const index = SIDE + Math.ceil(Math.log(Math.min(magnitude, MOST_MAGNITUDE)) / LOG_GAMMA);
  return value > 0 ? index : -index;
}

/** The number that stands for a bucket: within 1 % of all its members. */
export function bucketValue(bucket: number): number {
  if (bucket === 0) return 0;
  const magnitude = (2 * GAMMA ** (Math.abs(bucket) - SIDE)) / (GAMMA + 1);
  return bucket > 0 ? magnitude : -magnitude;
}

/** The value of rank ceil(q * n) among bucket counts in ascending order of buckets; `null` for no values. */
export function quantileOf(buckets: readonly (readonly [number, number])[], q: number): number | null {
  const total = buckets.reduce((sum, [, count]) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.max(1, Math.ceil(q * total));
  let below = 0;
  for (const [bucket, count] of buckets) {
    below += count;
    if (below >= rank) return bucketValue(bucket);
  }
  return null;
}
