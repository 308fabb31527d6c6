import { mkdtempSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DatasetRef } from '../../activities/ports.js';
import type { DatasetDefinition } from '../../domain/types/pool.js';
import { parsePredicate } from '../../domain/types/predicate.js';
import { parseRule } from '../../domain/types/rule.js';
import type { KeptProfile } from '../../domain/quality/dataset-profile.js';
import { loadTable } from '../../interfaces/data/load-table.js';
import {
  ask,
  endOfTime,
  fileDataset,
  fileRows,
  noAbort,
  read,
  slice,
  testPlane,
  vegaData,
} from '../interfaces/data/plane-kit.js';
import { startTestPostgres } from '../support/servers.js';

type Movie = Readonly<Record<string, string | number | null>>;
const env: Record<string, string> = {};
const { plane, engine, cacheDir } = await testPlane(env);
let sql: postgres.Sql;
let server: Awaited<ReturnType<typeof startTestPostgres>>;

beforeAll(async () => {
  server = await startTestPostgres();
  env.MOVIES_URL = server.url;
  sql = postgres(server.url, { onnotice: () => undefined });
});
afterAll(async () => {
  await sql.end();
  await server.stop();
});

function tableDataset(table: string, definition: Partial<DatasetDefinition> = {}, url = '${MOVIES_URL}'): DatasetRef {
  return {
    ...fileDataset(''),
    sourceId: 'server',
    source: { kind: 'postgres', url, schema: 'public', limits: { scansAtOnce: 2 } },
    definition: { source: 'server', table, key: ['row_id'], columns: {}, maxDuplicateFraction: 1, ...definition },
  };
}

const moviesFile = join(vegaData, 'movies.json');
const loadMovies = () => loadTable(sql, { path: moviesFile, schema: 'public', table: 'movies' });
const parsedMovies = async () => JSON.parse(await readFile(moviesFile, 'utf8')) as readonly Movie[];

describe('loading a file into a table', () => {
  it('keeps every value of the movies, once, however often and at once it is loaded', async () => {
    const loads = await Promise.all([loadMovies(), loadMovies(), loadMovies()]);
    expect(loads.filter(({ loaded }) => loaded)).toHaveLength(1);
    expect((await loadMovies()).loaded).toBe(false);
    const movies = await parsedMovies();
    const rows = await sql<
      Record<string, unknown>[]
    >`SELECT *, "Release Date"::text AS day FROM movies ORDER BY row_id`;
    expect(rows).toHaveLength(3201);
    for (const [index, movie] of movies.entries()) {
      const row = rows[index] as Movie;
      expect(row.row_id).toBe(String(index));
      for (const [name, value] of Object.entries(movie)) {
        const stored = row[name === 'Release Date' ? 'Release Date text' : name];
        expect(stored === null ? null : String(stored)).toBe(value === null ? null : String(value));
      }
      const day = new Date(`${String(movie['Release Date'])} UTC`).toISOString().slice(0, 10);
      expect(row.day).toBe(day);
    }
  });

  it('replaces what an older file left and refuses a table of somebody else', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'balance-load-')), 'small.csv');
    const load = { path, schema: 'public', table: 'small', dates: ['day'] };
    writeFileSync(path, 'code,n,day\n007,1.50,2001-02-03\n,,Feb 30 2001\n');
    expect(await loadTable(sql, load)).toEqual({ rows: 2, loaded: true });
    expect(await sql`SELECT row_id::int, code, n, day::text, "day text" FROM small ORDER BY 1`).toEqual([
      { row_id: 0, code: '007', n: 1.5, day: '2001-02-03', 'day text': '2001-02-03' },
      { row_id: 1, code: null, n: null, day: null, 'day text': 'Feb 30 2001' },
    ]);
    writeFileSync(path, 'code,day\nx,\n');
    expect(await loadTable(sql, load)).toEqual({ rows: 1, loaded: true });
    await sql`CREATE TABLE theirs (a int)`;
    await expect(loadTable(sql, { ...load, table: 'theirs' })).rejects.toMatchObject({
      type: 'TableExists',
      kind: 'usage',
    });
  });
});

