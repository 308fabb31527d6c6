/** Corrected copies of real files: what is in them, and what was measured of them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { CorrectAsk } from '../../../activities/ports.js';
import type { Correction } from '../../../domain/quality/correction.js';
import { parseDependencies } from '../../../domain/types/between-rows.js';
import { fileCache } from '../../../interfaces/data/file-cache.js';
import { createSliceFiles } from '../../../interfaces/data/slice-files.js';
import { fileDataset, fileRows, noAbort, read, slice, testPlane } from './plane-kit.js';

const { plane, engine, cacheDir, folder } = await testPlane();
const files = createSliceFiles({ engine, cacheDir, cache: fileCache(cacheDir) });
const weather = fileDataset('weather.csv', {
  key: ['location', 'date'],
  eventTime: 'date',
  columns: {
    wind: { required: true, max: 4, sensitivity: 'public' },
    weather: { required: false, sensitivity: 'public' },
  },
});
const fields = ['location', 'date', 'wind', 'weather'];
const plain = (await read(plane, weather, [slice('s', { fields, classColumn: 'weather', rows: 1_000 })])).slices[0];
const rowsOf = (path: string) => fileRows(engine, cacheDir, path);
const correct = async (
  correction: Partial<Correction> & Pick<Correction, 'action' | 'issue'>,
  more: Partial<CorrectAsk> = {},
) =>
  files.correct(
    plain,
    {
      ...{ fields, moving: ['date'], reference: null, dataset: weather, classColumn: 'weather' },
      correction: { columns: [], weights: null, ...correction },
      ...more,
    },
    noAbort,
  );
const before = await rowsOf(plain.path);
const windy = before.filter(({ wind }) => Number(wind) > 4).length;

describe('a corrected copy', () => {
  test('has no row with a value that breaks the contract, all others in their order', async () => {
    const made = (await correct({ action: 'drop-rows', issue: 'invalid', columns: ['wind'] }))!;
    expect(await rowsOf(made.file.path)).toEqual(before.filter(({ wind }) => Number(wind) <= 4));
    expect(made.file).toMatchObject({ rows: 1_000 - windy, invalid: { wind: 0 }, duplicateRows: 0 });
    expect(made.effectiveRows).toBe(1_000 - windy);
    expect(made.sample!.own.rows).toBe(1_000 - windy);
  });

  test('has sound values of other rows in the place of broken ones, and says where', async () => {
    const made = (await correct({ action: 'impute', issue: 'invalid', columns: ['wind'] }))!;
    const after = await rowsOf(made.file.path);
    expect(made.changedCells).toBe(windy);
    expect(after.length).toBe(1_000);
    const sound = new Set(before.flatMap(({ wind }) => (Number(wind) <= 4 ? [wind] : [])));
    for (const [index, row] of after.entries()) {
      const bad = Number(before[index].wind) > 4;
      expect(row.wind_imputed).toBe(String(bad));
      expect(sound.has(row.wind)).toBe(true);
      if (!bad) expect(row.wind).toBe(before[index].wind);
    }
    expect((await correct({ action: 'impute', issue: 'invalid', columns: ['wind'] }))!.file.digest).toBe(
      made.file.digest,
    );
  });

  test('has a weight for each row, and counts by it', async () => {
    const made = (await correct({
      action: 'reweight',
      issue: 'class-mix',
      columns: ['weather'],
      weights: { sun: 0.5, rain: 2 },
    }))!;
    const after = await rowsOf(made.file.path);
    for (const row of after) {
      const expected = row.weather === 'sun' ? 0.5 : row.weather === 'rain' ? 2 : 0;
      expect(Number(row.balance_weight)).toBe(expected);
    }
    const { sun, rain } = made.file.classCounts!;
    expect(made.judgedClassCounts).toMatchObject({ sun: sun / 2, rain: 2 * rain, snow: 0 });
    const weights = after.map((row) => Number(row.balance_weight));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const squares = weights.reduce((total, weight) => total + weight ** 2, 0);
    expect(made.effectiveRows).toBeCloseTo(sum ** 2 / squares, 6);
  });

  test('is not made where there is nothing sound to fill cells from', async () => {
    const { definition } = weather;
    const strict = { ...definition, columns: { wind: { required: true, max: -1, sensitivity: 'public' as const } } };
    const dataset = { ...weather, definition: strict };
    expect(await correct({ action: 'impute', issue: 'invalid', columns: ['wind'] }, { dataset })).toBeNull();
  });
});

test('each key is there once, the first of its rows, when repeated rows are dropped', async () => {
  const byLocation = { ...weather, definition: { ...weather.definition, key: ['location', 'wind'] } };
  const made = (await correct({ action: 'drop-rows', issue: 'duplicates' }, { dataset: byLocation }))!;
  const seen = new Set<string>();
  const first = before.filter(({ location, wind }) => {
    const key = JSON.stringify([location, wind]);
    return !seen.has(key) && seen.add(key);
  });
  expect(await rowsOf(made.file.path)).toEqual(first);
  expect(made.file).toMatchObject({ rows: first.length, duplicateRows: 0 });
});

describe('a repaired copy', () => {
  const cans =
    'id,size,sold,kind\n1,12 oz,2020-01-05,can\n2,16,5/31/2020,Can\n3,N/A,2020-02-01,can\n4,8.50 oz.,2020-03-01,keg\n5,3 ml,1/2/2020,can\n';
  const declared = (size: object) => ({
    size: { required: false, sensitivity: 'public' as const, type: 'number' as const, unit: 'oz', ...size },
    sold: { required: false, sensitivity: 'public' as const, type: 'date' as const, format: 'YYYY-MM-DD' },
    kind: { required: false, sensitivity: 'public' as const, values: ['can', 'keg'] },
  });
  async function repaired(columns: string[], text = cans, size: object = {}) {
    writeFileSync(join(folder, 'cans.csv'), text);
    const dataset = fileDataset('cans.csv', { key: ['id'], columns: declared(size) }, folder);
    const own = ['id', 'size', 'sold', 'kind'];
    const [before] = (await read(plane, dataset, [slice('s', { fields: own })])).slices;
    const made = await files.correct(
      before,
      {
        ...{ fields: own, moving: ['id'], reference: null, dataset, classColumn: null },
        correction: { action: 'repair', issue: 'invalid', columns, weights: null },
      },
      noAbort,
    );
    const rows = made === null ? [] : await rowsOf(made.file.path);
    return { before, made, rows: [...rows].sort((a, b) => Number(a.id) - Number(b.id)) };
  }

  test('says what cells at fault surely mean, flags them, and leaves the others as they are', async () => {
    const { before, made, rows } = await repaired(['kind', 'size', 'sold']);
    expect(before.invalid).toEqual({ id: 0, size: 0.8, sold: 0.4, kind: 0.2 });
    expect(rows.map(({ size, sold, kind }) => [size, sold, kind])).toEqual([
      ['12', '2020-01-05', 'can'],
      ['16', '2020-05-31', 'can'],
      [null, '2020-02-01', 'can'],
      ['8.5', '2020-03-01', 'keg'],
      ['3 ml', '1/2/2020', 'can'],
    ]);
    expect(rows.map((row) => [row.size_repaired, row.sold_repaired, row.kind_repaired])).toEqual([
      ['true', 'false', 'false'],
      ['false', 'true', 'true'],
      ['true', 'false', 'false'],
      ['true', 'false', 'false'],
      ['false', 'false', 'false'],
    ]);
    expect(made).toMatchObject({
      changedCells: 5,
      effectiveRows: 5,
      file: { rows: 5, invalid: { size: 0.25, sold: 0.2, kind: 0 } },
    });
  });

  test('is delivered as numbers where all values are some then, and judged by the range', async () => {
    const { made, rows } = await repaired(['size'], cans.replace('3 ml', '99 oz'), { max: 50 });
    expect(rows.map(({ size }) => size)).toEqual(['12.0', '16.0', null, '8.5', '99.0']);
    expect(made!.file.invalid.size).toBe(0.25);
    expect(made!.sample!.own.columns.size.kind).toBe('number');
  });

  test('is not made where nothing is certain', async () => {
    expect((await repaired(['size'], 'id,size,sold,kind\n1,3 ml,2020-01-05,can\n')).made).toBeNull();
  });

  test('that is treated again keeps its columns, and its flags say of both what was changed', async () => {
    const { made } = await repaired(['kind', 'size', 'sold']);
    const dataset = fileDataset('cans.csv', { key: ['id'], columns: declared({}) }, folder);
    const own = ['id', 'size', 'sold', 'kind'];
    const again = (action: 'impute' | 'drop-rows', issue: 'invalid' | 'missing', file: typeof made) =>
      files.correct(
        file!.file,
        {
          ...{ fields: own, moving: ['id'], reference: null, dataset, classColumn: null },
          correction: { action, issue, columns: ['size'], weights: null },
        },
        noAbort,
      );
    const filled = await again('impute', 'missing', await again('impute', 'invalid', made));
    const rows = [...(await rowsOf(filled!.file.path))].sort((a, b) => Number(a.id) - Number(b.id));
    expect(rows.map(({ size_repaired, size_imputed }) => [size_repaired, size_imputed])).toEqual([
      ['true', 'false'],
      ['false', 'false'],
      ['true', 'true'],
      ['true', 'false'],
      ['false', 'true'],
    ]);
    expect(Object.keys(filled!.file.completeness)).toEqual(own);
    expect(filled!.file).toMatchObject({ rows: 5, invalid: { size: 0 }, completeness: { size: 1 } });
    const dropped = await again('drop-rows', 'invalid', made);
    expect((await rowsOf(dropped!.file.path)).map((row) => row.size_repaired).sort()).toEqual([
      'false',
      'true',
      'true',
      'true',
    ]);
  });
});

describe('a copy made to agree with declared dependencies', () => {
  async function agreed(action: 'repair' | 'drop-rows', values?: readonly string[]) {
    const lines = [
      '10001,NYC',
      '10001,NYC',
      '10001,NYC',
      '10001,N/A',
      '10001,Troy',
      'n/a,Rome',
      'n/a,Oslo',
      'n/a,Bern',
    ];
    writeFileSync(join(folder, 'places.csv'), `zip,city\n${lines.join('\n')}\n`);
    const city = { required: false, sensitivity: 'public' as const, ...(values === undefined ? {} : { values }) };
    const dataset = fileDataset('places.csv', { columns: { city } as never }, folder);
    const dependencies = parseDependencies('zip -> city');
    const promised = { ...dataset, definition: { ...dataset.definition, dependencies } };
    const own = ['zip', 'city'];
    const [before] = (await read(plane, promised, [slice('s', { fields: own })])).slices;
    const made = await files.correct(
      before,
      {
        ...{ fields: own, moving: [], reference: null, dataset: promised, classColumn: null },
        correction: {
          action,
          issue: 'rule',
          columns: action === 'repair' ? ['city'] : [],
          rules: ['zip -> city'],
          weights: null,
        },
      },
      noAbort,
    );
    const cities = (await rowsOf(made!.file.path)).map(({ city: said }) => said).sort();
    return { before: before.ruleBreaches, after: made!.file.ruleBreaches, cities };
  }

  test('keeps a null that is spelled out, and takes rows that say so for no group', async () => {
    const repaired = await agreed('repair');
    expect(repaired.before).toEqual({ 'zip -> city': 1 / 8 });
    expect(repaired).toMatchObject({ after: { 'zip -> city': 0 } });
    expect(repaired.cities).toEqual(['Bern', 'N/A', 'NYC', 'NYC', 'NYC', 'NYC', 'Oslo', 'Rome']);
    expect((await agreed('drop-rows')).cities).toEqual(['Bern', 'N/A', 'NYC', 'NYC', 'NYC', 'Oslo', 'Rome']);
  });

  test('counts a declared value that spells one as a value, and does not overwrite it', async () => {
    const repaired = await agreed('repair', ['NYC', 'Troy', 'N/A', 'Rome', 'Oslo', 'Bern']);
    expect(repaired.before).toEqual({ 'zip -> city': 2 / 8 });
    expect(repaired.cities).toEqual(['Bern', 'N/A', 'NYC', 'NYC', 'NYC', 'NYC', 'Oslo', 'Rome']);
  });
});
