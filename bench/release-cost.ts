/** Cost of the release policy (K per batch + waiting) over the offline optimum, beside what peers do. */
import { offlineOptimum } from '../domain/batch/release-optimum.js';
import type { ReleaseOptions } from '../domain/batch/release-policy.js';
import { simulateRelease } from '../domain/batch/simulate-release.js';
import { arrivalTraces } from './release-traces.js';

const MAX_BATCH = 64;
const COSTS = [0.05, 0.2, 1, 5];
const TIMERS_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

const traces = arrivalTraces();
const ratios = new Map<string, number[]>();
const note = (name: string, ratio: number) => ratios.set(name, [...(ratios.get(name) ?? []), ratio]);

console.log(
  `${'trace'.padEnd(16)}${'K'.padStart(6)}${'balance'.padStart(10)}${'immediate'.padStart(11)}${'best timer'.padStart(12)}`,
);
for (const [name, times] of traces) {
  const arrivals = times.map((at) => ({ atMs: at * 1000, items: 1, deadlineMs: null }));
  for (const batchCost of COSTS) {
    const optimum = offlineOptimum(times, batchCost, MAX_BATCH);
    const ratio = (options: Partial<ReleaseOptions>) =>
      simulateRelease(arrivals, { policy: 'balance', maxBatch: MAX_BATCH, service: null, batchCost, ...options })
        .summary.cost! / optimum;
    const row = {
      balance: ratio({}),
      immediate: ratio({ policy: 'immediate' }),
      timer: Math.min(...TIMERS_MS.map((delayMs) => ratio({ policy: 'timer', delayMs }))),
    };
    for (const [policy, value] of Object.entries(row)) note(policy, value);
    const cells = [
      row.balance.toFixed(3).padStart(10),
      row.immediate.toFixed(3).padStart(11),
      row.timer.toFixed(3).padStart(12),
    ];
    console.log(name.padEnd(16) + String(batchCost).padStart(6) + cells.join(''));
  }
}
for (const [policy, values] of ratios) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  console.log(`${policy.padEnd(16)} mean ${mean.toFixed(3)}  worst ${Math.max(...values).toFixed(3)}`);
}
