/** Draws by segments and by class find all their rows among a few candidates: the rows, and their order, of a sort of all. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { SliceAsk } from '../../../activities/ports.js';
import { randomFrom } from '../../../domain/quality/strategy-random.js';
import { candidatesSql } from '../../../interfaces/data/draw-candidates.js';
import { fileDataset, fileRows, noAbort, read, slice, testPlane } from './plane-kit.js';

const ROWS = 3_000;
const { plane, engine, folder, cacheDir } = await testPlane();
const random = randomFrom(11);
const skewed = (kinds: number): string => {
  const kind = Math.floor(kinds * random() ** 3);
  return kind === 1 ? '' : `k${kind}`;
};
/** Of `a`, `b` and `c` one value each is missing in some rows. */
const made = Array.from({ length: ROWS }, (_, id) => ({ id: String(id), a: skewed(9), b: skewed(4), c: skewed(5) }));
writeFileSync(
  join(folder, 'made.csv'),
  ['id,a,b,c', ...made.map(({ id, a, b, c }) => [id, a, b, c].join(','))].join('\n'),
);
const dataset = fileDataset('made.csv', {}, folder);
type Row = (typeof made)[number];
type Name = 'a' | 'b' | 'c';

const drawn = async (ask: Partial<SliceAsk>): Promise<string[]> => {
  const { slices } = await read(plane, dataset, [slice('s', { fields: ['id'], ...ask })]);
  return (await fileRows(engine, cacheDir, slices[0].path)).map((row) => String(row.id));
};

/** The rule itself, over all rows in the order of a plain draw. */
function byRule(ordered: readonly Row[], { cover, quotas, classColumn, rows }: SliceAsk): string[] {
  const places = new Map<string, number>();
  const widths = [...new Set((cover?.segments ?? []).map(({ length }) => length))].sort((a, b) => a - b);
  const turns = ordered.map((row, at) => {
    const best = widths.map(() => Infinity);
    for (const columns of cover?.segments ?? []) {
      const values = columns.map((name) => row[name as Name]);
      if (values.includes('')) continue;
      const key = JSON.stringify([columns, values]);
      places.set(key, (places.get(key) ?? 0) + 1);
      const width = widths.indexOf(columns.length);
      best[width] = Math.min(best[width], places.get(key)!);
    }
    const width = best.findIndex((place) => place <= (cover?.rows ?? 0));
    return { row, at, turn: width < 0 ? Infinity : width * cover!.rows + best[width] };
  });
  turns.sort((x, y) => (x.turn === y.turn ? x.at - y.at : x.turn - y.turn));
  const left = new Map(Object.entries(quotas ?? {}));
  const kept = turns.filter(({ row }) => {
    if (quotas === null) return true;
    const more = left.get(row[classColumn as Name]) ?? 0;
    left.set(row[classColumn as Name], more - 1);
    return more > 0;
  });
  return kept.slice(0, rows ?? ROWS).map(({ row }) => row.id);
}

it('draws what a sort of all rows would, whatever the segments, quotas and numbers of rows', async () => {
  const byId = new Map(made.map((row) => [row.id, row]));
  const lists = fc.uniqueArray(fc.subarray(['a', 'b', 'c'], { minLength: 1 }), {
    selector: String,
    maxLength: 3,
    minLength: 1,
  });
  const cover = fc.option(fc.record({ rows: fc.integer({ min: 0, max: 60 }), segments: lists }), { nil: undefined });
  const quotas = fc.option(fc.dictionary(fc.constantFrom('k0', 'k2', 'k3', 'none'), fc.integer({ min: 0, max: 900 })), {
    nil: null,
  });
  const rows = fc.option(fc.integer({ min: 1, max: ROWS + 5 }), { nil: null });
  await fc.assert(
    fc.asyncProperty(fc.nat({ max: 50 }), cover, quotas, rows, async (seed, covered, byClass, most) => {
      const ask = {
        ...{
          id: 's',
          fields: ['id'],
          where: [],
          seed,
          rows: most,
          quotas: byClass,
          classColumn: byClass === null ? null : 'a',
        },
        ...(covered === undefined ? {} : { cover: covered }),
      };
      const ordered = (await drawn({ seed, rows: ROWS })).map((id) => byId.get(id)!);
      expect(await drawn(ask)).toEqual(byRule(ordered, ask));
    }),
    { numRuns: 40 },
  );
});

it('looks through few of the rows', async () => {
  const columns = ['a', 'b'].map((name) => ({ name, type: 'VARCHAR', kind: 'string' as const, alias: name }));
  await engine.session(noAbort, async (session) => {
    await session.run(
      `CREATE TEMP TABLE base AS SELECT i AS id, hash(i) % 4294967296 AS rank, 'a' || i % 10 AS a, 'b' || i % 3 AS b FROM range(200000) r(i)`,
    );
    const ask = { ...slice('s', { fields: ['id'], rows: 1_000 }), cover: { rows: 20, segments: [['a'], ['a', 'b']] } };
    const [{ n }] = await session.rows(`SELECT count(*) AS n FROM ${candidatesSql(ask, columns, 'base', null)!}`);
    expect(Number(n)).toBeGreaterThanOrEqual(1_000);
    expect(Number(n)).toBeLessThan(3_000);
  });
  expect(
    candidatesSql({ ...slice('s', { fields: ['id'] }), cover: { rows: 20, segments: [['a']] } }, columns, 'base', null),
  ).toBeNull();
});
