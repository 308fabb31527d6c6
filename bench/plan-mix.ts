/** What a pool is asked, at any size: the mix that planning is measured on. */
import type { BatchInputs } from '../domain/decision/batch/batch-inputs.js';
import type { WorkItem } from '../domain/decision/work.js';
import type { Predicate } from '../domain/types/predicate.js';
import { batchInputs, workItem } from '../test/domain/decision/batch/batch-inputs.js';
import { seeded } from './release-traces.js';

const DATASETS = 40;
const MODELS = 50;
const COLUMNS = Array.from({ length: 12 }, (_, i) => `c${String(i).padStart(2, '0')}`);

/** Rank drawn with probability proportional to 1 / (rank + 1), by inversion: what is popular is asked for often. */
const zipf = (random: () => number, count: number): number => Math.floor(Math.exp(random() * Math.log(count + 1))) - 1;

/**
 * What a pool is asked: 40 datasets of unequal popularity on four sources, three of them limited (one also in rows), 50 models;
 * a quarter of the datasets as whole tables, too; key ranges that overlap (hot ones more often), single values and ranges within a class; 1 to 6 of 12
 * columns; samples of few seeds, or all that match; one in 100 a standing need, half of those with a least part.
 * @param scarcity part of the bytes asked (unmerged) that may be read now
 */
export function mixOf(count: number, scarcity: number): BatchInputs {
  const random = seeded(count);
  const below = (most: number): number => Math.floor(random() * most);
  const whereOf = (dataset: number): Predicate => {
    const low = zipf(random, 1_000) * 100 + below(50);
    const range = { column: 'key', op: 'between', low, high: low + 1 + below(200) } as const;
    const kind = { column: 'kind', op: '=', value: `k${zipf(random, 30)}` } as const;
    const shape = below(10);
    return shape === 0 && dataset % 4 === 3 ? [] : shape < 6 ? [range] : shape < 9 ? [kind] : [kind, range];
  };
  let bytes = 0;
  const items = Array.from({ length: count }, (_, index): WorkItem => {
    const first = below(COLUMNS.length);
    const fields = COLUMNS.slice(first, first + 1 + below(6));
    const isNeed = index % 100 === 0;
    const model = `m${zipf(random, MODELS)}`;
    const id = `r${String(index).padStart(7, '0')}`;
    const dataset = zipf(random, DATASETS);
    const rows = random() < 0.3 ? null : 10 * (1 + below(50));
    bytes += (rows ?? 200) * fields.length * 10;
    const item = workItem(id, {
      ...{ model, fields, where: whereOf(dataset), rows, dataset: `d${dataset}`, seed: below(4) },
      ...{ createdMs: below(60_000), priority: 1 + below(5), deadlineMs: random() < 0.2 ? 60_000 + below(1e6) : null },
      ...(isNeed ? { kind: 'need' as const, needId: `${model}/n${index}`, minRows: below(2) * 5 } : {}),
    });
    // The planner's items are read from the decision's record: objects of one shape, as JSON makes them. What is spread
    // together from parts has a shape of its own each time, and every access would measure that.
    return JSON.parse(JSON.stringify(item)) as WorkItem;
  });
  const columns = Object.fromEntries([...COLUMNS, 'key', 'kind'].map((column) => [column, 10]));
  const [dataset] = batchInputs([], 0).datasets;
  const per = (resource: string, source: string, available: number) => {
    return { resource, source, available, perSecond: available / 10, burst: available };
  };
  return batchInputs(items, 0, {
    datasets: Array.from({ length: DATASETS }, (_, d) => {
      return { ...dataset, id: `d${d}`, source: `s${d % 4}`, rows: 100_000, bytesPerValue: columns };
    }),
    facts: items.map(({ id, rows }, index) => {
      return {
        ...{ itemId: id, rows: rows ?? 50 + ((index * 37) % 300), exact: true },
        ...{ classCounts: null, completeness: {}, newestEventMs: null },
      };
    }),
    models: Object.fromEntries(
      Array.from({ length: MODELS }, (_, m) => [`m${m}`, { weight: 1 + (m % 3), priority: 3 }]),
    ),
    sources: Object.fromEntries(Array.from({ length: 4 }, (_, s) => [`s${s}`, { scansAtOnce: 2, windows: null }])),
    limits: [
      per('bytes:s0', 's0', bytes * 0.4 * scarcity),
      per('rows:s0', 's0', bytes * 0.02 * scarcity),
      per('bytes:s1', 's1', bytes * 0.2 * scarcity),
      per('bytes:s2', 's2', bytes),
    ],
  });
}
