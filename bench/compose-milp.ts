/** Cost of greedy + local search over the MILP optimum (HiGHS, with a time limit), for up to 40 requests. */
import highsLoader, { type Highs } from 'highs';
import { composeBatches, type ComposeProblem } from '../domain/batch/composition.js';
import { composeLp } from '../test/domain/batch/compose-milp.js';
import { seeded } from './release-traces.js';

const SECONDS_MAX = 20;
const highs = await (highsLoader as unknown as () => Promise<Highs>)();
console.log(
  `${'items'.padStart(6)}${'batches'.padStart(9)}${'ms'.padStart(8)}${'cost'.padStart(8)}${'MILP'.padStart(8)}${'ratio'.padStart(8)}`,
);
const ratios: number[] = [];
for (const count of [10, 20, 30, 40]) {
  for (let seed = 1; seed <= 5; seed++) {
    const random = seeded(count * 100 + seed);
    const pick = (most: number) => Math.floor(random() * most);
    const problem: ComposeProblem = {
      items: Array.from({ length: count }, (_, i) => ({
        id: `r${String(i).padStart(2, '0')}`,
        sources: [...new Set(Array.from({ length: 1 + pick(2) }, () => `s${pick(Math.ceil(count / 4))}`))],
        demand: [5 + pick(30), 5 + pick(30)],
      })),
      limits: [100, 100],
      batchCost: 10,
      sourceCosts: Object.fromEntries(Array.from({ length: 10 }, (_, s) => [`s${s}`, 4 + pick(12)])),
      defaultSourceCost: 8,
    };
    const start = performance.now();
    const { cost, batches } = composeBatches(problem);
    const ms = performance.now() - start;
    const solved = highs.solve(composeLp(problem, batches.length + 1), { time_limit: SECONDS_MAX, mip_rel_gap: 0 });
    const proven = solved.Status === 'Optimal';
    if (proven) ratios.push(cost / solved.ObjectiveValue);
    const ratio = `${(cost / solved.ObjectiveValue).toFixed(3).padStart(8)}${proven ? '' : ` (best found in ${SECONDS_MAX} s)`}`;
    const cells = [count, batches.length, ms.toFixed(0), cost, Math.round(solved.ObjectiveValue * 100) / 100];
    console.log(cells.map((cell, i) => String(cell).padStart([6, 9, 8, 8, 8][i])).join('') + ratio);
  }
}
const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
console.log(`proven optimal: ${ratios.length}; mean ratio ${mean.toFixed(3)}, worst ${Math.max(...ratios).toFixed(3)}`);
