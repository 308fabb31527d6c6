/** Time and memory of planning merged reads and range batches against the goals, and how they grow. Run with --expose-gc. */
import { planMergedReads, type ReadRequest } from '../domain/batch/merge.js';
import { mergeRanges, type RangeRequest } from '../domain/batch/range-merge.js';
import { seeded } from './release-traces.js';

const SIZES = [10_000, 100_000, 1_000_000];
const GOALS_MS = [100, 1000, 10_000];
const FIELDS = ['a', 'b', 'c', 'd'];

function ask(count: number): { reads: ReadRequest[]; ranges: RangeRequest[] } {
  const random = seeded(count);
  const reads: ReadRequest[] = [];
  const ranges: RangeRequest[] = [];
  for (let i = 0; i < count; i++) {
    const low = Math.floor(random() * count * 5);
    const high = low + Math.floor(random() * 20);
    const fields = FIELDS.slice(0, 1 + Math.floor(random() * 4));
    const shared = { id: `r${String(i).padStart(7, '0')}`, dataset: `d${i % 10}`, fields };
    const where = [{ column: 'k', op: 'between' as const, low, high }];
    const rest = { rows: null, seed: 1, maxAgeMs: null, deadlineMs: null, priority: 0 };
    reads.push({ ...shared, ...rest, model: `m${i % 50}`, datasetVersion: 'v1', where });
    ranges.push({ ...shared, keys: [low, high + 1] });
  }
  return { reads, ranges };
}

const heap = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};

function measure(name: string, plan: (input: ReturnType<typeof ask>) => unknown): void {
  const times = SIZES.map((size, i) => {
    // One input at a time: the collector would count the others as the planner's.
    const input = ask(size);
    let best = Infinity;
    let bytes = 0;
    // Processor time, the best of several runs: the goal is about the planner, not about who else uses the machine.
    for (let run = 0; run < 4 - i; run++) {
      const before = heap();
      const start = process.cpuUsage();
      const result = plan(input);
      const { user, system } = process.cpuUsage(start);
      best = Math.min(best, (user + system) / 1000);
      bytes = heap() - before;
      if (result === null) throw new Error('no plan');
    }
    const per =
      globalThis.gc === undefined ? 'run with --expose-gc' : `${(bytes / SIZES[i]).toFixed(0)} B kept a request`;
    console.log(
      `${name.padEnd(18)}${String(SIZES[i]).padStart(9)}${best.toFixed(0).padStart(8)} ms (processor)  goal ${GOALS_MS[i]} ms  ${per}`,
    );
    return best;
  });
  const exponents = times.slice(1).map((time, i) => Math.log10(time / times[i]).toFixed(2));
  console.log(`${name.padEnd(18)}growth exponents ${exponents.join(', ')} (goal 1.2)`);
}

measure('planMergedReads', ({ reads }) => planMergedReads(reads));
measure('mergeRanges', ({ ranges }) => mergeRanges(ranges, { perOperation: 4, perUnit: 1 }));
