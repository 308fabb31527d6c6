import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { DatasetRef, ProfileAnswer } from '../../../activities/ports.js';
import type { KeptProfile } from '../../../domain/quality/dataset-profile.js';
import { endOfTime, fileDataset, noAbort, testPlane, vegaData } from './plane-kit.js';

const { plane, engine, folder } = await testPlane();
const DAY = 86_400_000;
const flights = fileDataset('flights-3m.parquet', { eventTime: 'date' });
const flightColumns = ['date', 'delay', 'distance', 'origin', 'destination'];

function profile(
  dataset: DatasetRef,
  columns: readonly string[],
  kept: KeptProfile | null,
  asOfMs = endOfTime,
  latenessMs = 0,
): Promise<ProfileAnswer> {
  return plane.profile(dataset, asOfMs, { columns, latenessMs, kept }, noAbort);
}
const day = (index: number) => Date.parse('2001-01-01T00:00:00Z') + index * DAY;

/** A folder, and files in it: rows of `at,value,kind`, `from` to `to`, one a minute. */
function minutes(from: number, to: number, value: (index: number) => string = (index) => String((index * 7) % 50)) {
  const rows = Array.from({ length: to - from }, (_, i) => {
    const index = from + i;
    return `${new Date(day(0) + index * 60_000).toISOString()},${value(index)},${'abc'[index % 3]}`;
  });
  return `at,value,kind\n${rows.join('\n')}\n`;
}
const columns = ['at', 'value', 'kind'];

