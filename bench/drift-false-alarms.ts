/**
 * False alarms of `balance drift` on stable data, beside the default of the best-known peer (Jensen-Shannon distance of
 * at least .1 above 1,000 rows, chi-square against the reference as exact expectation below, at .05).
 *
 * Run: npx tsx bench/drift-false-alarms.ts [runs per cell, default 1000]
 */
import { gammaUpper } from '../domain/quality/shift-probability.js';
import { detectDrift, type PairedColumn } from '../domain/quality/shift.js';
import { categoryColumn, gaussian, multinomial, numberColumn, uniforms, zipf } from './drift-samples.js';

const runs = Number(process.argv[2] ?? 1000);
const random = uniforms(20);

/** The peer's rule, from its documentation. */
function peerAlarms(column: PairedColumn): boolean {
  const [n1, n2] = column.present;
  if (n1 >= 1000) {
    const term = (p: number, m: number): number => (p > 0 ? p * Math.log2(p / m) : 0);
    const divergence = column.values.reduce<number>((sum, _, i) => {
      const [p, q] = [column.reference[i] / n1, column.current[i] / n2];
      return sum + (term(p, (p + q) / 2) + term(q, (p + q) / 2)) / 2;
    }, 0);
    return Math.sqrt(divergence) >= 0.1;
  }
  let statistic = 0;
  for (let i = 0; i < column.values.length; i++) {
    const expected = (column.reference[i] * n2) / n1;
    if (expected > 0) statistic += (column.current[i] - expected) ** 2 / expected;
    else if (column.current[i] > 0) return true;
  }
  return gammaUpper((column.values.length - 1) / 2, statistic / 2) < 0.05;
}

let columns = 0;
let alarms = 0;
let peers = 0;
const percent = (count: number, of: number): string => `${((100 * count) / of).toFixed(2)} %`.padStart(9);
process.stdout.write('rows      categories shape      balance      peer\n');
for (const n of [200, 1000, 5000, 50_000, 1_000_000]) {
  for (const k of [2, 10, 100, 1000]) {
    for (const shape of ['uniform', 'zipf']) {
      const shares = shape === 'zipf' ? zipf(k) : Array.from({ length: k }, () => 1 / k);
      const cellRuns = n * k > 1e7 ? Math.ceil(runs / 20) : runs;
      let own = 0;
      let peer = 0;
      for (let run = 0; run < cellRuns; run++) {
        const column = categoryColumn('c', multinomial(random, n, shares), multinomial(random, n, shares));
        if (detectDrift({ d: [column] }).d.drift) own++;
        if (peerAlarms(column)) peer++;
      }
      columns += cellRuns;
      alarms += own;
      peers += peer;
      const cell = `${String(n).padEnd(9)} ${String(k).padEnd(10)} ${shape.padEnd(8)}`;
      process.stdout.write(`${cell} ${percent(own, cellRuns)} ${percent(peer, cellRuns)}\n`);
    }
  }
}
process.stdout.write(`all ${columns} columns: balance ${percent(alarms, columns)}, peer ${percent(peers, columns)}\n`);

/** Whole datasets: ten columns of all kinds each. */
let datasets = 0;
for (let run = 0; run < runs; run++) {
  const n = [200, 1000, 5000][run % 3];
  const draw = (one: () => number): number[] => Array.from({ length: n }, one);
  const normal = (): number => gaussian(random);
  const spiked = (): number => (random() < 0.5 ? 0 : Math.exp(normal()));
  const list = [
    ...[2, 3, 10, 100].map((k) =>
      categoryColumn(`z${k}`, multinomial(random, n, zipf(k)), multinomial(random, n, zipf(k))),
    ),
    categoryColumn('minority', multinomial(random, n, [0.98, 0.02]), multinomial(random, n, [0.98, 0.02])),
    numberColumn('normal', draw(normal), draw(normal)),
    numberColumn('spiked', draw(spiked), draw(spiked)),
    numberColumn(
      'counts',
      draw(() => Math.floor(random() * 7)),
      draw(() => Math.floor(random() * 7)),
    ),
  ];
  if (detectDrift({ d: list }).d.drift) datasets++;
}
process.stdout.write(
  `datasets of 8 columns, 200 to 5,000 rows: ${datasets} of ${runs} raise an alarm (goal: 1 in 1,000)\n`,
);
