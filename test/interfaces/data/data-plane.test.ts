import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseCsv } from '../../../interfaces/data/csv.js';
import type { DatasetRef } from '../../../activities/ports.js';
import type { Predicate } from '../../../domain/types/predicate.js';
import { ask, endOfTime, fileDataset, noAbort, read, slice, testPlane, vegaData } from './plane-kit.js';

const { plane, engine, folder } = await testPlane();
const flights = fileDataset('flights-3m.parquet', { eventTime: 'date' });

function scratch(files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(folder, 'files-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(root, name, '..'), { recursive: true });
    writeFileSync(join(root, name), content);
  }
  return root;
}
/** Cells of a vega-datasets CSV by an independent reader. */
function csvCells(name: string) {
  const { columns, rows } = parseCsv(readFileSync(join(vegaData, name), 'utf8'), name);
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
}

describe('describing a dataset', () => {
  it('gives rows, event range, widths and a version that moves with what has arrived', async () => {
    const state = await plane.describe(flights, Date.parse('2001-03-01T00:00:00Z'), noAbort);
    expect(state).toMatchObject({
      rows: 966_412,
      oldestEventMs: Date.parse('2001-01-01T00:01:00Z'),
      newestEventMs: Date.parse('2001-03-01T00:00:00Z'),
    });
    expect(state.version).toBe(`${state.contentId}@${Date.parse('2001-03-01T00:00:00Z')}`);
    expect(state.columns.map(({ name, kind, bytesPerValue }) => [name, kind, bytesPerValue])).toEqual([
      ['date', 'time', 8],
      ['delay', 'number', 8],
      ['distance', 'number', 8],
      ['origin', 'string', 3],
      ['destination', 'string', 3],
    ]);
  });

  it('takes CSV dates as UTC and counts empty cells as missing', async () => {
    const birds = csvCells('birdstrikes.csv');
    const state = await plane.describe(
      fileDataset('birdstrikes.csv', { eventTime: 'Flight Date' }),
      endOfTime,
      noAbort,
    );
    const days = birds.map((row) => Date.parse(`${row['Flight Date']}T00:00:00Z`));
    expect(state).toMatchObject({
      rows: birds.length,
      oldestEventMs: Math.min(...days),
      newestEventMs: Math.max(...days),
    });
    const speed = state.columns.find(({ name }) => name === 'Speed IAS in knots');
    expect(speed).toMatchObject({
      kind: 'number',
      completeness: birds.filter((row) => row['Speed IAS in knots'] !== '').length / birds.length,
    });
    const airport = state.columns.find(({ name }) => name === 'Airport Name')!;
    expect(airport.bytesPerValue).toBeCloseTo(
      birds.reduce((total, row) => total + Buffer.byteLength(row['Airport Name']), 0) / birds.length,
      9,
    );
  });

  it('refuses a CSV file whose header the engine would take for a preamble, and reads one with a real preamble', async () => {
    const root = scratch({
      'wide.csv': 'id,label\n1,a\n2,b\n3,c\n4,d,X\n5,e,Y\n6,f,Z\n7,g,W\n',
      'noted.csv': 'Report of sales\n\nid,label\n1,a\n2,b\n',
    });
    const described = (name: string) => plane.describe(fileDataset(name, {}, root), endOfTime, noAbort);
    await expect(described('wide.csv')).rejects.toMatchObject({
      type: 'RaggedTable',
      expected: 'every row with as many cells as the first line: id,label',
      got: 'wider rows from line 5 on',
    });
    expect(await described('noted.csv')).toMatchObject({ rows: 2, columns: [{ name: 'id' }, { name: 'label' }] });
  });

  it('has decided answers before the first event and for a file without rows', async () => {
    const early = await plane.describe(flights, 0, noAbort);
    expect(early).toMatchObject({ rows: 0, oldestEventMs: null, newestEventMs: null, version: early.contentId });
    expect(early.columns.every(({ completeness, bytesPerValue }) => completeness === 1 && bytesPerValue === 0)).toBe(
      true,
    );
    const empty = await plane.describe(
      fileDataset('none.csv', {}, scratch({ 'none.csv': 'a,b c\n' })),
      endOfTime,
      noAbort,
    );
    expect(empty).toMatchObject({ rows: 0, columns: [{ name: 'a' }, { name: 'b c' }] });
  });

  it('counts a row without an event time as arrived', async () => {
    const root = scratch({ 't.csv': 'at,n\n2001-01-01,1\n,2\n2009-01-01,3\n' });
    expect(
      (await plane.describe(fileDataset('t.csv', { eventTime: 'at' }, root), Date.parse('2002-01-01'), noAbort)).rows,
    ).toBe(2);
  });

  it('knows content by its bytes: a copy has the same id, a changed file another', async () => {
    const root = scratch({ 'a.csv': 'n\n1\n', 'b.csv': 'n\n1\n' });
    const idOf = async (path: string) =>
      (await plane.describe(fileDataset(path, {}, root), endOfTime, noAbort)).contentId;
    const before = await idOf('a.csv');
    expect(await idOf('b.csv')).toBe(before);
    writeFileSync(join(root, 'a.csv'), 'n\n2\n');
    expect(await idOf('a.csv')).not.toBe(before);
  });

  it('reads the files of a glob as one dataset, with the folders of a partition as columns', async () => {
    const root = scratch({ 'y=1/a.csv': 'n,s\n1,x\n', 'y=2/b.csv': 'n,t\n2,z\n3,\n' });
    const state = await plane.describe(fileDataset('*/*.csv', {}, root), endOfTime, noAbort);
    expect(state.rows).toBe(3);
    expect(state.columns.map(({ name, completeness }) => [name, completeness])).toEqual([
      ['n', 1],
      ['s', 1 / 3],
      ['t', 1 / 3],
      ['y', 1],
    ]);
  });
});

