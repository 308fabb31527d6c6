/**
 * What a profile costs when six hours of flights have arrived since the last one, beside a profile of everything: CPU of
 * both in one run, and whether the kept states are the same to the last bit.
 * Run: npx tsx bench/profile-increment.ts [steps]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import type { DatasetRef, ProfileAnswer } from '../activities/ports.js';
import type { KeptProfile } from '../domain/quality/dataset-profile.js';
import { createDataPlane } from '../interfaces/data/data-plane.js';
import { openEngine } from '../interfaces/data/engine.js';

const COLUMNS = ['date', 'delay', 'distance', 'origin', 'destination'];
const STEP_MS = 6 * 3_600_000;
const START_MS = Date.parse('2001-05-01T00:00:00Z');
const FLIGHTS: DatasetRef = {
  ...{ tenant: 'bench', pool: 'bench', id: 'flights', sourceId: 'files' },
  source: { kind: 'files', root: 'package:vega-datasets/data', limits: { scansAtOnce: 2 } },
  definition: {
    ...{ source: 'files', path: 'flights-3m.parquet', eventTime: 'date', columns: {}, maxDuplicateFraction: 1 },
  },
};

const steps = Number(process.argv[2] ?? 8);
const folder = mkdtempSync(join(tmpdir(), 'balance-bench-'));
const engine = await openEngine({ tempDir: join(folder, 'spill') });
const plane = createDataPlane({
  ...{ engine, cacheDir: join(folder, 'cache'), env: {}, baseDir: folder, projectRoot: process.cwd() },
});

async function timed(kept: KeptProfile | null, asOfMs: number): Promise<ProfileAnswer & { readonly cpuMs: number }> {
  const before = process.cpuUsage();
  const ask = { columns: COLUMNS, latenessMs: 0, kept };
  const answer = await plane.profile(FLIGHTS, asOfMs, ask, new AbortController().signal);
  const { user, system } = process.cpuUsage(before);
  return { ...answer, cpuMs: (user + system) / 1000 };
}
const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1];

try {
  // The first opening digests the file; it counts for neither.
  let { keep } = await timed(null, START_MS);
  const [whole, part]: number[][] = [[], []];
  for (let step = 1; step <= steps; step++) {
    const asOfMs = START_MS + step * STEP_MS;
    const grown = await timed(keep, asOfMs);
    const full = await timed(null, asOfMs);
    if (!isDeepStrictEqual(grown.keep, full.keep)) throw new Error(`step ${step}: merged states differ from a rescan`);
    part.push(grown.cpuMs);
    whole.push(full.cpuMs);
    process.stdout.write(
      `${new Date(asOfMs).toISOString()}  ${grown.profile.run.rowsRead} of ${full.profile.rows} rows  ${grown.cpuMs.toFixed(0)} of ${full.cpuMs.toFixed(0)} ms CPU\n`,
    );
    ({ keep } = grown);
  }
  process.stdout.write(`median ${median(part).toFixed(0)} of ${median(whole).toFixed(0)} ms CPU; states equal\n`);
} finally {
  engine.close();
  rmSync(folder, { recursive: true, force: true });
}
