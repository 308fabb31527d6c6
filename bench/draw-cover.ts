/**
 * What a draw costs that takes rows of each segment first, or keeps quotas of classes, as a ratio to the plain draw of as many
 * rows in the same run: 1M rows x 10 columns of a Parquet file and of a table that many slices share. Bound: the plain draw.
 * Run: npx tsx bench/draw-cover.ts [rows]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SliceAsk } from '../activities/ports.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine, quoteText } from '../interfaces/data/engine.js';

const rows = Number(process.argv[2] ?? 1_000_000);
const RUNS = 5;
const DRAWN = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'balance-draw-'));
const signal = new AbortController().signal;
const engine = await openEngine({ tempDir: folder });
const plane = createDataPlane({
  engine,
  cacheDir: join(folder, 'cache'),
  env: {},
  baseDir: folder,
  projectRoot: folder,
});
await engine.session(signal, (session) =>
  session.run(
    `COPY (SELECT i AS id, 'class ' || floor(12 * pow(random(), 3))::INT AS label, 'region ' || (hash(i) % 40) AS region,
       'device ' || (hash(i, 1) % 7) AS device, 'text ' || hash(i, 2) AS note,
       ${Array.from({ length: 5 }, (_, at) => `random() AS x${at}`).join(', ')}
     FROM range(${rows}) r(i)) TO ${quoteText(join(folder, 'rows.parquet'))} (FORMAT parquet)`,
  ),
);
const fields = ['id', 'label', 'region', 'device', 'note', 'x0', 'x1', 'x2', 'x3', 'x4'];
const dataset = {
  id: 'rows',
  tenant: 'default',
  pool: 'bench',
  sourceId: 'files',
  source: { kind: 'files', root: folder, limits: {} },
  definition: { source: 'files', path: 'rows.parquet', columns: {}, key: ['id'] },
} as unknown as Parameters<typeof plane.read>[0]['dataset'];

const ask = (seed: number, over: Partial<SliceAsk>): SliceAsk => ({
  ...{ id: 's', fields, where: [], rows: DRAWN, seed, classColumn: null, quotas: null },
  ...over,
});
const quotas = Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`class ${at}`, Math.floor(DRAWN / 12)]));
const DRAWS: Readonly<Record<string, Partial<SliceAsk>>> = {
  plain: {},
  'quotas of 12 classes': { classColumn: 'label', quotas, rows: null },
  '40 segments of one column, 100 rows each': { cover: { rows: 100, segments: [['region']] } },
  '47 + 280 segments of one and two columns': {
    cover: { rows: 20, segments: [['region'], ['device'], ['region', 'device']] },
  },
  'quotas, and 40 segments': { classColumn: 'label', quotas, rows: null, cover: { rows: 100, segments: [['region']] } },
};

let seed = 0;
async function cpuOf(over: Partial<SliceAsk>, slices: number): Promise<number> {
  const asked = Array.from({ length: slices }, (_, at) => ({ ...ask(++seed, over), id: `s${at}` }));
  const before = process.cpuUsage();
  await plane.read({ id: `r${seed}`, dataset, asOfMs: Date.now(), contentId: null, slices: asked }, signal);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e3;
}

try {
  await cpuOf({}, 1);
  for (const slices of [1, 4]) {
    console.log(
      `${rows} rows, ${slices} slice(s) of ${DRAWN} rows in one read: CPU-ms (best of ${RUNS}), ratio to the plain draw`,
    );
    const best: Record<string, number> = {};
    // In turns, so that a machine that is busy for a while is so for all.
    for (let run = 0; run < RUNS; run++)
      for (const [name, over] of Object.entries(DRAWS))
        best[name] = Math.min(best[name] ?? Infinity, await cpuOf(over, slices));
    for (const [name, ms] of Object.entries(best))
      console.log(`  ${name.padEnd(44)}${ms.toFixed(0).padStart(7)}  ${(ms / best.plain).toFixed(2)}`);
  }
} finally {
  engine.close();
  rmSync(folder, { recursive: true });
}
