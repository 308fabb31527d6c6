/**
 * Schedules: jobs up to 12 against the mixed-integer optimum of HiGHS (goal: equal), more jobs against the lower bound
 * (critical path, area of each resource), and the time of both. Run: npx tsx bench/schedule.ts
 */
import type { ScheduleInstance } from '../domain/scheduler/schedule-instance.js';
import { scheduleTasks } from '../domain/scheduler/task-scheduler.js';
import { makespanByMilp } from '../test/domain/scheduler/linear-oracle.js';

/** Numerical Recipes' generator: the same jobs in every run. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Jobs of 1 to `longest` with two resources, each after up to two of the five jobs before it. */
function jobs(count: number, longest: number, seed: number): ScheduleInstance {
  const next = uniform(seed);
  const upTo = (limit: number) => Math.floor(next() * (limit + 1));
  return {
    capacity: { cpu: 4, io: 3 },
    tasks: Array.from({ length: count }, (_, i) => ({
      id: `t${String(i).padStart(5, '0')}`,
      duration: 1 + upTo(longest - 1),
      demand: { cpu: upTo(3), io: upTo(2) },
      after: [upTo(4) + 1, upTo(9) + 1]
        .filter((back) => back <= Math.min(i, 5))
        .map((back) => `t${String(i - back).padStart(5, '0')}`),
    })),
  };
}

function exact(runs: number): void {
  let equal = 0;
  let ours = 0;
  let oracle = 0;
  for (let seed = 0; seed < runs; seed++) {
    const instance = jobs(8 + (seed % 5), 5, seed);
    const start = performance.now();
    const { makespan } = scheduleTasks(instance);
    const middle = performance.now();
    if (makespan === makespanByMilp(instance, makespan)) equal += 1;
    oracle += performance.now() - middle;
    ours += middle - start;
  }
  console.log(
    `8 to 12 jobs: ${equal} of ${runs} makespans equal the mixed-integer optimum; HiGHS takes ${(oracle / ours).toFixed(0)} x our ${(ours / runs).toFixed(1)} ms`,
  );
}

function large(count: number, runs: number): void {
  let ratio = 0;
  let worst = 0;
  let time = 0;
  for (let seed = 0; seed < runs; seed++) {
    const instance = jobs(count, 20, seed);
    const start = performance.now();
    const { makespan, lowerBound } = scheduleTasks(instance);
    time += performance.now() - start;
    ratio += makespan / lowerBound;
    worst = Math.max(worst, makespan / lowerBound);
  }
  const row = [(ratio / runs).toFixed(3), worst.toFixed(3), (time / runs).toFixed(0)]
    .map((value) => value.padStart(10))
    .join('');
  console.log(`${String(count).padStart(6)}${row}`);
}

exact(40);
console.log('\n  jobs      mean     worst        ms   (makespan over the lower bound)');
large(30, 20);
large(100, 10);
large(1_000, 2);
