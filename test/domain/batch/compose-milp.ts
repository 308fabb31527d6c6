/** The composition problem as a MILP for HiGHS: the oracle of the tests and the benchmark. */
import type { ComposeProblem } from '../../../domain/batch/composition.js';

/** LP text with at most `batchesMax` batches; item i may only use batches 0..i, which breaks most of the symmetry. */
export function composeLp(problem: ComposeProblem, batchesMax: number): string {
  const { items, limits, batchCost, sourceCosts, defaultSourceCost } = problem;
  const batches = Array.from({ length: batchesMax }, (_, b) => b);
  const sources = [...new Set(items.flatMap((item) => item.sources))];
  const objective: string[] = [];
  const rows: string[] = [];
  const binaries: string[] = [];
  for (const b of batches) {
    objective.push(`${batchCost} y${b}`);
    binaries.push(`y${b}`);
    if (b > 0) rows.push(`y${b} - y${b - 1} <= 0`);
    sources.forEach((source, s) => {
      objective.push(`${sourceCosts[source] ?? defaultSourceCost} z${s}_${b}`);
      binaries.push(`z${s}_${b}`);
    });
    limits.forEach((limit, r) => {
      const used = items.flatMap(({ demand }, i) => (b <= i && demand[r] > 0 ? [`${demand[r]} x${i}_${b}`] : []));
      if (used.length > 0) rows.push(`${used.join(' + ')} - ${limit} y${b} <= 0`);
    });
  }
  items.forEach((item, i) => {
    const allowed = batches.filter((b) => b <= i);
    rows.push(`${allowed.map((b) => `x${i}_${b}`).join(' + ')} = 1`);
    for (const b of allowed) {
      binaries.push(`x${i}_${b}`);
      rows.push(`x${i}_${b} - y${b} <= 0`);
      for (const source of item.sources) rows.push(`x${i}_${b} - z${sources.indexOf(source)}_${b} <= 0`);
    }
  });
  const numbered = rows.map((row, i) => ` c${i}: ${row}`).join('\n');
  return `Minimize\n obj: ${objective.join(' + ')}\nSubject To\n${numbered}\nBinary\n ${binaries.join(' ')}\nEnd\n`;
}