describe('what cannot be read', () => {
  const root = scratch({
    'a.csv': 'n\n1\n',
    'broken.parquet': 'not parquet',
    'x.data': 'n\n',
    'text.csv': 'at\nsoon\n',
  });
  const secret = scratch({ 'secret.csv': 'n\n1\n' });
  symlinkSync(join(secret, 'secret.csv'), join(root, 'link.csv'));
  it.each([
    ['a missing file', fileDataset('gone.csv', {}, root), 'UnreadableSource', 'unreachable'],
    ['a glob without a match', fileDataset('*.json', {}, root), 'UnreadableSource', 'unreachable'],
    ['a missing root', fileDataset('a.csv', {}, './nowhere'), 'UnreadableSource', 'unreachable'],
    [
      'a package that is not installed',
      fileDataset('a.csv', {}, 'package:not-installed-here/data'),
      'UnreadableSource',
      'unreachable',
    ],
    ['a path that climbs out', fileDataset('../a.csv', {}, root), 'OutsideRoot', 'usage'],
    ['an absolute path', fileDataset(join(secret, 'secret.csv'), {}, root), 'OutsideRoot', 'usage'],
    ['a link that leads out', fileDataset('link.csv', {}, root), 'OutsideRoot', 'usage'],
    ['a file of another format', fileDataset('broken.parquet', {}, root), 'UnreadableSource', 'usage'],
    ['an unknown ending', fileDataset('x.data', {}, root), 'UnknownFormat', 'usage'],
    ['an event time that is no column', fileDataset('a.csv', { eventTime: 'at' }, root), 'UnknownColumn', 'usage'],
    [
      'an event time of texts that are none',
      fileDataset('text.csv', { eventTime: 'at' }, root),
      'TypeMismatch',
      'usage',
    ],
    ['an event time without times', fileDataset('a.csv', { eventTime: 'n' }, root), 'TypeMismatch', 'usage'],
  ])('%s is named', async (_, dataset, type, kind) => {
    await expect(plane.describe(dataset, endOfTime, noAbort)).rejects.toMatchObject({
      name: 'BalanceError',
      type,
      kind,
    });
  });
});

