/** Builders for tests of the data plane: datasets over vega-datasets or a scratch folder, slices, and reading files back. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { DataPlane, DatasetRef, MeasureAsk, SliceAsk } from '../../../activities/ports.js';
import type { DatasetDefinition } from '../../../domain/types/pool.js';
import { createDataPlane } from '../../../interfaces/data/data-plane.js';
import { openEngine, type Engine, type ResultRow } from '../../../interfaces/data/engine.js';

export const projectRoot = join(import.meta.dirname, '../../..');
export const vegaData = join(projectRoot, 'node_modules/vega-datasets/data');
export const noAbort = new AbortController().signal;
/** After every event in the test data. */
export const endOfTime = Date.parse('2100-01-01T00:00:00Z');

/** A plane with an engine and a cache folder of its own, closed after the file's tests. */
export async function testPlane(env: Readonly<Record<string, string>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'balance-plane-'));
  const engine = await openEngine({ tempDir: join(folder, 'spill') });
  afterAll(() => engine.close());
  const cacheDir = join(folder, 'cache');
  const plane = createDataPlane({ engine, cacheDir, env, baseDir: folder, projectRoot });
  return { plane, engine, folder, cacheDir };
}

/** A dataset of a file; `root` defaults to vega-datasets in node_modules. */
export function fileDataset(
  path: string,
  definition: Partial<DatasetDefinition> = {},
  root = 'package:vega-datasets/data',
): DatasetRef {
  return {
    tenant: 'default',
    pool: 'test',
    id: 'set',
    sourceId: 'files',
    source: { kind: 'files', root, limits: { scansAtOnce: 2 } },
    definition: { source: 'files', path, columns: {}, maxDuplicateFraction: 1, ...definition },
  };
}

export function ask(id: string, parts: Partial<MeasureAsk> = {}): MeasureAsk {
  return { id, where: [], fields: [], classColumn: null, ...parts };
}

export function slice(id: string, parts: Partial<SliceAsk> & Pick<SliceAsk, 'fields'>): SliceAsk {
  return { id, where: [], rows: null, seed: 0, classColumn: null, quotas: null, ...parts };
}

/** Reads slices of a dataset as of the end of time. */
export function read(plane: DataPlane, dataset: DatasetRef, slices: readonly SliceAsk[], asOfMs = endOfTime) {
  return plane.read({ id: 'read', dataset, asOfMs, contentId: null, slices }, noAbort);
}

/** Rows of a delivered file, values as text (NULL stays null): one form for every type. */
export function fileRows(engine: Engine, cacheDir: string, path: string): Promise<readonly ResultRow[]> {
  return engine.session(noAbort, (session) =>
    session.rows('SELECT COLUMNS(*)::VARCHAR FROM read_parquet($1)', [join(cacheDir, path)]),
  );
}
