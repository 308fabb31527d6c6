/**
 * Cost of composed batches over the optimum: for up to 40 requests the mixed-integer optimum (HiGHS, with a time limit);
 * for more, a bound that nothing can go below (each source is opened as often as its own requests fill batches, and there
 * are as many batches as all fill), beside filling batches in the given order.
 *
 *   npx tsx bench/compose-milp.ts [bound: the second part alone]
 */
import highsLoader, { type Highs } from 'highs';
import { composeBatches, type ComposeProblem } from '../domain/batch/composition.js';
import { composeLp } from '../test/domain/batch/compose-milp.js';
import { seeded } from './release-traces.js';

const SECONDS_MAX = 20;
const BOUND_ONLY = process.argv[2] === 'bound';
const highs = await (highsLoader as unknown as () => Promise<Highs>)();
console.log(
  `${'items'.padStart(6)}${'batches'.padStart(9)}${'ms'.padStart(8)}${'cost'.padStart(8)}${'MILP'.padStart(8)}${'ratio'.padStart(8)}`,
);
const ratios: number[] = [];

/** Requests on one or two of `count / 4` sources, each up to a third of a batch in both resources. */
function problemOf(count: number, seed: number): ComposeProblem {
  const random = seeded(count * 100 + seed);
  const pick = (most: number) => Math.floor(random() * most);
  return {
    items: Array.from({ length: count }, (_, i) => ({
      id: `r${String(i).padStart(6, '0')}`,
      sources: [...new Set(Array.from({ length: 1 + pick(2) }, () => `s${pick(Math.ceil(count / 4))}`))],
      demand: [5 + pick(30), 5 + pick(30)],
    })),
    limits: [100, 100],
    batchCost: 10,
    sourceCosts: Object.fromEntries(Array.from({ length: 10 }, (_, s) => [`s${s}`, 4 + pick(12)])),
    defaultSourceCost: 8,
  };
}

for (const count of BOUND_ONLY ? [] : [10, 20, 30, 40]) {
  for (let seed = 1; seed <= 5; seed++) {
    const problem = problemOf(count, seed);
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
if (!BOUND_ONLY) {
  const mean = ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
  console.log(
    `proven optimal: ${ratios.length}; mean ratio ${mean.toFixed(3)}, worst ${Math.max(...ratios).toFixed(3)}`,
  );
}

/** Below it no composition can go: of each limit, what the items take of it. */
function lowerBound({ items, limits, batchCost, sourceCosts, defaultSourceCost }: ComposeProblem): number {
  const batchesFor = (some: ComposeProblem['items']) =>
    Math.max(
      ...limits.map((limit, r) => Math.ceil(some.reduce((sum, { demand }) => sum + demand[r], 0) / limit - 1e-9)),
    );
  const bySource = new Map<string, ComposeProblem['items'][number][]>();
  for (const item of items)
    for (const source of item.sources) bySource.set(source, [...(bySource.get(source) ?? []), item]);
  let bound = batchCost * batchesFor(items);
  for (const [source, uses] of bySource) bound += (sourceCosts[source] ?? defaultSourceCost) * batchesFor(uses);
  return bound;
}

/** Batches filled in the order given. */
function nextFit({ items, limits, batchCost, sourceCosts, defaultSourceCost }: ComposeProblem): number {
  let cost = 0;
  let open: ComposeProblem['items'][number][] = [];
  const close = () => {
    cost += batchCost;
    for (const source of new Set(open.flatMap(({ sources }) => sources)))
      cost += sourceCosts[source] ?? defaultSourceCost;
    open = [];
  };
  for (const item of items) {
    const fits = limits.every((limit, r) => open.reduce((sum, { demand }) => sum + demand[r], item.demand[r]) <= limit);
    if (!fits) close();
    open.push(item);
  }
  if (open.length > 0) close();
  return cost;
}

console.log('\nover the lower bound (which no composition need reach), processor time');
for (const count of [40, 60, 100, 400, 1_000, 4_000, 10_000]) {
  const problem = problemOf(count, 1);
  const start = process.cpuUsage();
  const { cost } = composeBatches(problem);
  const { user, system } = process.cpuUsage(start);
  const bound = lowerBound(problem);
  const ms = (user + system) / 1000;
  console.log(
    `${String(count).padStart(6)} requests: composed ${(cost / bound).toFixed(3)}, filled in order ${(nextFit(problem) / bound).toFixed(3)}; ${ms.toFixed(0)} ms, ${((ms * 1000) / count).toFixed(0)} us a request`,
  );
}
