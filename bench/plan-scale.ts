/**
 * Time and memory of planning a cycle, as the batch stage calls it: `planBatch` merges what is asked, shares what is
 * scarce, composes reads and orders them. Beside it, in the same run, what no planner can do without: putting the same
 * requests in order of their ids and hashing each one's question once (SHA-256). Then merging alone.
 *
 *   node --expose-gc --import tsx bench/plan-scale.ts [most requests, default 1000000]
 */
import { createHash } from 'node:crypto';
import { planMergedReads } from '../domain/batch/merge.js';
import { mergeRanges, type RangeRequest } from '../domain/batch/range-merge.js';
import { planBatch } from '../domain/decision/batch/batch.js';
import type { BatchInputs } from '../domain/decision/batch/batch-inputs.js';
import { mixOf } from './plan-mix.js';
import { seeded } from './release-traces.js';

const MOST = Number(process.argv[2] ?? 1_000_000);
const SIZES = [10_000, 100_000, 1_000_000].filter((size) => size <= MOST);
/** Goal: 10 us a request, growth exponent at most 1.2, at most 1 kB kept a request. */
const GOAL_US = 10;

const rangesOf = (count: number): RangeRequest[] => {
  const random = seeded(count);
  return Array.from({ length: count }, (_, i) => {
    const low = Math.floor(random() * count * 5);
    const fields = ['a', 'b', 'c', 'd'].slice(0, 1 + Math.floor(random() * 4));
    const id = `r${String(i).padStart(7, '0')}`;
    return { id, dataset: `d${i % 10}`, fields, keys: [low, low + 1 + Math.floor(random() * 20)] };
  });
};

/** The least that planning could cost: the requests in order, and each question's hash. */
function sortAndHash({ items }: BatchInputs): string[] {
  return [...items]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ dataset, fields, where, rows, seed }) =>
      createHash('sha256')
        .update(JSON.stringify([dataset, fields, where, rows, seed]))
        .digest('hex'),
    );
}

const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

/** The last result: while it is held here, the collector leaves what it keeps. */
let held: unknown = null;

/** Processor time of the best of some runs, and bytes that the result keeps: what else uses the machine counts as little as can be. */
function measured(runs: number, plan: () => unknown): { readonly ms: number; readonly bytes: number } {
  let ms = Infinity;
  let bytes = 0;
  for (let run = 0; run < runs; run++) {
    held = null;
    const before = heap();
    const start = process.cpuUsage();
    held = plan();
    const { user, system } = process.cpuUsage(start);
    ms = Math.min(ms, (user + system) / 1000);
    bytes = heap() - before;
    if (held === null) throw new Error('no plan');
  }
  return { ms, bytes };
}

function chart<T>(
  name: string,
  inputOf: (count: number) => T,
  plan: (input: T) => unknown,
  bound?: (input: T) => unknown,
) {
  plan(inputOf(2_000)); // warm
  const times = SIZES.map((size, i) => {
    // One input at a time: the collector would count the others as the planner's.
    const input = inputOf(size);
    const { ms, bytes } = measured(3 - i, () => plan(input));
    const least =
      bound === undefined ? '' : `, ${(ms / measured(1, () => bound(input)).ms).toFixed(1)} x sorting and hashing`;
    const kept = globalThis.gc === undefined ? 'run with --expose-gc' : `${(bytes / size).toFixed(0)} B kept a request`;
    console.log(
      `${name.padEnd(24)}${String(size).padStart(9)}${ms.toFixed(0).padStart(8)} ms (goal ${(size * GOAL_US) / 1000})${least}, ${kept}`,
    );
    return ms;
  });
  const exponents = times.slice(1).map((time, i) => Math.log10(time / times[i]).toFixed(2));
  console.log(`${name.padEnd(24)}growth exponents ${exponents.join(', ')} (goal 1.2)`);
}

for (const [name, scarcity] of [
  ['plan, half is scarce', 0.25],
  ['plan, very scarce', 0.01],
  ['plan, nothing scarce', 10],
] as const)
  chart(name, (count) => mixOf(count, scarcity), planBatch, sortAndHash);
chart(
  'planMergedReads',
  (count) => mixOf(count, 1).items.map((item) => ({ ...item, datasetVersion: 'v' })),
  planMergedReads,
);
chart('mergeRanges', rangesOf, (ranges) => mergeRanges(ranges, { perOperation: 4, perUnit: 1 }));
