import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { detectDrift, type ColumnDrift } from '../../../domain/quality/shift.js';
import { pairFilesByColumn } from '../../../interfaces/data/paired-counts.js';
import { withEngine, writeTableFile } from '../../../interfaces/data/table-file.js';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'balance-vectors-'))));
afterAll(() => rmSync(folder, { recursive: true }));

/** Numbers in [-1, 1) by row, place and seed. */
const noise = (seed: number, at = 'p'): string => `(hash(i, ${at}, ${seed}) % 2000000 / 1e6 - 1)`;
const vector = (seed: number, dimension: number): string =>
  `list_transform(range(${dimension}), lambda p: ${noise(seed)} + p % 3)`;

interface Side {
  /** SQL of the cell by the row number `i`. */
  readonly cell: string;
  readonly rows?: number;
  readonly format?: 'parquet' | 'csv';
}

async function compare(before: Side, after: Side): Promise<ColumnDrift> {
  return withEngine(async (session) => {
    const paths: string[] = [];
    for (const [at, { cell, rows = 600, format = 'parquet' }] of [before, after].entries()) {
      paths.push(join(folder, `${at}.${format}`));
      await writeTableFile(session, paths[at], `SELECT ${cell} AS v FROM range(${rows}) r(i)`);
    }
    const paired = await pairFilesByColumn(session, paths[0], paths[1]);
    return detectDrift({ d: paired }).d.columns[0];
  });
}

const D = 16;
const usual = (seed: number): string => `${vector(seed, D)}::FLOAT[${D}]`;

describe('a column of vectors in two files', () => {
  it.each([
    ['a fixed array and one of 64 bits', { cell: usual(1) }, { cell: `${vector(2, D)}::DOUBLE[]` }],
    ['an array and text', { cell: usual(1) }, { cell: `${vector(2, D)}::DOUBLE[]`, format: 'csv' }],
    ['other numbers of rows', { cell: usual(1) }, { cell: usual(2), rows: 5_000 }],
    ['the same rows', { cell: usual(1) }, { cell: usual(1) }],
    [
      'as many missing',
      { cell: `CASE WHEN i % 9 > 0 THEN ${vector(1, D)} END` },
      { cell: `CASE WHEN i % 9 > 0 THEN ${vector(2, D)} END` },
    ],
  ] as [string, Side, Side][])('is stable: %s', async (_name, before, after) => {
    expect(await compare(before, after)).toMatchObject({ drift: false, test: expect.not.stringMatching('none') });
  });

  it.each([
    ['another dimension', `${vector(2, 24)}::FLOAT[24]`, /^dimension:/],
    [
      'a dimension in one row of ten',
      `CASE WHEN i % 10 = 0 THEN ${vector(2, 8)} ELSE ${vector(2, D)} END`,
      /^dimension:/,
    ],
    ['norms twice as large', `list_transform(${vector(2, D)}, lambda x: 2 * x)`, /^norm:/],
    [
      'a number that is NaN',
      `list_transform(${vector(2, D)}, lambda x: CASE WHEN i % 10 = 0 THEN 'nan'::DOUBLE ELSE x END)`,
      /^missing:/,
    ],
    [
      'a number that is missing',
      `list_transform(${vector(2, D)}, lambda x: CASE WHEN i % 10 > 0 THEN x END)`,
      /^missing:/,
    ],
    ['vectors that are missing', `CASE WHEN i % 10 > 0 THEN ${vector(2, D)} END`, /^missing:/],
    ['a shift', `list_transform(${vector(2, D)}, lambda x: x + 0.2)`, /^(mean|norm):/],
    ['words', `'word ' || i`, /^missing:/],
    ['another direction', `list_reverse(${vector(2, D)})`, /^(mean|covariance):/],
  ])('drifts: %s', async (_name, cell, test) => {
    expect(await compare({ cell: usual(1) }, { cell })).toMatchObject({
      drift: true,
      test: expect.stringMatching(test) as string,
    });
  });

  it('says the same whatever the order of the rows', async () => {
    const turned = usual(2).replaceAll('hash(i', 'hash(599 - i');
    expect(await compare({ cell: usual(1) }, { cell: turned })).toEqual(
      await compare({ cell: usual(1) }, { cell: usual(2) }),
    );
  });

  it('compares lists of words and of any length as the texts that they are', async () => {
    const tags = (seed: number): string => `['red', 'blue', 'green'][1 + (hash(i, ${seed}) % 3)::INT:]::VARCHAR`;
    expect((await compare({ cell: tags(1), format: 'csv' }, { cell: tags(2), format: 'csv' })).test).not.toMatch(
      /dimension|norm/,
    );
  });
});
