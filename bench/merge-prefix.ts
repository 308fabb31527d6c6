/** Units read by merged plans on the key-prefix trace, beside exact de-duplication, containment and the union bound. */
import { mergeRanges, type RangeRequest } from '../domain/batch/range-merge.js';
import { segmentsOf } from '../domain/batch/segments.js';
import { dataLines } from './release-traces.js';

const WINDOW = 16;
const cost = { perOperation: 0, perUnit: 1 };
const lines = dataLines('traces/prefix-requests.jsonl');

const unitsOf = (requests: readonly RangeRequest[]): number =>
  requests.reduce((sum, { keys }) => sum + keys.reduce((acc, key, i) => acc + (i % 2 === 0 ? -key : key), 0), 0);

/** One read per distinct key set. */
function exactUnits(requests: readonly RangeRequest[]): number {
  return unitsOf([...new Map(requests.map((request) => [request.keys.join(), request])).values()]);
}

/** A request whose keys are all within one other request rides along; the largest come first. */
function containmentUnits(requests: readonly RangeRequest[]): number {
  const sets = requests.map(({ keys }) => {
    const all = new Set<number>();
    for (let i = 0; i < keys.length; i += 2) for (let k = keys[i]; k < keys[i + 1]; k++) all.add(k);
    return all;
  });
  const kept: Set<number>[] = [];
  const holders = new Map<number, Set<number>[]>();
  for (const set of sets.sort((a, b) => b.size - a.size)) {
    const [first] = set;
    if ((holders.get(first) ?? []).some((other) => [...set].every((key) => other.has(key)))) continue;
    kept.push(set);
    for (const key of set) holders.set(key, [...(holders.get(key) ?? []), set]);
  }
  return kept.reduce((sum, set) => sum + set.size, 0);
}

if (lines !== null) {
  const requests = lines.map((line, i): RangeRequest => {
    const keys = (JSON.parse(line) as { hash_ids: number[] }).hash_ids;
    return {
      id: `r${String(i).padStart(6, '0')}`,
      dataset: 'blocks',
      fields: ['kv'],
      keys: segmentsOf(keys.map((k) => [k, k + 1])),
    };
  });
  const windows: RangeRequest[][] = [];
  for (let i = 0; i < requests.length; i += WINDOW) windows.push(requests.slice(i, i + WINDOW));
  console.log(`${requests.length} requests; saved share of the units asked for`);
  console.log(
    `${'batches of'.padEnd(12)}${'exact'.padStart(8)}${'contained'.padStart(11)}${'merged'.padStart(8)}${'bound'.padStart(8)}${'of bound'.padStart(10)}${'ms'.padStart(8)}`,
  );
  const rows: [string, RangeRequest[][]][] = [
    ['all', [requests]],
    [String(WINDOW), windows],
  ];
  for (const [name, groups] of rows) {
    const asked = unitsOf(requests);
    const saved = (units: number) => 1 - units / asked;
    const sum = (count: (group: RangeRequest[]) => number) =>
      groups.reduce<number>((total, group) => total + count(group), 0);
    const start = performance.now();
    const plans = groups.map((group) => mergeRanges(group, cost));
    const ms = performance.now() - start;
    const merged = saved(plans.reduce((total, plan) => total + plan.read.units, 0));
    const bound = saved(plans.reduce((total, plan) => total + plan.lowerBound.units, 0));
    const percent = [saved(sum(exactUnits)), saved(sum(containmentUnits)), merged, bound].map(
      (share) => `${(100 * share).toFixed(1)} %`,
    );
    const cells = [...percent, `${((100 * merged) / bound).toFixed(1)} %`, ms.toFixed(0)];
    console.log(name.padEnd(12) + cells.map((cell, i) => cell.padStart([8, 11, 8, 8, 10, 8][i])).join(''));
  }
}
