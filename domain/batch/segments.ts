/** Sets of whole-number keys as flat, sorted, half-open segments: `[lo, hi, lo, hi, ...]`, none empty, none touching. */
export type Segments = readonly number[];

/** Normalises pairs in any order; empty pairs vanish, overlapping and touching ones join. */
export function segmentsOf(pairs: readonly (readonly [number, number])[]): Segments {
  return joined([...pairs].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
}

function joined(sorted: Iterable<readonly [number, number]>): Segments {
  const out: number[] = [];
  for (const [lo, hi] of sorted) {
    if (lo >= hi) continue;
    const last = out.length - 1;
    if (last > 0 && lo <= out[last]) out[last] = Math.max(out[last], hi);
    else out.push(lo, hi);
  }
  return out;
}

/** Keys that are in either. Linear in both. */
export function unite(a: Segments, b: Segments): Segments {
  const out: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
    const lo = fromA ? a[i] : b[j];
    const hi = fromA ? a[i + 1] : b[j + 1];
    if (fromA) i += 2;
    else j += 2;
    const last = out.length - 1;
    if (last > 0 && lo <= out[last]) out[last] = Math.max(out[last], hi);
    else out.push(lo, hi);
  }
  return out;
}

/** So many lists are merged in pairs, in some three passes; the segments of more are sorted. */
const MERGED_LISTS_MAX = 8;

/** Keys that are in any of many: O(n log n) in all segments, where repeated `unite` would be quadratic. */
export function uniteAll(lists: readonly Segments[]): Segments {
  if (lists.length < 3) return lists.reduce((all, one) => unite(all, one), []);
  if (lists.length <= MERGED_LISTS_MAX) {
    const middle = lists.length >> 1;
    return unite(uniteAll(lists.slice(0, middle)), uniteAll(lists.slice(middle)));
  }
  let count = 0;
  for (const list of lists) count += list.length / 2;
  const lows = new Float64Array(count);
  const highs = new Float64Array(count);
  let filled = 0;
  for (const list of lists)
    for (let i = 0; i < list.length; i += 2) {
      lows[filled] = list[i];
      highs[filled++] = list[i + 1];
    }
  lows.sort();
  highs.sort();
  const out: number[] = [];
  // As many have ended by here as have begun: none goes on, and the next one begins later.
  for (let i = 0, from = 0; i < count; i++) {
    if (i + 1 < count && lows[i + 1] <= highs[i]) continue;
    out.push(lows[from], highs[i]);
    from = i + 1;
  }
  return out;
}

/** Joins segments across gaps of at most `gapMax` keys. */
export function bridged(segments: Segments, gapMax: number): Segments {
  const out: number[] = [];
  for (let i = 0; i < segments.length; i += 2) {
    const last = out.length - 1;
    if (last > 0 && segments[i] - out[last] <= gapMax) out[last] = segments[i + 1];
    else out.push(segments[i], segments[i + 1]);
  }
  return out;
}

/** Number of keys. */
export function keyCount(segments: Segments): number {
  let count = 0;
  for (let i = 0; i < segments.length; i += 2) count += segments[i + 1] - segments[i];
  return count;
}

/** As pairs, for people and JSON. */
export function pairsOf(segments: Segments): [number, number][] {
  return Array.from({ length: segments.length / 2 }, (_, i) => [segments[2 * i], segments[2 * i + 1]]);
}
