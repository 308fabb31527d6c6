import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parseForeignKey } from '../../../domain/types/foreign-key.js';
import { endOfTime, fileDataset, noAbort, read, slice, testPlane } from './plane-kit.js';

const { plane, engine, folder } = await testPlane();

/** A Parquet dataset of one query. */
async function dataset(name: string, query: string) {
  await engine.session(noAbort, (session) => session.run(`COPY (${query}) TO '${join(folder, name)}.parquet'`));
  return fileDataset(`${name}.parquet`, {}, folder);
}

/** What the rows of `child` that refer by `columns` to `keys` of `parent` come to. */
async function counted(child: string, columns: string[], parent: string, keys: string[]) {
  const [made, referred] = [await dataset('child', child), await dataset('parent', parent)];
  const { slices } = await read(plane, made, [slice('s', { fields: columns })]);
  const asks = [{ id: 'a', path: slices[0].path, columns, keys }];
  const { answers } = await plane.orphans(referred, endOfTime, asks, noAbort);
  return answers[0];
}

const values = (type: string, ...cells: string[]) => `SELECT CAST(unnest([${cells.join(', ')}]) AS ${type}) AS k`;

it.each([
  ['whole numbers and doubles', values('BIGINT', '1', '2', '3'), values('DOUBLE', '1', '2'), 3, ['3']],
  ['text and numbers', values('VARCHAR', "'1'", "' 2'", "'x'"), values('INTEGER', '1', '2'), 3, ['x']],
  [
    'days and timestamps',
    values('DATE', "'2020-01-01'", "'2020-01-02'"),
    values('TIMESTAMP', "'2020-01-01'"),
    2,
    ['2020-01-02'],
  ],
  ['a missing key', values('INTEGER', '1', 'NULL', 'NULL'), values('INTEGER', 'NULL', '2'), 1, ['1']],
  [
    'keys beyond 2^53',
    values('BIGINT', '9007199254740993'),
    values('BIGINT', '9007199254740992'),
    1,
    ['9007199254740993'],
  ],
  [
    'an instant with a zone and without',
    values('TIMESTAMPTZ', "'2020-01-01 02:30:00+02'", "'2020-01-02 00:00:00+00'", "'2020-01-03 00:00:00+00'"),
    values('TIMESTAMP', "'2020-01-01 00:30:00'", "'2020-01-02 00:00:00'"),
    3,
    ['2020-01-03'],
  ],
  [
    'days and instants with a zone',
    values('DATE', "'2020-01-01'"),
    values('TIMESTAMPTZ', "'2020-01-01 00:00:00+00'"),
    1,
    [],
  ],
  [
    'times written down in any ISO form',
    values(
      'VARCHAR',
      "'2020-01-01T00:30:00Z'",
      "'2020-01-01T02:30:00.500+02:00'",
      "'2020-01-01'",
      "'2020-01-01 99:00:00'",
    ),
    values('TIMESTAMP', "'2020-01-01 00:30:00'", "'2020-01-01 00:30:00.5'", "'2020-01-01'"),
    4,
    ['2020-01-01 99:00:00'],
  ],
  [
    'instants a nanosecond apart',
    values('TIMESTAMP_NS', "'2020-01-01 00:00:00.000000001'"),
    values('TIMESTAMP_NS', "'2020-01-01 00:00:00.000000002'"),
    1,
    ['2020-01-01 00:00:00.000000001'],
  ],
  [
    'decimals and doubles',
    values('DECIMAL(9,2)', '7.50', '0.05', '7.00', '100', '-2.10', '3.05'),
    values('DOUBLE', '7.5', '0.05', '7', '100', '-2.1', '3.5'),
    6,
    ['3.05'],
  ],
  ['zero and its negative', values('DOUBLE', "'-0.0'"), values('INTEGER', '0'), 1, []],
  [
    'large whole numbers in whatever type',
    values('BIGINT', '10000000000000000', '10000000000000001'),
    values('DOUBLE', '1e16', '1e300'),
    2,
    ['10000000000000001'],
  ],
  [
    'text with an exponent as it is',
    values('VARCHAR', "'1e+16'"),
    values('VARCHAR', "'10000000000000000'"),
    1,
    ['1e+16'],
  ],
  [
    'UUIDs in either case',
    values('UUID', "'0b7e3c1a-5f7e-4c39-8d4e-0a1b2c3d4e5f'"),
    values('VARCHAR', "'0B7E3C1A-5F7E-4C39-8D4E-0A1B2C3D4E5F'"),
    1,
    [],
  ],
  [
    'text as it is',
    values('VARCHAR', "'007'", "'+7'", "'Ab'"),
    values('VARCHAR', "'7'", "'ab'"),
    3,
    ['+7', '007', 'Ab'],
  ],
])('holds %s against each other', async (_, child, parent, rows, examples) => {
  expect(await counted(child, ['k'], parent, ['k'])).toEqual({ id: 'a', rows, orphans: examples.length, examples });
});

it('holds several columns together, and names the most frequent values first', async () => {
  const child = `SELECT * FROM (VALUES (1, 'a'), (1, 'b'), (2, 'a'), (2, 'a'), (2, NULL)) t (x, y)`;
  const answer = await counted(child, ['x', 'y'], `SELECT 1 AS n, 'a' AS m`, ['n', 'm']);
  expect(answer).toEqual({ id: 'a', rows: 4, orphans: 3, examples: ['2, a', '1, b'] });
});

it('counts a row once however often its target is there, and nothing of a file without rows', async () => {
  expect(await counted('SELECT 1 AS k', ['k'], 'SELECT 1 AS k FROM range(5)', ['k'])).toMatchObject({
    rows: 1,
    orphans: 0,
  });
  expect(await counted('SELECT 1 AS k WHERE FALSE', ['k'], 'SELECT 1 AS k', ['k'])).toMatchObject({
    rows: 0,
    orphans: 0,
  });
});

it('holds files of many requests against a dataset in one go', async () => {
  writeFileSync(join(folder, 'many.csv'), 'k\n' + Array.from({ length: 300 }, (_, k) => k).join('\n') + '\n');
  const many = fileDataset('many.csv', {}, folder);
  const asked = Array.from({ length: 120 }, (_, at) => slice(`s${at}`, { fields: ['k'], rows: 10, seed: at }));
  const { slices } = await read(plane, many, asked);
  const parent = await dataset('half', 'SELECT unnest(range(150)) AS id');
  const asks = slices.map(({ id, path }) => ({ id, path, columns: ['k'], keys: ['id'] }));
  const { answers } = await plane.orphans(parent, endOfTime, asks, noAbort);
  expect(answers.map(({ id }) => id)).toEqual(slices.map(({ id }) => id));
  const orphans = answers.reduce((sum, answer) => sum + answer.orphans, 0);
  expect(answers.every(({ rows }) => rows === 10)).toBe(true);
  expect(orphans).toBeGreaterThan(450);
  expect(orphans).toBeLessThan(750);
});

it('refuses a dataset that refers by a column which it does not have', async () => {
  const made = await dataset('typo', 'SELECT 1 AS customer_id');
  const refers = (text: string) => ({
    ...made,
    definition: { ...made.definition, references: [parseForeignKey(text)] },
  });
  await expect(plane.describe(refers('customer_id -> parent.k'), 0, noAbort)).resolves.toMatchObject({ rows: 1 });
  await expect(plane.describe(refers('custmer_id -> parent.k'), 0, noAbort)).rejects.toMatchObject({
    ...{ kind: 'usage', type: 'UnknownColumn' },
    message: 'dataset set: reference custmer_id -> parent.k: no column "custmer_id"',
  });
});
