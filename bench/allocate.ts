/**
 * Fair allocation: time of 1,000 models x 8 resources (goal: median 3 ms, p99 10 ms) and of larger pools; the certificate
 * on 10,000 random instances (goal: 0 violations); distance from the lexicographic linear programs of HiGHS, and how
 * much longer those take, in the same run. Run: npx tsx bench/allocate.ts
 */
import fc from 'fast-check';
import { checkCertificate } from '../domain/scheduler/allocation-certificate.js';
import { allocate, type AllocationInstance } from '../domain/scheduler/resource-allocator.js';
import { instances, unitsById } from '../test/domain/scheduler/allocation-arbitrary.js';
import { lexicographicMaxMin } from '../test/domain/scheduler/linear-oracle.js';

/** Numerical Recipes' generator: the same pools in every run. */
function uniform(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

/** Models that demand about 60 % of the resources, 70 % of them with a cap near their fair share. */
function pool(models: number, resources: number, cohorts: number, seed: number): AllocationInstance {
  const next = uniform(seed);
  const names = Array.from({ length: resources }, (_, r) => `r${r}`);
  const share = (scale: number) =>
    Object.fromEntries(names.flatMap((name) => (next() < 0.6 ? [[name, next() * scale]] : [])));
  return {
    resources: Object.fromEntries(names.map((name) => [name, 100 + 1000 * next()])),
    cohorts: Array.from({ length: cohorts }, (_, c) => ({
      id: `c${c}`,
      weight: 1 + next(),
      nominal: share(100 / cohorts),
    })),
    models: Array.from({ length: models }, (_, i) => ({
      id: `m${i}`,
      weight: 0.1 + 4 * next(),
      demand: { ...share(4), r0: 1 },
      cap: next() < 0.7 ? (next() * 1600) / models : null,
      cohort: cohorts > 0 ? `c${i % cohorts}` : null,
    })),
  };
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

function timed(models: number, resources: number, cohorts: number, runs: number): void {
  const times: number[] = [];
  for (let seed = 0; seed < runs; seed++) {
    const instance = pool(models, resources, cohorts, seed);
    const start = performance.now();
    allocate(instance);
    // The first tenth warms the compiler up.
    if (seed >= runs / 10) times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const row = [models, resources, cohorts].map((value) => String(value).padStart(9)).join('');
  console.log(`${row}${quantile(times, 0.5).toFixed(2).padStart(12)}${quantile(times, 0.99).toFixed(2).padStart(12)}`);
}

console.log('   models resources  cohorts  median ms      p99 ms');
timed(1_000, 8, 0, 1_000);
timed(1_000, 8, 50, 300);
timed(1_000, 1_008, 0, 10);
timed(10_000, 8, 0, 20);
timed(100_000, 8, 0, 5);

const random = fc.sample(instances({ modelsMax: 20 }), { numRuns: 10_000, seed: 1 });
const violated = random.filter((instance) => checkCertificate(instance, allocate(instance)).length > 0);
console.log(`\ncertificate: ${violated.length} violations in ${random.length} random instances`);

const small = fc
  .sample(instances({ weightZero: false, modelsMax: 5 }), { numRuns: 1_000, seed: 2 })
  .filter(({ resources, models }) => models.length > 0 && Object.values(resources).every((capacity) => capacity > 0))
  .filter(({ models }) => models.every((model) => Object.values(model.demand ?? {}).some((need) => need > 0)));
let worst = 0;
let ours = 0;
let oracle = 0;
for (const instance of small) {
  const start = performance.now();
  const units = unitsById(allocate(instance));
  const middle = performance.now();
  const expected = lexicographicMaxMin(instance);
  oracle += performance.now() - middle;
  ours += middle - start;
  for (const [i, model] of instance.models.entries()) {
    const share = Math.max(
      ...Object.entries(model.demand ?? {}).map(([name, need]) => need / instance.resources[name]),
    );
    worst = Math.max(worst, Math.abs(units[model.id] - expected[i]) * share);
  }
}
console.log(
  `HiGHS: ${small.length} instances, largest difference of a dominant share ${worst.toExponential(1)}, time ${(oracle / ours).toFixed(0)} x ours`,
);
