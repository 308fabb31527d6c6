/**
 * Merged read against one read per request and against sharing exactly equal requests, in one run.
 *
 * 500 requests on three million flights that overlap as models' needs do: a few airports and delays are asked for
 * most, fields and sizes differ, one in four repeats an earlier one to the letter. Run: npx tsx bench/merged-read.ts
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetRef, SliceAsk } from '../activities/ports.js';
import type { Condition } from '../domain/types/predicate.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine } from '../interfaces/data/engine.js';

const REQUESTS = Number(process.argv[2] ?? 500);
const projectRoot = join(import.meta.dirname, '..');
const asOfMs = Date.parse('2001-07-01T00:00:00Z');
const noAbort = new AbortController().signal;
const dataset: DatasetRef = {
  tenant: 'default',
  pool: 'bench',
  id: 'flights',
  sourceId: 'files',
  source: { kind: 'files', root: 'package:vega-datasets/data', limits: { scansAtOnce: 2 } },
  definition: { source: 'files', path: 'flights-3m.parquet', eventTime: 'date', columns: {}, maxDuplicateFraction: 1 },
};

/** Reproducible numbers in [0, 1): mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function requests(count: number): SliceAsk[] {
  const random = generator(1);
  const airports = ['ORD', 'DFW', 'ATL', 'LAX', 'PHX', 'STL', 'DTW', 'MSP', 'LAS', 'BOS', 'DEN', 'SEA', 'IAH', 'SFO'];
  const columns = ['date', 'delay', 'distance', 'origin', 'destination'];
  const skewed = (length: number): number => Math.floor(length * random() ** 2);
  const made: SliceAsk[] = [];
  for (let index = 0; index < count; index++) {
    const id = `r${index}`;
    if (index > 0 && random() < 0.25) {
      made.push({ ...made[Math.floor(random() * index)], id });
      continue;
    }
    const where: Condition[] = [{ column: 'origin', op: '=', value: airports[skewed(airports.length)] }];
    if (random() < 0.5) where.push({ column: 'delay', op: '>', value: 15 * skewed(6) });
    const fields = columns.filter(() => random() < 0.6);
    if (fields.length === 0) fields.push('delay');
    const rows = [100, 1000, 10_000][skewed(3)];
    made.push({ id, fields, where, rows, seed: 0, classColumn: null, quotas: null });
  }
  return made;
}

/** Runs a job; gives its wall time, CPU time and the peak of resident memory above the start. */
async function measured(job: () => Promise<void>) {
  const before = process.memoryUsage.rss();
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
  const cpu = process.cpuUsage();
  const start = performance.now();
  await job();
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpuSeconds: (user + system) / 1e6, peakMegabytes: peak / 1e6 };
}

async function main(): Promise<void> {
  if (!existsSync(join(projectRoot, 'node_modules/vega-datasets/data/flights-3m.parquet'))) {
    console.log('skipped: vega-datasets is not installed');
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'balance-bench-'));
  const engine = await openEngine({ tempDir: join(folder, 'spill') });
  try {
    const plane = createDataPlane({ engine, cacheDir: join(folder, 'cache'), env: {}, baseDir: folder, projectRoot });
    const read = async (slices: readonly SliceAsk[]): Promise<string[]> => {
      const result = await plane.read({ id: 'bench', dataset, asOfMs, contentId: null, slices }, noAbort);
      return result.slices.map(({ digest }) => digest);
    };
    const asks = requests(REQUESTS);
    const keyOf = (ask: SliceAsk): string => JSON.stringify({ ...ask, id: '' });
    await read(asks.slice(0, 2));
    let merged: string[] = [];
    const shared = new Map<string, string>();
    const single: string[] = [];
    const ways = {
      'merged read': await measured(async () => void (merged = await read(asks))),
      'equal requests shared': await measured(async () => {
        for (const ask of asks) if (!shared.has(keyOf(ask))) shared.set(keyOf(ask), (await read([ask]))[0]);
      }),
      'one read per request': await measured(async () => {
        for (const ask of asks) single.push(...(await read([ask])));
      }),
    };
    const same = merged.every((digest, index) => digest === single[index] && digest === shared.get(keyOf(asks[index])));
    const base = ways['merged read'];
    console.log(`${REQUESTS} requests, ${shared.size} distinct; same files from all ways: ${same}`);
    console.log('way                    seconds  ratio  cpu-s  ratio  peak MB');
    for (const [name, way] of Object.entries(ways)) {
      const cells = [way.seconds, way.seconds / base.seconds, way.cpuSeconds, way.cpuSeconds / base.cpuSeconds];
      console.log(
        name.padEnd(21),
        ...cells.map((cell) => cell.toFixed(2).padStart(7)),
        way.peakMegabytes.toFixed(0).padStart(7),
      );
    }
    if (!same) process.exitCode = 1;
  } finally {
    engine.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

await main();