describe('the profile of a dataset', () => {
  it('costs what is new, and is that of a full rescan bit for bit: three days of three million flights', async () => {
    let kept: KeptProfile | null = null;
    let rows = 0;
    for (const index of [1, 2, 3]) {
      const answer = await profile(flights, flightColumns, kept, day(index));
      const full = await profile(flights, flightColumns, null, day(index));
      expect(answer.keep).toEqual(full.keep);
      expect(answer.profile).toEqual({ ...full.profile, run: answer.profile.run });
      expect(answer.profile.run).toEqual({
        kind: index === 1 ? 'full' : 'new-rows',
        rowsRead: answer.profile.rows - rows,
        reason: index === 1 ? 'it is the first profile' : null,
      });
      expect(answer.profile.rows).toBe((await plane.describe(flights, day(index), noAbort)).rows);
      ({ rows } = answer.profile);
      kept = answer.keep;
    }
    expect((await profile(flights, flightColumns, kept, day(3))).profile.run).toEqual({
      ...{ kind: 'unchanged', rowsRead: 0, reason: null },
    });
    expect((await profile(flights, flightColumns, kept, day(2))).profile.run).toMatchObject({
      kind: 'full',
      reason: 'what is kept covers a later time',
    });
  });

  it('reads only the files that came, with the rows that arrived in the others', async () => {
    const root = mkdtempSync(join(folder, 'files-'));
    const dataset = fileDataset('*.csv', { eventTime: 'at' }, root);
    writeFileSync(join(root, 'a.csv'), minutes(0, 3_000));
    const first = await profile(dataset, columns, null, day(1));
    expect(first.profile.rows).toBe(1_441);
    writeFileSync(join(root, 'b.csv'), minutes(500, 700));
    const second = await profile(dataset, columns, first.keep, day(2));
    expect(second.profile.run).toEqual({ kind: 'new-files', rowsRead: 1_440 + 200, reason: null });
    expect(second.keep).toEqual((await profile(dataset, columns, null, day(2))).keep);
  });

  it('reads new files of a dataset without event time, and everything when a known one changed', async () => {
    const root = mkdtempSync(join(folder, 'plain-'));
    const dataset = fileDataset('*.csv', {}, root);
    writeFileSync(join(root, 'a.csv'), minutes(0, 300));
    const first = await profile(dataset, columns, null);
    writeFileSync(join(root, 'b.csv'), minutes(300, 350));
    const second = await profile(dataset, columns, first.keep);
    expect(second.profile).toMatchObject({ rows: 350, run: { kind: 'new-files', rowsRead: 50 } });
    expect(second.keep).toEqual((await profile(dataset, columns, null)).keep);
    writeFileSync(join(root, 'a.csv'), minutes(0, 301));
    expect((await profile(dataset, columns, second.keep)).profile.run).toMatchObject({
      kind: 'full',
      reason: 'its content changed, and no event time tells what is new',
    });
  });

  it('proves that a rewritten file only grew, and says why it reads everything where it did not', async () => {
    const root = mkdtempSync(join(folder, 'grown-'));
    const dataset = fileDataset('t.csv', { eventTime: 'at' }, root);
    writeFileSync(join(root, 't.csv'), minutes(0, 1_000));
    const first = await profile(dataset, columns, null, day(0) + 999 * 60_000);
    writeFileSync(join(root, 't.csv'), minutes(0, 1_100));
    const grown = await profile(dataset, columns, first.keep, day(1));
    expect(grown.profile).toMatchObject({ rows: 1_100, run: { kind: 'new-rows', rowsRead: 100 } });
    expect(grown.keep).toEqual((await profile(dataset, columns, null, day(1))).keep);
    writeFileSync(
      join(root, 't.csv'),
      minutes(0, 1_200, (index) => (index === 3 ? '999' : String((index * 7) % 50))),
    );
    const changed = await profile(dataset, columns, grown.keep, day(1));
    expect(changed.profile.run).toMatchObject({ kind: 'full', rowsRead: 1_200 });
    expect(changed.profile.run.reason).toBe('rows with an event time up to 2001-01-02T00:00:00.000Z changed');
  });

  it('keeps only what no late row can join: the rest is read anew', async () => {
    const root = mkdtempSync(join(folder, 'late-'));
    const dataset = fileDataset('t.csv', { eventTime: 'at' }, root);
    const late = 100 * 60_000;
    const nowMs = day(0) + 999 * 60_000;
    writeFileSync(join(root, 't.csv'), minutes(0, 1_000));
    const first = await profile(dataset, columns, null, nowMs, late);
    expect(first).toMatchObject({ profile: { rows: 1_000 }, keep: { rows: 900 } });
    writeFileSync(join(root, 't.csv'), `${minutes(0, 1_050)}${minutes(950, 960).split('\n').slice(1).join('\n')}`);
    const second = await profile(dataset, columns, first.keep, nowMs + 50 * 60_000, late);
    expect(second.profile).toMatchObject({ rows: 1_060, run: { kind: 'new-rows', rowsRead: 160 } });
    const rescan = await profile(dataset, columns, null, nowMs + 50 * 60_000, late);
    expect(second.keep).toEqual(rescan.keep);
    expect(second.profile.columns).toEqual(rescan.profile.columns);
  });

  it('sees values that are missing in spelling only, and what does not fit the others', async () => {
    const root = mkdtempSync(join(folder, 'spelt-'));
    const value = (index: number) => (index % 10 === 0 ? 'N/A' : index % 100 === 1 ? 'x1' : String(index % 7));
    writeFileSync(join(root, 't.csv'), minutes(0, 1_000, value));
    const { profile: seen } = await profile(fileDataset('t.csv', {}, root), columns, null);
    expect(seen.columns.value).toMatchObject({ implicitMissing: 100, inferredType: 'integer', typed: 890 / 900 });
    expect(seen.columns.kind).toMatchObject({ distinct: 3, inferredType: 'string', blank: 0 });
  });

  it('leaves out a column that names its rows, and profiles the others', async () => {
    const path = join(folder, 'ids.parquet');
    await engine.session(noAbort, (session) =>
      session.run(`COPY (SELECT range AS id, range % 5 AS five FROM range(600000)) TO '${path}' (FORMAT parquet)`),
    );
    const { profile: seen, keep } = await profile(fileDataset('ids.parquet', {}, folder), ['id', 'five'], null);
    expect(seen).toMatchObject({ rows: 600_000, omitted: ['id'], columns: { five: { rows: 600_000, distinct: 5 } } });
    expect(Object.keys(keep!.states)).toEqual(['five']);
  });

  it('leaves out lists and structs, and holds no more of a long text than tells it from others', async () => {
    const path = join(folder, 'wide.parquet');
    const value = "(range % 700) || repeat('x', 5000)";
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT ${value} AS text, [range, 1] AS list, {'a': range} AS struct, range % 5 AS five FROM range(3000)) TO '${path}' (FORMAT parquet)`,
      ),
    );
    const dataset = fileDataset('wide.parquet', {}, folder);
    const { profile: seen, keep } = await profile(dataset, ['five', 'list', 'struct', 'text'], null);
    expect(seen).toMatchObject({ rows: 3_000, omitted: ['list', 'struct'], columns: { text: { distinct: 700 } } });
    const { lengthMax } = JSON.parse(keep!.states.text) as { lengthMax: number };
    expect(lengthMax).toBeLessThan(300);
    expect((await profile(dataset, ['list'], null)).profile).toMatchObject({ rows: 3_000, omitted: ['list'] });
  });

  it('reads everything where another event time is declared: no row counts twice', async () => {
    const root = mkdtempSync(join(folder, 'event-'));
    const rows = Array.from({ length: 100 }, (_, i) => {
      const at = (days: number) => new Date(day(days) + i * 60_000).toISOString();
      return `${at(0)},${at(1)},${i % 7}`;
    });
    writeFileSync(join(root, 't.csv'), `created,updated,value\n${rows.join('\n')}\n`);
    const by = (eventTime: string) => fileDataset('t.csv', { eventTime }, root);
    const first = await profile(by('created'), ['value'], null, day(1) - 1);
    expect(first.profile.rows).toBe(100);
    const second = await profile(by('updated'), ['value'], first.keep, day(2));
    expect(second.profile).toMatchObject({ rows: 100, run: { kind: 'full', rowsRead: 100 } });
    expect(second.keep).toEqual((await profile(by('updated'), ['value'], null, day(2))).keep);
  });

  it('reads everything where a column is asked for that was not profiled before', async () => {
    const dataset = fileDataset('weather.csv', {}, vegaData);
    const first = await profile(dataset, ['wind'], null);
    expect((await profile(dataset, ['wind', 'weather'], first.keep)).profile.run).toMatchObject({
      reason: 'columns were not profiled so before: weather',
    });
  });

  /** A folder of Parquet files of `at,text,vector`. */
  async function contents(root: string, file: string, text: string, vector: string, from: number, to: number) {
    const at = `TIMESTAMP '2001-01-01' + to_minutes(i::INT)`;
    await engine.session(noAbort, (session) =>
      session.run(
        `COPY (SELECT ${at} AS at, ${text} AS text, ${vector} AS vector FROM range(${from}, ${to}) r(i)) TO '${join(root, file)}' (FORMAT parquet)`,
      ),
    );
  }
  const english = `'The weather report of day ' || i || ' says that the wind will come from the north and bring rain to the coast.'`;
  const german = `'Der Wetterbericht von Tag ' || i || ' sagt, dass der Wind aus dem Norden kommt und Regen an die Küste bringt.'`;
  const random = (length: number) => `[(hash(i * 1000 + x) % 2000)::FLOAT / 1000 - 1 FOR x IN range(${length})]`;
  const read = ['text', 'vector'];

  it('profiles vectors and texts of what is new, and is that of a full rescan bit for bit', async () => {
    const root = mkdtempSync(join(folder, 'contents-'));
    const dataset = fileDataset('*.parquet', { eventTime: 'at' }, root);
    await contents(root, 'a.parquet', english, random(48), 0, 700);
    const first = await profile(dataset, read, null, day(10));
    expect(first.profile.vectors!.vector).toMatchObject({
      ...{ rows: 700, dimension: 48, nonFinite: 0, zeros: 0, unusable: 0, latest: null },
      nearDuplicates: { rows: 700, share: 0 },
    });
    expect(first.profile.texts!.text).toMatchObject({
      ...{ rows: 700, empty: 0, before: null, latest: null },
      languages: [{ language: 'eng' }],
    });
    // 48 numbers uniform in [-1, 1] have a norm near sqrt(48 / 3).
    expect(first.profile.vectors!.vector.norms!.p50).toBeCloseTo(4, 0);
    await contents(
      root,
      'b.parquet',
      `CASE WHEN i % 2 = 0 THEN ' … ' ELSE ${german} END`,
      `CASE WHEN i % 10 = 0 THEN ${random(48)} WHEN i % 10 = 1 THEN [0.0::FLOAT FOR x IN range(48)] WHEN i % 10 = 2 THEN ['nan'::FLOAT, NULL] || ${random(46)} ELSE ${random(64)} END`,
      700,
      900,
    );
    const second = await profile(dataset, read, first.keep, day(10));
    const rescan = await profile(dataset, read, null, day(10));
    expect(second.profile.run).toEqual({ kind: 'new-files', rowsRead: 200, reason: null });
    expect(second.keep).toEqual(rescan.keep);
    expect(second.profile.vectors!.vector).toMatchObject({
      ...{ rows: 900, dimension: 48, nonFinite: 20, zeros: 20, unusable: 180 },
      dimensions: [
        { dimension: 48, rows: 760 },
        { dimension: 64, rows: 140 },
      ],
      latest: { rows: 200, unusable: 180 },
    });
    expect(second.profile.texts!.text).toMatchObject({
      ...{ rows: 900, empty: 100 },
      before: { rows: 700, empty: 0 },
      latest: { rows: 200, empty: 100, languages: [{ language: 'deu' }] },
    });
  });

  it('finds near duplicates among vectors of which a sample is kept', async () => {
    const root = mkdtempSync(join(folder, 'near-'));
    const noise = `(hash(i * 77 + x) % 100)::FLOAT / 100000`;
    const twins = `[(hash((i // 2) * 1000 + x) % 2000)::FLOAT / 1000 - 1 + ${noise} FOR x IN range(64)]`;
    await contents(root, 'a.parquet', english, twins, 0, 20_000);
    const { profile: seen } = await profile(fileDataset('a.parquet', {}, root), read, null);
    expect(seen.vectors!.vector.nearDuplicates.rows).toBe(1_000);
    expect(seen.vectors!.vector.nearDuplicates.share).toBeGreaterThan(0.9);
  });

  it('takes lists of any length for no vectors, and says that they are not profiled', async () => {
    const root = mkdtempSync(join(folder, 'lists-'));
    await contents(root, 'a.parquet', `'kind ' || i % 3`, `[x::FLOAT FOR x IN range(i % 9)]`, 0, 900);
    const { profile: seen } = await profile(fileDataset('a.parquet', {}, root), read, null);
    expect(seen).toMatchObject({ omitted: ['vector'], columns: { text: { distinct: 3 } } });
    expect([seen.vectors, seen.texts]).toEqual([undefined, undefined]);
  });
});
