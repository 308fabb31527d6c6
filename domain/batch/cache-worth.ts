/**
 * What keeping a cached result is worth: GreedyDual-Size-Frequency (Cherkasova, HP Labs 98-69R1, 1998). Time saved by
 * each use so far, for each byte that it takes, above the cache's clock. The clock moves to the worth of what was evicted
 * last, so that what is not used any more is overtaken by what is.
 */
export function cacheWorth(clock: number, uses: number, costMs: number, fileBytes: number): number {
  return clock + (uses * costMs) / Math.max(1, fileBytes);
}
