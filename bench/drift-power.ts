/**
 * How often `balance drift` finds real changes, in one batch and in two, beside the Jensen-Shannon rule (>= .1).
 *
 * Run: npx tsx bench/drift-power.ts [runs per row, default 1000]
 */
import { detectDrift, type PairedColumn } from '../domain/quality/shift.js';
import { categoryColumn, gaussian, multinomial, numberColumn, uniforms } from './drift-samples.js';

const runs = Number(process.argv[2] ?? 1000);
const random = uniforms(21);
const n = 5000;

function distance(column: PairedColumn): number {
  const term = (p: number, m: number): number => (p > 0 ? p * Math.log2(p / m) : 0);
  const divergence = column.values.reduce<number>((sum, _, i) => {
    const [p, q] = [column.reference[i] / column.present[0], column.current[i] / column.present[1]];
    return sum + (term(p, (p + q) / 2) + term(q, (p + q) / 2)) / 2;
  }, 0);
  return Math.sqrt(divergence);
}

const mixes: [string, number, number[], number[]][] = [
  ['minority 2 % -> 1 %, 2 classes', n, [0.98, 0.02], [0.99, 0.01]],
  ['minority 2 % -> 1 %, 2 classes', 4 * n, [0.98, 0.02], [0.99, 0.01]],
  ['minority 2 % -> 1 %, 5 classes', n, [0.3, 0.3, 0.2, 0.18, 0.02], [0.31, 0.3, 0.2, 0.18, 0.01]],
  ['minority 2 % -> 1 %, 5 classes', 4 * n, [0.3, 0.3, 0.2, 0.18, 0.02], [0.31, 0.3, 0.2, 0.18, 0.01]],
  ['minority 2 % vanishes', n, [0.98, 0.02], [1, 0]],
  ['new class of 1 %', n, [0.5, 0.5, 0], [0.495, 0.495, 0.01]],
  ['50:50 -> 45:55', n, [0.5, 0.5], [0.45, 0.55]],
];
const percent = (count: number): string => `${((100 * count) / runs).toFixed(1)} %`.padStart(8);
process.stdout.write('change (batches of 5,000 rows)       reference  1 batch  2 batches  peer, 2 batches\n');
for (const [name, rows, before, after] of mixes) {
  const found = [0, 0, 0];
  for (let run = 0; run < runs; run++) {
    const reference = multinomial(random, rows, before);
    const batches = [0, 1].map(() => categoryColumn('c', reference, multinomial(random, n, after)));
    const own = batches.map((batch) => detectDrift({ d: [batch] }).d.drift);
    if (own[0]) found[0]++;
    if (own.some(Boolean)) found[1]++;
    if (batches.some((batch) => distance(batch) >= 0.1)) found[2]++;
  }
  process.stdout.write(`${name.padEnd(36)} ${String(rows).padStart(9)} ${found.map(percent).join('  ')}\n`);
}

const changes: [string, (x: number) => number][] = [
  ['mean moves by .1 deviation', (x) => x + 0.1],
  ['mean moves by .2 deviation', (x) => x + 0.2],
  ['deviation grows by a quarter', (x) => 1.25 * x],
  ['unit changes (x 2.2)', (x) => 2.2 * (x + 10)],
  ['1 % become a default value', (x) => (random() < 0.01 ? -999 : x)],
];
const numericRuns = Math.ceil(runs / 10);
for (const [name, change] of changes) {
  let found = 0;
  for (let run = 0; run < numericRuns; run++) {
    const sample = (): number[] => Array.from({ length: n }, () => gaussian(random));
    const base = name.startsWith('unit') ? (x: number): number => x + 10 : (x: number): number => x;
    const column = numberColumn('x', sample().map(base), sample().map(change));
    if (detectDrift({ d: [column] }).d.drift) found++;
  }
  process.stdout.write(
    `${name.padEnd(36)} ${String(n).padStart(9)} ${`${((100 * found) / numericRuns).toFixed(1)} %`.padStart(8)}\n`,
  );
}