describe('measuring', () => {
  it('answers all asks as counting by hand does', async () => {
    const weather = csvCells('weather.csv');
    const dataset = fileDataset('weather.csv', { eventTime: 'date' });
    const asOfMs = Date.parse('2013-06-30T00:00:00Z');
    const arrived = weather.filter((row) => Date.parse(row.date) <= asOfMs);
    const answers = await plane.measure(
      dataset,
      asOfMs,
      [
        ask('all', { fields: ['wind'], classColumn: 'weather' }),
        ask('seattle', { where: [{ column: 'location', op: '=', value: 'Seattle' }], classColumn: 'weather' }),
        ask('hot', { where: [{ column: 'temp_max', op: '>=', value: 30 }], classColumn: 'location' }),
        ask('none', {
          where: [{ column: 'temp_max', op: '>', value: 900 }],
          fields: ['wind'],
          classColumn: 'location',
        }),
      ],
      noAbort,
    );
    const countBy = (rows: typeof weather, name: string) => {
      const counts: Record<string, number> = {};
      for (const row of rows) counts[row[name]] = (counts[row[name]] ?? 0) + 1;
      return counts;
    };
    const seattle = arrived.filter((row) => row.location === 'Seattle');
    const hot = arrived.filter((row) => Number(row.temp_max) >= 30);
    expect(answers).toEqual([
      {
        id: 'all',
        rows: arrived.length,
        classCounts: countBy(arrived, 'weather'),
        completeness: { wind: 1 },
        newestEventMs: asOfMs,
      },
      {
        id: 'seattle',
        rows: seattle.length,
        classCounts: countBy(seattle, 'weather'),
        completeness: {},
        newestEventMs: asOfMs,
      },
      {
        id: 'hot',
        rows: hot.length,
        classCounts: countBy(hot, 'location'),
        completeness: {},
        newestEventMs: Math.max(...hot.map((row) => Date.parse(row.date))),
      },
      { id: 'none', rows: 0, classCounts: {}, completeness: { wind: 1 }, newestEventMs: null },
    ]);
  });

  it('answers what it has answered before from memory, and anew when the content or the time is another', async () => {
    const root = mkdtempSync(join(folder, 'changing-'));
    const path = join(root, 'c.csv');
    writeFileSync(path, 'at,label\n2020-01-01,a\n2020-01-02,b\n');
    const timed = fileDataset('c.csv', { eventTime: 'at' }, root);
    const asks = [
      ask('all', { classColumn: 'label' }),
      ask('a', { where: [{ column: 'label', op: '=', value: 'a' }] }),
    ];
    const rows = async (dataset: DatasetRef, asOf: string) =>
      (await plane.measure(dataset, Date.parse(asOf), asks, noAbort)).map((answer) => [answer.id, answer.rows]);
    const both = [
      ['all', 2],
      ['a', 1],
    ];
    expect(await rows(timed, '2020-02-01')).toEqual(both);
    expect(await rows(timed, '2020-02-01')).toEqual(both);
    expect(await rows(timed, '2020-01-01')).toEqual([
      ['all', 1],
      ['a', 1],
    ]);
    // Without an event time the time is no part of the question.
    expect(await rows(fileDataset('c.csv', {}, root), '2020-01-01')).toEqual(both);
    writeFileSync(path, 'at,label\n2020-01-01,a\n2020-01-02,b\n2020-01-03,a\n');
    expect(await rows(timed, '2020-02-01')).toEqual([
      ['all', 3],
      ['a', 2],
    ]);
  });

  it('answers more asks than one statement takes', async () => {
    const asks = Array.from({ length: 450 }, (_, index) =>
      ask(`a${index}`, { where: [{ column: 'delay', op: '<', value: index }] }),
    );
    const answers = await plane.measure(fileDataset('flights-2k.json'), endOfTime, asks, noAbort);
    const delays = (JSON.parse(readFileSync(join(vegaData, 'flights-2k.json'), 'utf8')) as { delay: number }[]).map(
      ({ delay }) => delay,
    );
    expect(answers.map(({ rows }) => rows)).toEqual(
      asks.map((_, index) => delays.filter((delay) => delay < index).length),
    );
  });
});

