/** Vectors and texts of deliveries, against an earlier delivery of which counts alone are kept. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { pairSamples, type Sample } from '../../../domain/quality/sample.js';
import { detectDrift, type ColumnDrift } from '../../../domain/quality/shift.js';
import { fileCache } from '../../../interfaces/data/file-cache.js';
import { createSliceFiles } from '../../../interfaces/data/slice-files.js';
import { quoteText } from '../../../interfaces/data/engine.js';
import { noAbort, testPlane } from './plane-kit.js';

const { engine, cacheDir } = await testPlane();
const files = createSliceFiles({ engine, cacheDir, cache: fileCache(cacheDir) });
mkdirSync(cacheDir, { recursive: true });
let made = 0;

/** A delivery of so many rows, one column `v` by an SQL expression over the row number `i`. */
async function delivery(cell: string, rows = 1_500): Promise<string> {
  const path = join(cacheDir, `made-${made++}.parquet`);
  await engine.session(noAbort, (session) =>
    session.run(`COPY (SELECT ${cell} AS v FROM range(${rows}) r(i)) TO ${quoteText(path)} (FORMAT parquet)`),
  );
  return path;
}
async function sampled(path: string, reference: Sample | null) {
  return files.sample({ path }, { fields: ['v'], moving: [], reference }, noAbort);
}
async function compare(before: string, after: string, rows?: number): Promise<ColumnDrift> {
  const { own } = await sampled(await delivery(before), null);
  // It is kept as JSON.
  const kept = JSON.parse(JSON.stringify(own)) as Sample;
  const { current } = await sampled(await delivery(after, rows), kept);
  return detectDrift({ d: pairSamples(kept, current!) }).d.columns[0];
}

const vector = (seed: number, dimension: number): string =>
  `list_transform(range(${dimension}), lambda p: hash(i, p, ${seed}) % 2000000 / 1e6 - 1 + p % 3)`;
const array = (seed: number, dimension: number): string => `${vector(seed, dimension)}::FLOAT[${dimension}]`;

describe('vectors of two deliveries', () => {
  test.each([8, 64, 384, 768])('are stable at dimension %i, however they are written', async (dimension) => {
    expect(await compare(array(1, dimension), `${vector(2, dimension)}::DOUBLE[]`, 700)).toMatchObject({
      drift: false,
      test: expect.not.stringMatching('none') as string,
    });
  });

  test.each([
    ['a shift', `list_transform(${vector(2, 64)}, lambda x: x + 0.2)`, /^(direction|norm)/],
    ['places in another order', `list_reverse(${vector(2, 64)})`, /^direction/],
    ['other norms', `list_transform(${vector(2, 64)}, lambda x: 1.2 * x)`, /^norm/],
    ['another dimension', vector(2, 32), /^dimension/],
    [
      'a number that is missing',
      `list_transform(${vector(2, 64)}, lambda x: CASE WHEN i % 10 > 0 THEN x END)`,
      /^missing/,
    ],
    ['all rows equal', vector(2, 64).replaceAll('hash(i', 'hash(7'), /^(direction|norm)/],
    ['a fifth of the rows equal', vector(2, 64).replaceAll('hash(i', 'hash(greatest(i, 300)'), /^(direction|norm)/],
    ['words', `'word ' || i`, /^missing/],
    ['nothing', `NULL::DOUBLE[]`, /^missing/],
  ])('drift: %s', async (_name, cell, test) => {
    const after = cell.includes('NULL') || cell.includes('word') ? cell : `(${cell})::DOUBLE[]`;
    expect(await compare(array(1, 64), after)).toMatchObject({
      drift: true,
      test: expect.stringMatching(test) as string,
    });
  });

  test('raise hardly a false alarm over many deliveries', async () => {
    let alarms = 0;
    for (let seed = 10; seed < 30; seed++)
      if ((await compare(array(seed, 16), array(seed + 100, 16), 300 + 40 * seed)).drift) alarms++;
    expect(alarms).toBe(0);
  });

  test('are compared as texts where the earlier delivery was counted as texts', async () => {
    const { own } = await sampled(await delivery(array(1, 8)), null);
    const { present } = own.columns.v;
    const old: Sample = { rows: own.rows, columns: { v: { kind: 'category', present, values: [], counts: [] } } };
    const { current } = await sampled(await delivery(array(2, 8)), old);
    expect(detectDrift({ d: pairSamples(old, current!) }).d.drift).toBe(false);
  });
});

describe('texts of two deliveries', () => {
  const text = (seed: number): string =>
    `'note ' || hash(i, ${seed}) || repeat(' and so on', (1 + hash(i, ${seed}, 'n') % 9)::INT)`;

  test('are stable where none repeats', async () => {
    expect(await compare(text(1), text(2), 600)).toMatchObject({ drift: false });
  });

  test.each([
    ['their length', `left(${text(2)}, 40)`, /^length/],
    ['their look', `upper(${text(2)})`, /^look/],
    [
      'their content',
      `CASE WHEN i % 10 > 0 THEN ${text(2)} ELSE '--- ' || repeat('-', (i % 300)::INT) END`,
      /^(look|length)/,
    ],
    [
      'their language',
      `'note ' || hash(i, 2) || repeat(' und so fort ist es eben gewesen', (1 + hash(i, 2, 'n') % 3)::INT)`,
      /^(language|length)/,
    ],
  ])('drift by %s', async (_name, cell, test) => {
    expect(await compare(text(1), cell)).toMatchObject({ drift: true, test: expect.stringMatching(test) as string });
  });
});
