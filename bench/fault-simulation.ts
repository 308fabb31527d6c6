/**
 * Detection and false alarms by fault kind: seeded faults in deliveries drawn from real tables, judged by the kernels
 * of `balance profile`, `balance drift` and the gate with nothing declared but what an earlier sample shows.
 * Bound in the same run: the row `none` is the share of sound deliveries that alarm.
 * Run: npx tsx bench/fault-simulation.ts [deliveries of each kind, table and size]
 */
import {
  DETECTORS,
  drawPair,
  FAULT_KINDS,
  injectFault,
  judgeDelivery,
  seededRandom,
} from '../test/simulation/faults.js';
import { REAL_TABLES } from '../test/simulation/tables.js';

const deliveries = Number(process.argv[2] ?? 20);
const SIZES = [200, 1000];

for (const size of SIZES) {
  console.log(`${size} rows, ${deliveries * REAL_TABLES.length} deliveries of each kind: share found`);
  console.log(`  ${'fault'.padEnd(16)}${[...DETECTORS, 'any'].map((name) => name.padStart(9)).join('')}`);
  for (const kind of FAULT_KINDS) {
    const found = { profile: 0, drift: 0, gate: 0, any: 0 };
    for (const { columns, read } of REAL_TABLES) {
      const table = read();
      for (let seed = 1; seed <= deliveries; seed++) {
        const random = seededRandom(seed);
        const [reference, sound] = drawPair(table, size, random);
        const verdicts = judgeDelivery(reference, sound, injectFault(kind, sound, columns, random), columns);
        for (const name of DETECTORS) if (verdicts[name]) found[name]++;
        if (DETECTORS.some((name) => verdicts[name])) found.any++;
      }
    }
    const shares = [...DETECTORS, 'any' as const].map((name) =>
      (found[name] / (deliveries * REAL_TABLES.length)).toFixed(2).padStart(9),
    );
    console.log(`  ${kind.padEnd(16)}${shares.join('')}`);
  }
}
