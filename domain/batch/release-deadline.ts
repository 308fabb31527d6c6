/**
 * Which requests to send next when each has a deadline and one server takes `setup + perItem * items` per batch.
 *
 * A rolling plan: all that waits, and the arrivals to be expected within one deadline, are put into batches so that the
 * most requests finish on time; the first batch of that plan is the decision. For requests in deadline order and a
 * service time that grows with size alone, some best plan uses neighbouring requests for each batch (an exchange
 * argument), so a dynamic programme over (requests seen, requests on time) -> earliest finish is exact.
 */

/** One waiting or expected request. Times in ms. */
export interface PlanItem {
  readonly releaseMs: number;
  readonly deadlineMs: number;
  readonly items: number;
}

export interface ServiceCurve {
  readonly setupMs: number;
  readonly perItemMs: number;
}

/** A batch of the plan: indices `[first, last]` into the items, and when it starts. */
export interface PlannedBatch {
  readonly first: number;
  readonly last: number;
  readonly startMs: number;
}

/**
 * The first batch of the plan that finishes the most of `items` on time, with the earliest finish among equals; null
 * when none can be on time. `items` are in deadline order and (nearly) in release order; `maxItems` bounds a batch.
 * Complexity O(n * c * b): requests, requests on time, requests in a batch.
 */
export function firstBatch(
  items: readonly PlanItem[],
  nowMs: number,
  service: ServiceCurve,
  maxItems: number,
): PlannedBatch | null {
  const n = items.length;
  // finish[i][c]: earliest finish with c of the first i on time; origin[i][c]: first batch of that plan.
  const finish: Float64Array[] = [new Float64Array(1).fill(nowMs)];
  const origin: (PlannedBatch | null)[][] = [[null]];
  for (let i = 1; i <= n; i++) {
    const row = new Float64Array(i + 1).fill(Infinity);
    const from: (PlannedBatch | null)[] = new Array<PlannedBatch | null>(i + 1).fill(null);
    row.set(finish[i - 1]);
    for (let c = 0; c < i; c++) from[c] = origin[i - 1][c];
    let size = 0;
    let ready = -Infinity;
    let due = Infinity;
    for (let b = 1; b <= i; b++) {
      const item = items[i - b];
      size += item.items;
      if (b > 1 && size > maxItems) break;
      ready = Math.max(ready, item.releaseMs);
      due = Math.min(due, item.deadlineMs);
      const duration = service.setupMs + service.perItemMs * size;
      if (Math.max(nowMs, ready) + duration > due) break; // a larger batch is ready no earlier, takes longer, is due sooner
      const before = finish[i - b];
      for (let c = 0; c <= i - b; c++) {
        const start = Math.max(before[c], ready);
        const end = start + duration;
        if (end > due || end >= row[c + b]) continue;
        row[c + b] = end;
        from[c + b] = c === 0 ? { first: i - b, last: i - 1, startMs: start } : origin[i - b][c];
      }
    }
    finish.push(row);
    origin.push(from);
  }
  for (let c = n; c > 0; c--) if (finish[n][c] < Infinity) return origin[n][c];
  return null;
}
