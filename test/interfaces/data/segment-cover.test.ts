/** The draw of a need with segments, from a real file: which rows come first. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SliceAsk } from '../../../activities/ports.js';
import { segmentTables } from '../../../domain/analyzers/coverage.js';
import { sureRows } from '../../../domain/decision/batch/segment-cover.js';
import { fileDataset, fileRows, noAbort, read, slice, testPlane, vegaData } from './plane-kit.js';

const { plane, engine, folder, cacheDir } = await testPlane();
const json = join(vegaData, 'flights-20k.json');
await engine.session(noAbort, (session) =>
  session.run(`COPY (FROM read_json('${json}')) TO '${join(folder, 'flights.parquet')}'`),
);
const dataset = fileDataset('flights.parquet', {}, folder);
const flights = JSON.parse(readFileSync(json, 'utf8')) as readonly {
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}[];

describe('a draw with segments', () => {
  it('takes rows of each segment first, others than a plain pick only where that leaves one short', async () => {
    const fields = ['origin', 'destination', 'delay', 'date', 'distance'];
    const where = [{ column: 'distance', op: 'between', low: 0, high: 500 }] as const;
    const matching = flights.filter(({ distance }) => distance <= 500);
    const columns = ['origin', 'destination'] as const;
    const cells = matching.map((flight) => ({ values: columns.map((name) => flight[name]), rows: 1 }));
    const tables = segmentTables(columns, cells);
    const text = (row: object) => JSON.stringify(Object.entries(row).sort());
    const drawOf = async (ask: Partial<SliceAsk>) => {
      const result = await read(plane, dataset, [slice('s', { fields, where, ...ask })]);
      return fileRows(engine, cacheDir, result.slices[0].path);
    };
    let [same, others] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: 9 }),
        fc.integer({ min: 1, max: 6 }),
        fc.oneof(fc.integer({ min: 1, max: 400 }), fc.constant(matching.length - 5)),
        async (seed, least, rows) => {
          const used = tables.slice(0, 1 + (seed % 3));
          const cover = { rows: least, segments: used.map((table) => table.columns) };
          const [plain, drawn, longer] = await Promise.all([
            drawOf({ seed, rows }),
            drawOf({ seed, rows, cover }),
            drawOf({ seed, rows: rows + 40, cover }),
          ]);
          expect(drawn).toHaveLength(Math.min(rows, matching.length));
          expect(longer.slice(0, drawn.length)).toEqual(drawn);
          const sure = sureRows(used, least, rows);
          const isCovered = (some: typeof drawn, of: readonly number[]) =>
            used.every((table, at) =>
              Object.entries(table.counts).every(([name, there]) => {
                const own = some.filter((row) => table.columns.map((column) => row[column]).join(' | ') === name);
                return own.length >= Math.min(there, of[at]);
              }),
            );
          expect(isCovered(drawn, sure)).toBe(true);
          const isSame = text(plain.map(text).sort()) === text(drawn.map(text).sort());
          const all = used.map(() => least);
          if (isCovered(plain, all)) expect(isSame).toBe(true);
          else if (isCovered(drawn, all)) expect(isSame).toBe(false);
          if (isSame) same++;
          else others++;
        },
      ),
      {
        numRuns: 10,
        examples: [
          [0, 1, matching.length - 5],
          [1, 2, 200],
        ],
      },
    );
    expect(same).toBeGreaterThan(0);
    expect(others).toBeGreaterThan(0);
  });
});
