/** What a share measured on history says about the share of the next delivery. */

/** Three standard errors: by chance alone one limit in 700 is crossed, so that dozens of columns stay silent. */
export const BOUND_Z = 3;

/**
 * Bounds on the share that the next delivery shows if nothing changes: Wilson's score interval (Wilson 1927, JASA
 * 22:209) at the effective size n m / (n + m), at which a share varies as the difference of two samples of n and m does.
 *
 * @param hits rows of history that have the property, 0 to `rows`
 * @param rows rows of history
 * @param nextRows rows of the next delivery; absent: the bounds of the true share itself
 * @returns `[low, high]` within [0, 1]; `[0, 1]` without rows on either side
 */
export function shareBounds(hits: number, rows: number, nextRows = Infinity, z = BOUND_Z): readonly [number, number] {
  if (!(rows > 0) || !(nextRows > 0)) return [0, 1];
  const size = Number.isFinite(nextRows) ? (rows * nextRows) / (rows + nextRows) : rows;
  const share = hits / rows;
  const centre = (share + z ** 2 / (2 * size)) / (1 + z ** 2 / size);
  const half = (z / (1 + z ** 2 / size)) * Math.sqrt((share * (1 - share)) / size + z ** 2 / (4 * size ** 2));
  // At 0 and 1 the interval ends there exactly; rounding must not say otherwise.
  return [hits === 0 ? 0 : Math.max(0, centre - half), hits === rows ? 1 : Math.min(1, centre + half)];
}
