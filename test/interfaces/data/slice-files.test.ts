/** Samples of delivered files, counted by the engine and again by hand. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  pairSamples,
  sampleDistance,
  SAMPLE_BINS,
  SAMPLE_ROWS_MAX,
  type Sample,
} from '../../../domain/quality/sample.js';
import { detectDrift } from '../../../domain/quality/shift.js';
import { fileCache } from '../../../interfaces/data/file-cache.js';
import { createSliceFiles } from '../../../interfaces/data/slice-files.js';
import { fileDataset, fileRows, noAbort, read, slice, testPlane } from './plane-kit.js';

const { plane, engine, cacheDir } = await testPlane();
const files = createSliceFiles({ engine, cacheDir, cache: fileCache(cacheDir) });
const birds = fileDataset('birdstrikes.csv');
const fields = ['Airport Name', 'Wildlife Size', 'Speed IAS in knots', 'Cost Total $', 'Flight Date'];
const cut = async (seed: number, where: Parameters<typeof slice>[1]['where'] = []) =>
  (await read(plane, birds, [slice('s', { fields, rows: 3_000, seed, where })])).slices[0];
const sample = (path: string, reference: Sample | null) =>
  files.sample({ path }, { fields, moving: ['Flight Date'], reference }, noAbort);

describe('a sample of a slice', () => {
  test('counts what a person would count', async () => {
    const { path } = await cut(1);
    const rows = await fileRows(engine, cacheDir, path);
    const { own, current } = await sample(path, null);
    expect(current).toBeNull();
    expect(own.rows).toBe(3_000);
    const speed = own.columns['Speed IAS in knots'];
    const speeds = rows.flatMap((row) =>
      row['Speed IAS in knots'] === null ? [] : [Number(row['Speed IAS in knots'])],
    );
    if (speed.kind !== 'number') throw new Error(speed.kind);
    expect(speed.present).toBe(speeds.length);
    expect(speed.edges.length).toBeLessThan(SAMPLE_BINS);
    const bins = new Array<number>(speed.edges.length + 1).fill(0);
    for (const value of speeds) bins[speed.edges.filter((edge) => edge < value).length]++;
    expect(speed.counts).toEqual(bins);
    const size = own.columns['Wildlife Size'];
    if (size.kind !== 'category') throw new Error(size.kind);
    for (const [index, value] of size.values.entries())
      expect(size.counts[index]).toBe(rows.filter((row) => row['Wildlife Size'] === value).length);
    expect(own.columns['Flight Date'].kind).toBe('time');
  });

  test('counted over its own values and bins it is itself', async () => {
    const { path } = await cut(1);
    const { own } = await sample(path, null);
    const { current } = await sample(path, own);
    for (const [name, column] of Object.entries(own.columns))
      expect(current!.columns[name]!.counts).toEqual(column.counts);
    expect(pairSamples(own, current!).map(sampleDistance)).toEqual(fields.map(() => 0));
  });

  test('another draw does not drift from it, other rows do', async () => {
    const { own } = await sample((await cut(1)).path, null);
    const drift = async (path: string) =>
      detectDrift({ s: pairSamples(own, (await sample(path, own)).current!) }).s.columns.filter(
        (column) => column.drift,
      );
    expect(await drift((await cut(2)).path)).toEqual([]);
    const large = await cut(2, [{ column: 'Wildlife Size', op: '!=', value: 'Small' }]);
    expect((await drift(large.path)).map(({ column }) => column)).toContain('Wildlife Size');
  });
});

describe('a sample of a dataset', () => {
  test.each([
    ['all rows', []],
    ['the rows that match', [{ column: 'Wildlife Size', op: '!=', value: 'Small' }] as const],
  ])('of %s is that of a file of the same rows', async (_, where) => {
    const of = async (moving: readonly string[]) => plane.sample(birds, 0, { fields, where, moving }, noAbort);
    const [all] = (await read(plane, birds, [slice('s', { fields, rows: SAMPLE_ROWS_MAX, seed: 0, where })])).slices;
    const { own } = await sample(all.path, null);
    expect(own.rows).toBeGreaterThan(1_000);
    expect(await of(['Flight Date'])).toEqual(own);
  });

  test('refuses a column that is not there', () =>
    expect(plane.sample(birds, 0, { fields: ['none'], where: [], moving: [] }, noAbort)).rejects.toMatchObject({
      type: 'UnknownColumn',
    }));
});

describe('a sample of a column with more values than are named', () => {
  const people = async (name: string, rows: number, people: number, salt: number) => {
    const root = await mkdtemp(join(tmpdir(), 'balance-people-'));
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT 'u' || (hash(range + ${salt}) % ${people}) AS person FROM range(${rows})) TO '${root}/${name}.parquet' (FORMAT parquet)`,
      ),
    );
    const set = fileDataset(`${name}.parquet`, {}, root);
    const { path } = (await read(plane, set, [slice('p', { fields: ['person'] })])).slices[0];
    return (reference: Sample | null) => files.sample({ path }, { fields: ['person'], moving: [], reference }, noAbort);
  };

  test('is chosen on one half of the rows and counted on the other: stable identifiers do not drift', async () => {
    const first = await people('first', 5_000, 10_000, 0);
    const { own } = await first(null);
    const column = own.columns.person;
    expect(column).toMatchObject({ kind: 'category', rows: 2_500, present: 2_500 });
    expect(column).not.toHaveProperty('listed');
    for (const salt of [1, 2, 3, 4, 5]) {
      const next = await people(`next${salt}`, 5_000, 10_000, salt * 1_000_003);
      const [judged] = detectDrift({ s: pairSamples(own, (await next(own)).current!) }).s.columns;
      expect(judged.drift).toBe(false);
    }
  });

  test('names every value where they are few, so that foreign ones are seen', async () => {
    const first = await people('few', 1_000, 60, 0);
    const { own } = await first(null);
    expect(own.columns.person).toMatchObject({ listed: 'all', present: 1_000 });
    const foreign = await people('foreign', 1_000, 60, 7_000_003);
    const { current } = await foreign(own);
    const judge = (singles: number) =>
      detectDrift({
        s: pairSamples(own, { ...current!, columns: { person: { ...current!.columns.person!, singles } } }),
      }).s.columns[0];
    expect(current!.columns.person).toMatchObject({ singles: 0 });
    expect(judge(0).drift).toBe(false);
    expect(judge(30)).toMatchObject({ drift: true, test: 'single-values' });
  });
});

describe('a sample of numbers that became text', () => {
  /** 1,000 rows of a CSV file: numbers, but for the first of them. */
  const sensors = async (name: string, words: number) => {
    const root = await mkdtemp(join(tmpdir(), 'balance-words-'));
    const cells = Array.from({ length: 1_000 }, (_, index) => (index < words ? 'broken' : ((index * 37) % 101) / 10));
    await writeFile(join(root, `${name}.csv`), ['id,heat', ...cells.map((cell, id) => `${id},${cell}`), ''].join('\n'));
    const set = fileDataset(`${name}.csv`, {}, root);
    const { path } = (await read(plane, set, [slice('h', { fields: ['heat'] })])).slices[0];
    return (reference: Sample | null) => files.sample({ path }, { fields: ['heat'], moving: [], reference }, noAbort);
  };

  test('is one of numbers still: a word among them is a missing number, and no drift', async () => {
    const { own } = await (await sensors('sound', 0))(null);
    expect(own.columns.heat).toMatchObject({ kind: 'number', present: 1_000 });
    const judge = async (words: number) => {
      const found = await (await sensors(`words${words}`, words))(own);
      return { ...found, drift: detectDrift({ s: pairSamples(own, found.current!) }).s.columns[0] };
    };
    const one = await judge(1);
    expect(one.drift).toMatchObject({ drift: false });
    expect(one.own.columns.heat).toMatchObject({ kind: 'number', present: 999 });
    expect((await judge(300)).drift).toMatchObject({ drift: true, test: expect.stringMatching(/^missing:/) });
    const words = await judge(900);
    expect(words.drift.drift).toBe(true);
    expect(words.own.columns.heat.kind).toBe('category');
  });

  test('whose word is gone again does not drift from what it was as text', async () => {
    const { own } = await (await sensors('before', 1))(null);
    expect(own.columns.heat.kind).toBe('category');
    const { current } = await (await sensors('after', 0))(own);
    expect(detectDrift({ s: pairSamples(own, current!) }).s.columns[0]).toMatchObject({ drift: false });
  });
});

describe('a sample of whole numbers', () => {
  test('counts those whose span is wider than their type holds', async () => {
    const root = await mkdtemp(join(tmpdir(), 'balance-span-'));
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT (range * 10 - 120)::TINYINT AS small, (range::HUGEINT * 768614336404564650 - 9223372036854775807)::BIGINT AS hash FROM range(24))
         TO '${root}/wide.parquet' (FORMAT parquet)`,
      ),
    );
    const wide = fileDataset('wide.parquet', {}, root);
    const { path } = (await read(plane, wide, [slice('w', { fields: ['small', 'hash'] })])).slices[0];
    const { own } = await files.sample({ path }, { fields: ['small', 'hash'], moving: [], reference: null }, noAbort);
    expect(own.rows).toBe(24);
    expect(own.columns.hash).toMatchObject({ kind: 'number', present: 24 });
    expect(own.columns.small).toMatchObject({ kind: 'number', present: 24 });
  });
});
