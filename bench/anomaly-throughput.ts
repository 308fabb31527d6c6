/**
 * Rows a second through the whole detector (score, statistics, naming) on one core, and the size of its snapshot.
 * Peer in the same run: a running mean and deviation with a three-sigma rule, the least that a detector can do.
 * Run: npx tsx bench/anomaly-throughput.ts [rows]
 */
import { createAnomalyDetector } from '../domain/prediction/anomaly.js';
import { normal, seeded } from './anomaly-types.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const random = seeded(1);
// Six weeks of 5-minute rows with a season, noise and one spike a week, again and again.
const cycle = Array.from(
  { length: 12_096 },
  (_, i) => 50 + 10 * Math.sin((2 * Math.PI * i) / 288) + 2 * normal(random) + (i % 2016 === 1999 ? 40 : 0),
);

function rate(run: (seconds: number, value: number) => void): number {
  // Processor time, so that other processes on the machine do not count.
  const start = process.cpuUsage();
  for (let i = 0; i < rows; i++) run(i * 300, cycle[i % cycle.length]);
  const { user, system } = process.cpuUsage(start);
  return rows / ((user + system) / 1e6);
}

const detector = createAnomalyDetector();
let alarms = 0;
const perSecond = rate((seconds, value) => {
  if (detector.update(seconds, value).isAnomaly) alarms++;
});
let [mean, variance, outliers] = [0, 1, 0];
const peer = rate((_, value) => {
  const residual = value - mean;
  if (residual * residual > 9 * variance) outliers++;
  mean += 0.01 * residual;
  variance += 0.01 * (residual * residual - variance);
});
const bytes = JSON.stringify(detector.snapshot()).length;
console.log(`update and score   ${Math.round(perSecond / 1000)}k rows/s on one core (floor 200k, goal 500k)`);
console.log(`three-sigma rule   ${Math.round(peer / 1000)}k rows/s (ratio ${(peer / perSecond).toFixed(1)})`);
console.log(`snapshot           ${(bytes / 1024).toFixed(1)} KB (floor 16, goal 8)`);
console.log(`alarms ${alarms}, three-sigma outliers ${outliers} in ${Math.round((rows * 300) / 604_800)} weeks`);
