/**
 * Corrective actions on deliveries with injected faults, by the loop's own judge and executor: how many of those that were
 * kept bring the delivery nearer to rows that nobody has seen (the held-out metric: mean total variation over the columns,
 * against a third part of the table), and how many of those that bring it away from them were rolled back; of these, those
 * that do so by more than two standard errors, over eighths of the unseen rows: less is the luck of who is unseen.
 * Bounds in the same run: doing nothing (the untreated delivery), and the sound delivery before the fault.
 * Run: npx tsx bench/corrections.ts [seeds]
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Papa from 'papaparse';
import type { DatasetRef, SliceResult } from '../activities/ports.js';
import { planRound, settleRound, startCorrections } from '../domain/decision/quality/correct.js';
import type { QualityInputs } from '../domain/decision/quality/quality-inputs.js';
import type { WorkItem } from '../domain/decision/work.js';
import { pairSamples, sampleDistance, type Recount, type Sample } from '../domain/quality/sample.js';
import { EMPTY_STRATEGY, type StrategyState } from '../domain/quality/strategy.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine } from '../interfaces/data/engine.js';
import { fileCache } from '../interfaces/data/file-cache.js';
import { createSliceFiles } from '../interfaces/data/slice-files.js';
import { seededRandom, type FaultColumns, type TextTable } from '../test/simulation/faults.js';
import { REAL_TABLES } from '../test/simulation/tables.js';

const seeds = Number(process.argv[2] ?? 10);
const ROWS = 800;
/** Rows at fault: more than the gate tolerates, less than half. */
const SHARE = 0.2;
const HOUR_MS = 3_600_000;
const EIGHTHS = 8;
const FAULTS = [
  ...['broken values', 'nulls', 'duplicates', 'broken in one class', 'nulls in one class'],
  'broken, nulls and duplicates',
];

const folder = mkdtempSync(join(tmpdir(), 'balance-bench-'));
const signal = new AbortController().signal;

type Rows = readonly (readonly string[])[];

function spoil(
  kind: string,
  rows: Rows,
  at: { number: number; label: number },
  random: () => number,
  share = SHARE,
): Rows {
  if (kind === 'broken, nulls and duplicates') {
    // A third of the share each.
    const spoilPart = (of: Rows, part: string): Rows => spoil(part, of, at, random, SHARE / 3);
    return ['broken values', 'nulls', 'duplicates'].reduce(spoilPart, rows);
  }
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row[at.label], (counts.get(row[at.label]) ?? 0) + 1);
  // The class whose size is nearest to the share at fault.
  const [victim] = [...counts].sort(
    (a, b) => Math.abs(a[1] / rows.length - SHARE) - Math.abs(b[1] / rows.length - SHARE) || (a[0] < b[0] ? -1 : 1),
  )[0];
  if (kind === 'duplicates')
    return rows.map((row, i) => (random() < share ? rows[Math.floor(random() * (i + 1))] : row));
  const oneClass = kind.endsWith('one class');
  const value = kind.startsWith('nulls') ? '' : '99999999999';
  return rows.map((row) =>
    (oneClass ? row[at.label] === victim : random() < share)
      ? row.map((text, index) => (index === at.number ? value : text))
      : row,
  );
}

const engine = await openEngine({ tempDir: join(folder, 'spill') });
const cacheDir = join(folder, 'cache');
const cache = fileCache(cacheDir);
const plane = createDataPlane({ engine, cacheDir, env: {}, baseDir: folder, projectRoot: folder });
const files = createSliceFiles({ engine, cache, cacheDir });

