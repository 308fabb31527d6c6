/** Requests on time at loads 0.8 and 0.95, beside a fixed-delay batcher tuned in hindsight, and AIMD. */
import type { ReleaseOptions } from '../domain/batch/release-policy.js';
import { simulateRelease } from '../domain/batch/simulate-release.js';
import { arrivalTraces } from './release-traces.js';

const service = { setupMs: 10, perItemMs: 2 };
const MAX_BATCH = 64;
const DEADLINE_MS = 100;
/** Most requests per ms that the server can finish. */
const CAPACITY = MAX_BATCH / (service.setupMs + service.perItemMs * MAX_BATCH);
/** The hindsight tuning: delay x batch cap x with or without a queue timeout. */
const DELAYS_MS = [0, 2, 5, 10, 20, 30, 40, 60];
const CAPS = [16, 24, 32, 40, 48, 64];

console.log(
  `${'trace'.padEnd(16)}${'load'.padStart(5)}${'balance'.padStart(10)}${'best timer'.padStart(12)}${'aimd'.padStart(8)}${'points'.padStart(8)}`,
);
for (const load of [0.8, 0.95]) {
  for (const [name, times] of arrivalTraces()) {
    const spanMs = (times[times.length - 1] - times[0]) * 1000;
    const squeeze = times.length / spanMs / (load * CAPACITY);
    const arrivals = times.map((at) => ({
      atMs: at * 1000 * squeeze,
      items: 1,
      deadlineMs: at * 1000 * squeeze + DEADLINE_MS,
    }));
    const onTime = (options: Partial<ReleaseOptions>) =>
      (100 *
        simulateRelease(arrivals, { policy: 'balance', maxBatch: MAX_BATCH, service, ...options }).summary.onTime) /
      arrivals.length;
    const balance = onTime({});
    let [timer, setting] = [0, ''];
    for (const dropLate of [false, true]) {
      for (const maxBatch of CAPS) {
        for (const delayMs of DELAYS_MS) {
          const value = onTime({ policy: 'timer', delayMs, maxBatch, dropLate });
          if (value > timer) [timer, setting] = [value, `${delayMs} ms, ${maxBatch}${dropLate ? ', timeout' : ''}`];
        }
      }
    }
    const aimd = onTime({ policy: 'aimd', dropLate: true });
    const cells = [balance.toFixed(1).padStart(10), timer.toFixed(1).padStart(12), aimd.toFixed(1).padStart(8)];
    console.log(
      `${name.padEnd(16)}${String(load).padStart(5)}${cells.join('')}${(balance - timer).toFixed(1).padStart(8)}  (${setting})`,
    );
  }
}
