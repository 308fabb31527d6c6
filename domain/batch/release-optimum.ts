/** The bound that release policies are measured against: the least cost with all arrivals known beforehand. */

/**
 * Least cost of serving arrivals at `times` (seconds, ascending): K per batch of at most `maxBatch` + total waiting.
 * f(i) = min over j of f(j) + K + waiting of j+1..i until the last of them; each batch is sent with its last arrival.
 * Exact; O(n) for each batch length that can pay: in an optimal batch the k-th from last waits at most K/k, as cutting
 * the batch there costs only K, so it waits K (1 + ln n) in all.
 */
export function offlineOptimum(times: readonly number[], batchCost: number, maxBatch: number): number {
  const best = [0];
  for (let i = 1; i <= times.length; i++) {
    let least = Infinity;
    let waiting = 0;
    for (let count = 1; count <= Math.min(i, maxBatch); count++) {
      waiting += times[i - 1] - times[i - count];
      least = Math.min(least, best[i - count] + batchCost + waiting);
      if (waiting > batchCost * (1 + Math.log(count))) break;
    }
    best.push(least);
  }
  return best[times.length];
}