function datasetOf(path: string, number: string): DatasetRef {
  return {
    ...{
      tenant: 't',
      pool: 'p',
      id: 'd',
      sourceId: 's',
      source: { kind: 'files', root: folder, limits: { scansAtOnce: 2 } },
    },
    definition: {
      ...{ source: 's', path, key: ['rid'], maxDuplicateFraction: 0.05 },
      columns: { [number]: { required: true, max: 9_999_999_999, sensitivity: 'public' } },
    },
  };
}
async function sliceOf(
  name: string,
  columns: readonly string[],
  rows: Rows,
  number: string,
): Promise<[SliceResult, DatasetRef]> {
  writeFileSync(join(folder, `${name}.csv`), Papa.unparse([columns, ...rows] as string[][]));
  const dataset = datasetOf(`${name}.csv`, number);
  const ask = { id: 'i', fields: columns, where: [], rows: null, seed: 0, classColumn: null, quotas: null };
  const read = await plane.read({ id: name, dataset, asOfMs: 0, contentId: null, slices: [ask] }, signal);
  return [read.slices[0], dataset];
}
const distanceTo = (truth: Sample, current: Recount): number => {
  const pairs = pairSamples(truth, current).filter(({ kind }) => kind !== 'identifier' && kind !== 'time');
  return pairs.reduce((sum, pair) => sum + sampleDistance(pair), 0) / pairs.length;
};

/** One action: distances before and after it. */
interface Step {
  readonly applied: boolean;
  readonly before: number;
  readonly after: number;
  /** It leads away from the unseen rows, whichever of them are looked at. */
  readonly surelyWorse: boolean;
}
/** Distances of one delivery as it was read, as it is delivered, and of the sound rows. */
interface Far {
  readonly plain: number;
  readonly delivered: number;
  readonly sound: number;
}

/** Whether the mean of the paired differences is more than two of its standard errors above zero. */
function isSurelyWorse(before: readonly number[], after: readonly number[]): boolean {
  const differences = after.map((distance, k) => distance - before[k]);
  const mean = differences.reduce((sum, one) => sum + one, 0) / differences.length;
  const squares = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  return mean > 2 * Math.sqrt(squares / (differences.length - 1) / differences.length);
}

/** One delivery through the judge, the executor and the judge again. */
async function runCase(
  table: TextTable,
  at: Required<FaultColumns>,
  kind: string,
  seed: number,
  strategy: StrategyState,
  nowMs: number,
): Promise<{ readonly strategy: StrategyState; readonly steps: readonly Step[]; readonly far: Far }> {
  const random = seededRandom(seed);
  const columns = [...table.columns, 'rid'];
  const index = { number: columns.indexOf(at.number), label: columns.indexOf(at.label) };
  const shuffled = table.rows
    .filter((row) => row[index.number] !== '')
    .map((row, i) => ({ row: [...row, String(i)], rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ row }) => row);
  const size = Math.min(ROWS, Math.floor(shuffled.length / 3));
  const part = (from: number) => shuffled.slice(from * size, (from + 1) * size);
  const [known] = await sliceOf('known', columns, part(0), at.number);
  const [unseen] = await sliceOf('unseen', columns, part(1), at.number);
  const [soundSlice] = await sliceOf('sound', columns, part(2), at.number);
  const [slice, dataset] = await sliceOf('faulty', columns, spoil(kind, part(2), index, random), at.number);
  const sample = (of: SliceResult, reference: Sample | null) =>
    files.sample(of, { fields: columns, moving: ['rid', at.time], reference }, signal);
  const reference = (await sample(known, null)).own;
  const truth = (await sample(unseen, null)).own;
  const eighths = await Promise.all(
    Array.from({ length: EIGHTHS }, async (_, k) => {
      const rows = part(1).filter((_row, i) => i % EIGHTHS === k);
      return (await sample((await sliceOf(`unseen${k}`, columns, rows, at.number))[0], null)).own;
    }),
  );
  const item: WorkItem = {
    ...{
      id: 'i',
      kind: 'need',
      needId: 'm/n',
      model: 'm',
      dataset: 'd',
      fields: columns,
      where: [],
      rows: size,
      seed: 0,
    },
    ...{ maxAgeMs: null, deadlineMs: null, priority: 3, datasetVersion: null, createdMs: 0, attempts: 1 },
    ...{ classColumn: null, target: null, maxClassGap: 1, minCompleteness: null, minRows: 0, critical: 0.5 },
    ...{ resources: {}, after: [], onDrift: 'pass', corrections: ['drop-rows', 'impute'] },
  };
  const result = { itemId: 'i', served: 'read' as const, asOfMs: 0, slice, failure: null };
  const inputs: QualityInputs = {
    ...{
      asOfMs: 0,
      nowMs,
      seed: `${seed}`,
      items: [item],
      results: [result],
      granted: { i: size },
      minRows: {},
      lastGood: [],
    },
    ...{ datasets: { d: dataset.definition }, strategy, samples: { i: await sample(slice, reference) } },
    references: {
      'm/n': { asOfMs: 0, decisionId: 'x', question: '', sample: reference, population: null, settling: 0 },
    },
  };
  const far = async (of: SliceResult) => distanceTo(truth, (await sample(of, truth)).current!);
  const farOfEach = async (of: SliceResult): Promise<number[]> => {
    const distances: number[] = [];
    for (const one of eighths) distances.push(distanceTo(one, (await sample(of, one)).current!));
    return distances;
  };
  const plain = await far(slice);
  let distances = await farOfEach(slice);
  const steps: Step[] = [];
  let state = startCorrections(inputs);
  let [file, distance] = [slice, plain];
  for (let [plan] = planRound(state); plan !== undefined; [plan] = planRound(state)) {
    const ask = { fields: columns, moving: ['rid', at.time], reference, correction: plan, dataset, classColumn: null };
    const made = await files.correct(file, ask, signal);
    const copy = made === null ? null : { ...made, slice: made.file };
    state = settleRound(state, new Map([[plan, copy]]));
    if (made === null) continue;
    const after = await far(made.file);
    const afterEach = await farOfEach(made.file);
    const { applied } = state.records.get('i')!.at(-1)!;
    steps.push({ applied, before: distance, after, surelyWorse: isSurelyWorse(distances, afterEach) });
    if (applied) [file, distance, distances] = [made.file, after, afterEach];
  }
  const { strategy: learned } = state.inputs;
  return { strategy: learned!, steps, far: { plain, delivered: distance, sound: await far(soundSlice) } };
}