describe('a Postgres dataset', () => {
  const dataset = tableDataset('movies', { eventTime: 'Release Date' });

  it('is described as its rows are', async () => {
    await loadMovies();
    const movies = await parsedMovies();
    const state = await plane.describe(dataset, endOfTime, noAbort);
    expect(state.rows).toBe(3201);
    const rated = movies.filter((movie) => movie['IMDB Rating'] !== null).length;
    expect(state.columns.find(({ name }) => name === 'IMDB Rating')).toMatchObject({
      kind: 'number',
      completeness: rated / 3201,
      bytesPerValue: 8,
    });
    const asOf = Date.parse('1995-01-01T00:00:00Z');
    const arrived = movies.filter((movie) => Date.parse(`${String(movie['Release Date'])} UTC`) <= asOf);
    expect((await plane.describe(dataset, asOf, noAbort)).rows).toBe(arrived.length);
  });

  it('has a content id of its rows, whatever their order, that changes with any value', async () => {
    await sql.unsafe(`CREATE TABLE one (row_id int, t text); INSERT INTO one VALUES (1, 'a'), (2, NULL);
      CREATE TABLE two (row_id int, t text); INSERT INTO two VALUES (2, NULL), (1, 'a')`);
    const idOf = async (table: string) => (await plane.describe(tableDataset(table), endOfTime, noAbort)).contentId;
    const before = await idOf('one');
    expect(await idOf('two')).toBe(before);
    await sql`UPDATE two SET t = '' WHERE row_id = 2`;
    expect(await idOf('two')).not.toBe(before);
  });

  it('serves each slice exactly its rows and fields', async () => {
    await loadMovies();
    const movies = await parsedMovies();
    const result = await read(plane, dataset, [
      slice('dear', { fields: ['Title', 'US Gross'], where: [{ column: 'US Gross', op: '>', value: 300_000_000 }] }),
      slice('dirt', {
        fields: ['row_id'],
        where: [{ column: 'Title', op: 'in', values: ['300', '1776', "Ocean's Eleven"] }],
      }),
      slice('some', {
        fields: ['row_id', 'Major Genre'],
        rows: 50,
        seed: 3,
        classColumn: 'Major Genre',
        quotas: { Drama: 30, Comedy: 5 },
      }),
      slice('none', { fields: ['Director'], where: [{ column: 'Director', op: '=', value: 'nobody' }] }),
    ]);
    const [dear, dirt, some, none] = await Promise.all(
      result.slices.map(({ path }) => fileRows(engine, cacheDir, path)),
    );
    const expected = movies.filter((movie) => Number(movie['US Gross']) > 300_000_000);
    expect(new Set(dear.map((row) => `${String(row.Title)}|${String(row['US Gross'])}`))).toEqual(
      new Set(expected.map((movie) => `${String(movie.Title)}|${String(movie['US Gross'])}`)),
    );
    expect(dear).toHaveLength(expected.length);
    const titled = movies.flatMap((movie, index) =>
      ['300', '1776', "Ocean's Eleven"].includes(String(movie.Title)) ? [String(index)] : [],
    );
    expect(dirt.map((row) => row.row_id).sort()).toEqual(titled.sort());
    expect(result.slices[2].classCounts).toEqual({ Drama: 30, Comedy: 5 });
    expect(some).toHaveLength(35);
    expect(none).toEqual([]);
  });

  it('measures and counts arrivals as a files source does', async () => {
    await loadMovies();
    const where = [{ column: 'Major Genre', op: '=', value: 'Drama' }] as const;
    const asOf = Date.parse('2000-12-31T00:00:00Z');
    const [answer] = await plane.measure(
      dataset,
      asOf,
      [ask('a', { where, fields: ['Director'], classColumn: 'MPAA Rating' })],
      noAbort,
    );
    const time = (movie: Movie) => Date.parse(`${String(movie['Release Date'])} UTC`);
    const dramas = (await parsedMovies()).filter((movie) => movie['Major Genre'] === 'Drama' && time(movie) <= asOf);
    expect(answer.rows).toBe(dramas.length);
    expect(answer.completeness.Director).toBe(dramas.filter((movie) => movie.Director !== null).length / dramas.length);
    expect(answer.classCounts?.R).toBe(dramas.filter((movie) => movie['MPAA Rating'] === 'R').length);
    const day = 86_400_000;
    const series = await plane.arrivals(dataset, asOf, [ask('a', { where })], 30 * day, 4, noAbort);
    const inStep = (ago: number) =>
      dramas.filter((movie) => time(movie) > asOf - (ago + 1) * 30 * day && time(movie) <= asOf - ago * 30 * day)
        .length;
    expect(series.a).toEqual([3, 2, 1, 0].map(inStep));
  });

  it('compares every type in the server as the engine does', async () => {
    await sql.unsafe(`CREATE TABLE typed (row_id bigint, n numeric(12,2), r real, b boolean, d date, ts timestamp, tz timestamptz, u uuid, j jsonb, "we ird ""$" text);
      INSERT INTO typed VALUES
      (9007199254740993, 0.10, 0.1, true, '2001-01-02', '2001-01-02 03:04:05.678901', '2001-01-02 03:04:05+02', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 1}', 'x'),
      (9007199254740992, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    const typed = tableDataset('typed', { eventTime: 'tz' });
    const cases = [
      { column: 'row_id', op: '=', value: '9007199254740993' },
      { column: 'n', op: '=', value: 0.1 },
      { column: 'r', op: '=', value: 0.1 },
      { column: 'b', op: '=', value: true },
      { column: 'd', op: '=', value: '2001-01-02' },
      { column: 'ts', op: '=', value: '2001-01-02T05:04:05.678901+02:00' },
      { column: 'tz', op: '=', value: '2001-01-02T01:04:05Z' },
      { column: 'u', op: '=', value: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11' },
      { column: 'j', op: 'is-not-null' },
      { column: 'we ird "$', op: '!=', value: "'; DROP TABLE typed; --" },
    ] as const;
    const answers = await plane.measure(
      typed,
      endOfTime,
      cases.map((condition, index) => ask(String(index), { where: [condition] })),
      noAbort,
    );
    expect(answers.map(({ rows }) => rows)).toEqual(cases.map(() => 1));
    const state = await plane.describe(typed, endOfTime, noAbort);
    expect(state.newestEventMs).toBe(Date.parse('2001-01-02T01:04:05Z'));
    const { slices } = await read(plane, typed, [slice('all', { fields: ['row_id', 'ts', 'we ird "$'] })]);
    expect(new Set(await fileRows(engine, cacheDir, slices[0].path))).toEqual(
      new Set([
        { row_id: '9007199254740993', ts: '2001-01-02 03:04:05.678901', 'we ird "$': 'x' },
        { row_id: '9007199254740992', ts: null, 'we ird "$': null },
      ]),
    );
  });

  it.each([
    ['uuid', "u = 'none'"],
    ['uuid', 'u < 7'],
    ['date', "d = 'none'"],
    ['date', 'd > 20010102'],
    ['timestamp', "tz < 'none'"],
    ['numeric', "n > 'none'"],
    ['bigint', "row_id = 'none'"],
    ['boolean', "b = 'perhaps'"],
  ])('a column of type %s refuses %s of its asker, and a rule like it before anything is read', async (_, text) => {
    const typed = tableDataset('typed');
    const where = parsePredicate(text);
    await expect(plane.measure(typed, endOfTime, [ask('a', { where })], noAbort)).rejects.toMatchObject({
      ...{ kind: 'usage', type: 'TypeMismatch', message: expect.stringContaining('cannot be compared with') },
    });
    await expect(read(plane, typed, [slice('a', { fields: ['row_id'], where })])).rejects.toMatchObject({
      ...{ kind: 'usage', type: 'TypeMismatch' },
    });
    const ruled = tableDataset('typed', { rules: [parseRule(text)] });
    await expect(plane.describe(ruled, endOfTime, noAbort)).rejects.toMatchObject({
      ...{ kind: 'usage', type: 'TypeMismatch', message: expect.stringContaining('rule ') },
    });
  });

  it('finds a UUID in either case, and orders by it', async () => {
    const where = parsePredicate(
      "u = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' AND u > '00000000-0000-4000-8000-000000000000'",
    );
    const [{ rows }] = await plane.measure(tableDataset('typed'), endOfTime, [ask('a', { where })], noAbort);
    expect(rows).toBe(1);
    const ruled = tableDataset('typed', { rules: [parseRule("u < '00000000-0000-4000-8000-000000000000'")] });
    const { slices } = await read(plane, ruled, [slice('a', { fields: ['u'] })]);
    expect(Object.values(slices[0].ruleBreaches!)).toEqual([0.5]);
  });

  it('orders texts by their bytes, whatever the collation of the column', async () => {
    await sql.unsafe(
      `CREATE TABLE worded (row_id int, t text COLLATE "en-x-icu"); INSERT INTO worded VALUES (1, 'a'), (2, 'B')`,
    );
    const where = [{ column: 't', op: '<', value: 'a' }] as const;
    const [answer] = await plane.measure(tableDataset('worded'), endOfTime, [ask('upper', { where })], noAbort);
    expect(answer.rows).toBe(1);
  });

  it('says what is wrong, without the address', async () => {
    const describeOf = (set: DatasetRef) => plane.describe(set, endOfTime, noAbort);
    await expect(describeOf(tableDataset('missing'))).rejects.toMatchObject({
      type: 'UnreadableSource',
      kind: 'usage',
    });
    await expect(describeOf(tableDataset('movies', { key: ['id'] }))).rejects.toMatchObject({
      type: 'UnknownColumn',
      kind: 'usage',
    });
    await expect(describeOf(tableDataset('movies', { key: undefined }))).rejects.toMatchObject({
      type: 'IncompleteDataset',
      kind: 'usage',
    });
    await expect(describeOf(tableDataset('movies', {}, '${NOT_SET}'))).rejects.toMatchObject({
      type: 'MissingVariable',
      kind: 'usage',
    });
    const dead = await describeOf(tableDataset('movies', {}, 'postgres://user:secret-word@127.0.0.1:1/x')).catch(
      (error: unknown) => error,
    );
    expect(dead).toMatchObject({ type: 'UnreadableSource', kind: 'unreachable' });
    expect((dead as Error).message).not.toContain('secret-word');
  });

  it('stops with the reason of the signal', async () => {
    const controller = new AbortController();
    const running = plane.describe(dataset, endOfTime, controller.signal);
    controller.abort(new Error('no longer wanted'));
    await expect(running).rejects.toThrow('no longer wanted');
  });
});

describe('the profile of a table', () => {
  const columns = ['Title', 'Release Date', 'IMDB Rating'];
  const movies = (table: string) => tableDataset(table, { eventTime: 'Release Date' });
  const asOf = (date: string) => Date.parse(`${date}T00:00:00Z`);
  const profile = (table: string, date: string, kept: KeptProfile | null) =>
    plane.profile(movies(table), asOf(date), { columns, latenessMs: 0, kept }, noAbort);

  it('reads the rows that were inserted since, and everything after an update of an old one', async () => {
    await loadMovies();
    await sql`CREATE TABLE growing AS SELECT * FROM movies WHERE "Release Date" < '2005-01-01' OR "Release Date" IS NULL`;
    const first = await profile('growing', '2004-12-31', null);
    await sql`INSERT INTO growing SELECT * FROM movies WHERE "Release Date" >= '2005-01-01'`;
    const [{ count }] = await sql<
      { count: number }[]
    >`SELECT count(*)::int FROM movies WHERE "Release Date" > '2004-12-31' AND "Release Date" <= '2008-06-01'`;
    const second = await profile('growing', '2008-06-01', first.keep);
    expect(second.profile.run).toEqual({ kind: 'new-rows', rowsRead: count, reason: null });
    const rescan = await profile('growing', '2008-06-01', null);
    expect(second.keep).toEqual(rescan.keep);
    expect(second.profile.columns).toEqual(rescan.profile.columns);
    expect(second.profile.rows).toBe((await plane.describe(movies('growing'), asOf('2008-06-01'), noAbort)).rows);
    // Another column of an old row is no change of what is profiled.
    await sql`UPDATE growing SET "Distributor" = 'changed' WHERE "Release Date" = (SELECT min("Release Date") FROM growing)`;
    const beside = await profile('growing', '2008-06-01', second.keep);
    expect(beside.profile.run).toMatchObject({ kind: 'new-rows', rowsRead: 0 });
    await sql`UPDATE growing SET "IMDB Rating" = 1 WHERE "Release Date" = (SELECT min("Release Date") FROM growing)`;
    const changed = await profile('growing', '2008-06-01', second.keep);
    expect(changed.profile.run).toMatchObject({
      kind: 'full',
      reason: 'rows with an event time up to 2008-06-01T00:00:00.000Z changed',
    });
  });

  it('opens no table that is described as it was: no row came, none changed', async () => {
    await loadMovies();
    await sql`CREATE TABLE still AS SELECT * FROM movies WHERE "Release Date" < '2005-01-01' OR "Release Date" IS NULL`;
    const at = asOf('2008-06-01');
    const first = await profile('still', '2006-01-01', null);
    const described = await plane.describe(movies('still'), at, noAbort);
    const again = (kept: KeptProfile | null, state = described, latenessMs = 0, ask = columns) =>
      plane.profile(movies('still'), at, { columns: ask, latenessMs, kept, described: state }, noAbort);
    const whole = await again(first.keep);
    expect(whole).toEqual({
      profile: { ...first.profile, run: { kind: 'unchanged', rowsRead: 0, reason: null } },
      keep: null,
    });
    // It says so without the table.
    await sql`ALTER TABLE still RENAME TO gone`;
    expect(await again(first.keep)).toEqual(whole);
    const opens = { type: 'UnreadableSource' };
    await expect(again(null)).rejects.toMatchObject(opens);
    await expect(again(first.keep, { ...described, contentId: 'another' })).rejects.toMatchObject(opens);
    await expect(again(first.keep, { ...described, newestEventMs: at - 1 })).rejects.toMatchObject(opens);
    await expect(again(first.keep, described, 5 * 365 * 86_400_000)).rejects.toMatchObject(opens);
    await expect(again(first.keep, described, 0, ['Title'])).rejects.toMatchObject(opens);
  });
});
