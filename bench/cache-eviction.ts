/**
 * What the cache's eviction (`domain/batch/cache-worth.ts`) saves of the cost of reading again, beside the least recently
 * used, the least frequently used, and a bound that no policy can exceed, at several sizes of the cache.
 *
 * The bound: keeping a result from one use to the next saves its cost and takes its bytes for that long; within all the
 * bytes x time that there are, the best paid are kept, the last in part (the area bound; Berger, Beckmann and
 * Harchol-Balter, Practical Bounds on Optimal Caching with Variable Object Sizes, 2018, section 4).
 *
 *   npx tsx bench/cache-eviction.ts
 */
import { Heap } from 'heap-js';
import { cacheWorth } from '../domain/batch/cache-worth.js';
import { dataLines, seeded } from './release-traces.js';

interface Use {
  readonly key: string;
  readonly bytes: number;
  readonly costMs: number;
}
interface Kept {
  readonly use: Use;
  uses: number;
  worth: number;
  /** Number of the entry's last change: older entries in the heap are void. */
  stamp: number;
}

/** How much a result is worth when it is used; what is worth least goes first. `clock` is the worth of what went last. */
type Policy = (kept: { readonly uses: number; readonly use: Use }, clock: number, now: number) => number;
const POLICIES: Readonly<Record<string, Policy>> = {
  balance: ({ uses, use }, clock) => cacheWorth(clock, uses, use.costMs, use.bytes),
  LRU: (_, __, now) => now,
  LFU: ({ uses }, _, now) => uses + now * 1e-9,
};

/** Cost of all uses that found their result. Whatever is read is kept, then the least worth goes until all fits. */
function saved(uses: readonly Use[], bytesMax: number, worthOf: Policy): number {
  const cache = new Map<string, Kept>();
  const order = new Heap<{ readonly key: string; readonly worth: number; readonly stamp: number }>(
    (a, b) => a.worth - b.worth || a.stamp - b.stamp,
  );
  let [clock, bytes, sum] = [0, 0, 0];
  for (const [now, use] of uses.entries()) {
    const known = cache.get(use.key);
    if (known !== undefined) sum += use.costMs;
    else bytes += use.bytes;
    const kept = known ?? { use, uses: 0, worth: 0, stamp: 0 };
    kept.uses++;
    kept.worth = worthOf(kept, clock, now);
    kept.stamp = now;
    cache.set(use.key, kept);
    order.push({ key: use.key, worth: kept.worth, stamp: now });
    while (bytes > bytesMax) {
      const least = order.pop()!;
      const entry = cache.get(least.key);
      if (entry?.stamp !== least.stamp) continue;
      cache.delete(least.key);
      bytes -= entry.use.bytes;
      clock = Math.max(clock, least.worth);
    }
  }
  return sum;
}

function bound(uses: readonly Use[], bytesMax: number): number {
  const last = new Map<string, number>();
  const stays: { readonly costMs: number; readonly area: number }[] = [];
  for (const [now, { key, bytes, costMs }] of uses.entries()) {
    const before = last.get(key);
    if (before !== undefined && bytes <= bytesMax) stays.push({ costMs, area: bytes * (now - before) });
    last.set(key, now);
  }
  stays.sort((a, b) => b.costMs / b.area - a.costMs / a.area);
  let left = bytesMax * uses.length;
  let sum = 0;
  for (const { costMs, area } of stays) {
    if (left <= 0) break;
    sum += costMs * Math.min(1, left / area);
    left -= area;
  }
  return sum;
}

/** Questions of unequal popularity (Zipf's law with the given exponent), sizes over four orders, costs of opening and reading sources of unequal speed. */
function synthetic(alpha: number, drift: boolean, scans: boolean): Use[] {
  const random = seeded(Math.round(alpha * 100) + Number(drift) * 7 + Number(scans) * 13);
  const count = 2_000;
  const questions = Array.from({ length: count }, (_, index): Use => {
    const bytes = Math.round(1_000 * 10 ** (4 * random()));
    const perByte = [1e-5, 1e-4, 1e-3][index % 3];
    return { key: `q${index}`, bytes, costMs: 20 + bytes * perByte };
  });
  const cumulative: number[] = [];
  for (let rank = 0, sum = 0; rank < count; rank++) cumulative.push((sum += 1 / (rank + 1) ** alpha));
  const draw = (): number => {
    const at = random() * cumulative[count - 1];
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  let shift = 0;
  return Array.from({ length: 40_000 }, (_, now): Use => {
    // Every 2,000 uses other questions become popular; one use in four is of a question that nobody repeats.
    if (drift && now % 2_000 === 0) shift = (shift + 137) % count;
    if (scans && random() < 0.25) return { key: `once${now}`, bytes: 100_000, costMs: 60 };
    return questions[(draw() + shift) % count];
  });
}

/** The key-prefix trace: each request's whole key set as one result, or each of its blocks as one. */
function prefixes(): Readonly<Record<string, Use[]>> {
  const lines = dataLines('traces/prefix-requests.jsonl');
  if (lines === null) return {};
  const requests = lines.map((line) => (JSON.parse(line) as { hash_ids: number[] }).hash_ids);
  const whole = requests.map((ids): Use => ({ key: ids.join(), bytes: ids.length, costMs: 20 + ids.length }));
  const blocks = requests.flatMap((ids) => ids.map((id): Use => ({ key: String(id), bytes: 1, costMs: 1 })));
  return { 'prefix trace, whole requests': whole, 'prefix trace, blocks': blocks };
}

const traces: Readonly<Record<string, Use[]>> = {
  ...prefixes(),
  'Zipf 0.7': synthetic(0.7, false, false),
  'Zipf 1.0': synthetic(1, false, false),
  'Zipf 1.0, popularity drifts': synthetic(1, true, false),
  'Zipf 1.0, a quarter never again': synthetic(1, false, true),
  'Zipf 1.0, both': synthetic(1, true, true),
};
const names = Object.keys(POLICIES);
console.log('saved part of the cost that an endless cache saves');
console.log(
  `${''.padEnd(34)}${'cache'.padStart(7)}${names.map((name) => name.padStart(9)).join('')}${'bound'.padStart(9)}`,
);
for (const [name, uses] of Object.entries(traces)) {
  const all = [...new Map(uses.map((use) => [use.key, use.bytes])).values()].reduce((sum, bytes) => sum + bytes, 0);
  const most = saved(uses, Infinity, POLICIES.LRU);
  for (const part of [0.01, 0.03, 0.1, 0.3]) {
    const bytesMax = all * part;
    const shares = names.map((policy) => saved(uses, bytesMax, POLICIES[policy]) / most);
    const cells = [...shares, bound(uses, bytesMax) / most].map((share) => `${(100 * share).toFixed(1)} %`.padStart(9));
    console.log(`${name.padEnd(34)}${`${100 * part} %`.padStart(7)}${cells.join('')}`);
  }
}