describe('a window over event times', () => {
  it.each(['TIMESTAMP', 'VARCHAR'])('parts rows by time, whether they are kept as %s', async (type) => {
    const root = scratch({});
    const texts = ['2001-01-02 00:30:00', '2001-01-02 10:00:00', '2001-01-02T10:00:00Z', '2001-01-02T12:00:00+01:00'];
    if (type === 'TIMESTAMP') texts[3] = '2001-01-02 11:00:00';
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT unnest([${texts.map((text) => `'${text}'`).join(', ')}])::${type} AS at) TO '${root}/t.parquet' (FORMAT parquet)`,
      ),
    );
    const dataset = fileDataset('t.parquet', { eventTime: 'at' }, root);
    const within = (from: string, to: string): Predicate => [
      { column: 'at', op: '>', value: `2001-01-02T${from}.000Z` },
      { column: 'at', op: '<=', value: `2001-01-02T${to}.000Z` },
    ];
    const windows = [within('00:00:00', '01:00:00'), within('01:00:00', '10:00:00'), within('10:00:00', '11:00:00')];
    const asks = windows.map((where, index) => ask(`w${index}`, { where }));
    const answers = await plane.measure(dataset, endOfTime, asks, noAbort);
    expect(answers.map(({ rows }) => rows)).toEqual([1, 2, 1]);
    const [timeless] = await plane.measure(dataset, endOfTime, [ask('u', { untimed: true })], noAbort);
    expect(timeless.rows).toBe(0);
    const slices = windows.map((where, index) => slice(`w${index}`, { fields: ['at'], where }));
    const delivered = await read(plane, dataset, slices);
    expect(delivered.slices.map(({ rows }) => rows)).toEqual([1, 2, 1]);
  });
});

describe('segments', () => {
  it('are counted of the rows that match, without those that lack a value', async () => {
    const root = mkdtempSync(join(folder, 'segments-'));
    writeFileSync(join(root, 't.csv'), 'a,b,c\nx,1,k\nx,1,k\nx,2,k\ny,1,k\ny,,k\ny,2,other\n');
    const where: Predicate = [{ column: 'c', op: '=', value: 'k' }];
    const asks = [ask('with', { where, segments: ['b', 'a'] }), ask('without', { where })];
    const answers = await plane.measure(fileDataset('t.csv', {}, root), endOfTime, asks, noAbort);
    expect(answers[0].segments).toEqual([
      { values: ['1', 'x'], rows: 2 },
      { values: ['1', 'y'], rows: 1 },
      { values: ['2', 'x'], rows: 1 },
    ]);
    expect(answers[1]).not.toHaveProperty('segments');
  });
});

describe('rows without an event time', () => {
  it.each([
    ['texts', 'VARCHAR', 3],
    ['times', 'TIMESTAMP', 2],
  ])('are counted by themselves, by predicate: %s', async (_, type, ofX) => {
    const root = mkdtempSync(join(folder, 'untimed-'));
    const rows = [
      ['2001-01-02', 'x'],
      [null, 'x'],
      [null, 'x'],
      [type === 'VARCHAR' ? 'soon' : '2001-01-03', 'x'],
      [null, 'y'],
    ].map(([at, kind]) => `(${at === null ? 'NULL' : `'${at}'`}::${type}, '${kind}')`);
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) t ("at", kind)) TO '${root}/t.parquet' (FORMAT parquet)`,
      ),
    );
    const where: Predicate = [{ column: 'kind', op: '=', value: 'x' }];
    const asks = [ask('all', { where }), ask('timeless', { where, untimed: true })];
    const answers = await plane.measure(fileDataset('t.parquet', { eventTime: 'at' }, root), endOfTime, asks, noAbort);
    expect(answers.map(({ rows: n }) => n)).toEqual([4, ofX]);
  });
});

describe('arrivals', () => {
  it('falls into steps that end with the time asked, each with its end and without its start', async () => {
    const root = scratch({
      't.csv':
        'at,n\n2001-01-01 00:00:00,1\n2001-01-01 00:00:01,1\n2001-01-02 00:00:00,2\n2001-01-03 00:00:00,1\n2001-01-03 00:00:01,1\n',
    });
    const dataset = fileDataset('t.csv', { eventTime: 'at' }, root);
    const asks = [ask('all'), ask('one', { where: [{ column: 'n', op: '=', value: 1 }] })];
    const series = await plane.arrivals(dataset, Date.parse('2001-01-03T00:00:00Z'), asks, 86_400_000, 3, noAbort);
    expect(series).toEqual({ all: [1, 2, 1], one: [1, 1, 1] });
  });

  it('needs an event time', async () => {
    await expect(plane.arrivals(fileDataset('weather.csv'), 0, [ask('a')], 1000, 3, noAbort)).rejects.toMatchObject({
      type: 'NoEventTime',
      kind: 'usage',
    });
  });
});

describe('an aborted signal', () => {
  it('interrupts the scan and rejects with its own reason', async () => {
    const controller = new AbortController();
    const asks = Array.from({ length: 200 }, (_, index) =>
      ask(`a${index}`, { where: [{ column: 'delay', op: '=', value: index }], classColumn: 'origin' }),
    );
    const running = plane.measure(flights, endOfTime, asks, controller.signal);
    setTimeout(() => controller.abort(new Error('no longer wanted')), 50);
    await expect(running).rejects.toThrow('no longer wanted');
    await expect(plane.describe(flights, 1, AbortSignal.abort(new Error('too late')))).rejects.toThrow('too late');
  });
});