let kept = 0;
let better = 0;
let harmful = 0;
let harmfulKept = 0;
/** The most that a kept action led away. */
let worst = 0;
let surely = 0;
let surelyKept = 0;
console.log(
  `${'fault'.padEnd(30)}${'acted'.padStart(7)}${'kept'.padStart(6)}${'better'.padStart(8)}  held-out distance: untreated, delivered, sound`,
);
for (const kind of FAULTS) {
  const steps: Step[] = [];
  const deliveries: Far[] = [];
  for (const { name, columns, read } of REAL_TABLES) {
    const table = read();
    // What is learned is learned of a dataset and an issue; each table has its own past.
    let strategy = EMPTY_STRATEGY;
    for (let seed = 1; seed <= seeds; seed++) {
      const run = await runCase(table, columns, kind, seed + name.length * 1_000, strategy, seed * 24 * HOUR_MS);
      strategy = run.strategy;
      steps.push(...run.steps);
      deliveries.push(run.far);
    }
  }
  const mean = (pick: (one: Far) => number) =>
    (deliveries.reduce((sum, one) => sum + pick(one), 0) / deliveries.length).toFixed(4);
  const applied = steps.filter((one) => one.applied);
  const good = applied.filter((one) => one.after < one.before);
  kept += applied.length;
  better += good.length;
  harmful += steps.filter((one) => one.after > one.before).length;
  harmfulKept += applied.filter((one) => one.after > one.before).length;
  surely += steps.filter((one) => one.surelyWorse).length;
  surelyKept += applied.filter((one) => one.surelyWorse).length;
  worst = Math.max(worst, ...applied.map((one) => one.after - one.before));
  console.log(
    `${kind.padEnd(30)}${String(steps.length).padStart(7)}${String(applied.length).padStart(6)}${String(good.length).padStart(8)}  ${mean(({ plain }) => plain)}, ${mean(({ delivered }) => delivered)}, ${mean(({ sound }) => sound)}`,
  );
}
console.log(`kept actions that improve the held-out metric: ${better} of ${kept} (goal 90 %)`);
console.log(
  `actions that worsen it: ${harmful}, of them rolled back ${harmful - harmfulKept}; the others by ${worst.toFixed(4)} at most`,
);
console.log(
  `of those beyond two standard errors of the held-out rows: ${surely}, of them rolled back ${surely - surelyKept} (goal: every one)`,
);
engine.close();
