/**
 * What planning costs: merging, sharing and reads of one cycle, at 1k, 10k and 100k requests.
 * Bound: linear in the requests; each size is compared with the time that sorting and printing its items as JSON takes,
 * which a cycle must do anyway to store them.
 *
 *   npx tsx bench/plan-cost.ts
 */
import { planBatch } from '../domain/decision/batch.js';
import { batchInputs, workItem } from '../test/domain/decision/batch-inputs.js';

/** Three models, 40 predicates, 8 field sets, 16 seeds: much to merge, as a pool has it. */
function inputsOf(count: number) {
  const fields = [['x'], ['y'], ['z'], ['x', 'y'], ['x', 'z'], ['y', 'z'], ['x', 'y', 'z'], ['k']];
  const items = Array.from({ length: count }, (_, index) =>
    workItem(`r${String(index).padStart(6, '0')}`, {
      model: 'abc'[index % 3],
      fields: fields[(index * 7) % fields.length],
      where: index % 4 === 0 ? [] : [{ column: 'k', op: '=', value: (index * 13) % 40 }],
      seed: (index * 5) % 16,
      rows: 1 + (index % 100),
    }),
  );
  return batchInputs(items, 10 * count);
}

process.stdout.write('requests   plan ms   us/request   granted   reads   x JSON of its items\n');
for (const count of [1_000, 10_000, 100_000]) {
  const inputs = inputsOf(count);
  planBatch(inputsOf(500)); // warm
  let began = performance.now();
  const plan = planBatch(inputs);
  const ms = performance.now() - began;
  began = performance.now();
  JSON.stringify([...inputs.items].sort((a, b) => (a.id < b.id ? -1 : 1)));
  const jsonMs = performance.now() - began;
  const cells = [count, ms.toFixed(1), ((ms * 1_000) / count).toFixed(1), plan.grants.length, plan.reads.length];
  const widths = [8, 9, 12, 9, 7];
  const line = cells.map((cell, index) => String(cell).padStart(widths[index])).join(' ');
  process.stdout.write(`${line}   ${(ms / jsonMs).toFixed(1)}\n`);
}
