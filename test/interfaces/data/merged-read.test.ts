import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SliceAsk } from '../../../activities/ports.js';
import type { Condition } from '../../../domain/types/predicate.js';
import { endOfTime, fileDataset, fileRows, noAbort, read, slice, testPlane, vegaData } from './plane-kit.js';

const { plane, engine, folder, cacheDir } = await testPlane();
const flights = fileDataset('flights-3m.parquet', { eventTime: 'date' });
// Parquet, as the property test reads it a hundred times.
await engine.session(noAbort, (session) =>
  session.run(
    `COPY (SELECT * REPLACE (delay::BIGINT AS delay, distance::BIGINT AS distance) FROM read_json('${join(vegaData, 'flights-20k.json')}')) TO '${join(folder, 'small.parquet')}'`,
  ),
);
const small = fileDataset('small.parquet', {}, folder);

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}
const smallFlights = JSON.parse(readFileSync(join(vegaData, 'flights-20k.json'), 'utf8')) as readonly Flight[];

function holds(flight: Flight, condition: Condition): boolean {
  const cell = flight[condition.column as keyof Flight];
  switch (condition.op) {
    case '=':
      return cell === condition.value;
    case '>':
      return cell > condition.value;
    case 'in':
      return condition.values.includes(cell);
    case 'between':
      return cell >= condition.low && cell <= condition.high;
    default:
      throw new Error(condition.op);
  }
}

const fields = fc.uniqueArray(fc.constantFrom('date', 'delay', 'distance', 'origin', 'destination'), {
  minLength: 1,
  maxLength: 3,
});
const airport = fc.constantFrom('SEA', 'ATL', 'DFW', 'ORD', 'LAX', 'XXX');
const condition: fc.Arbitrary<Condition> = fc.oneof(
  airport.map((value) => ({ column: 'origin', op: '=' as const, value })),
  fc
    .uniqueArray(airport, { minLength: 1, maxLength: 3 })
    .map((values) => ({ column: 'destination', op: 'in' as const, values })),
  fc.integer({ min: -20, max: 60 }).map((value) => ({ column: 'delay', op: '>' as const, value })),
  fc
    .integer({ min: 0, max: 2000 })
    .map((low) => ({ column: 'distance', op: 'between' as const, low, high: low + 500 })),
);
const sliceAsk: fc.Arbitrary<Omit<SliceAsk, 'id'>> = fc.record({
  fields,
  where: fc.array(condition, { maxLength: 2 }),
  rows: fc.option(fc.integer({ min: 0, max: 300 })),
  seed: fc.integer({ min: 0, max: 2 }),
  classColumn: fc.constant('origin'),
  quotas: fc.option(fc.dictionary(airport, fc.integer({ min: 0, max: 40 })), { freq: 3 }),
  cover: fc.option(
    fc.record({
      rows: fc.nat({ max: 9 }),
      segments: fc.subarray([['origin'], ['destination'], ['origin', 'destination']], { minLength: 1 }),
    }),
    { nil: undefined },
  ),
});
const company = fc
  .array(sliceAsk, { minLength: 1, maxLength: 8 })
  .map((asks) => asks.map((ask, index) => ({ ...ask, id: `s${index}` })));

describe('a merged read', () => {
  it('cuts what joins before or after its scan from the same rows, as if it read alone, and takes no more of its source', async () => {
    const joiner = fc.record({
      fields: fc.uniqueArray(fc.constantFrom('delay', 'origin', 'distance'), { minLength: 1 }),
      where: fc.array(condition, { maxLength: 2 }),
      rows: fc.option(fc.integer({ min: 0, max: 300 })),
      seed: fc.integer({ min: 0, max: 2 }),
    });
    // Of any number of strangers some ask what nobody can read.
    const wrong = fc.constantFrom<Partial<SliceAsk>[]>(
      { where: [{ column: 'delay', op: '>', value: 'late' }] },
      { where: [{ column: 'gate', op: 'is-null' }] },
      { fields: ['Delay'] },
      { rows: 0.5 },
    );
    const joiners = fc.array(fc.tuple(joiner, fc.option(wrong)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(joiners, fc.boolean(), async (asks, alone) => {
        const all = slice('all', { fields: ['date', 'delay', 'distance', 'origin', 'destination'] });
        const planned = alone ? [all] : [all, slice('other', { fields: ['origin'], rows: 9 })];
        const late = asks.map(([ask, wrong], index) => slice(`late${index}`, { ...ask, ...wrong }));
        const right = late.filter((_, index) => asks[index][1] === null);
        let times = 0;
        // A read of one slice is joined before its scan only.
        const joining = () => Promise.resolve(times++ === (alone ? 0 : 1) ? late : []);
        const merged = { id: 'r', dataset: small, asOfMs: endOfTime, contentId: null, slices: planned };
        const result = await plane.read(merged, noAbort, joining);
        const without = await plane.read(merged, noAbort);
        expect([result.rowsRead, result.bytesRead]).toEqual([without.rowsRead, without.bytesRead]);
        expect(result.slices).toEqual(without.slices);
        const expected = await Promise.all(right.map(async (own) => (await read(plane, small, [own])).slices[0]));
        expect(result.joined ?? []).toEqual(expected);
      }),
      { numRuns: 15 },
    );
  });

  it('gives each requester exactly its rows and fields, the same as when it reads alone', async () => {
    await fc.assert(
      fc.asyncProperty(company, async (slices) => {
        const together = await read(plane, small, slices);
        for (const [index, ask] of slices.entries()) {
          const result = together.slices[index];
          const alone = await read(plane, small, [ask]);
          expect(result).toEqual(alone.slices[0]);
          const rows = await fileRows(engine, cacheDir, result.path);
          const matching = smallFlights.filter((flight) => ask.where.every((part) => holds(flight, part)));
          const text = (flight: Flight) =>
            ask.fields.map((name) => (name === 'date' ? null : String(flight[name as keyof Flight]))).join('|');
          const possible = new Map<string, number>();
          for (const flight of matching) possible.set(text(flight), (possible.get(text(flight)) ?? 0) + 1);
          for (const row of rows) {
            expect(Object.keys(row)).toEqual(ask.fields);
            const key = ask.fields.map((name) => (name === 'date' ? null : row[name])).join('|');
            expect(possible.get(key) ?? 0).toBeGreaterThan(0);
            possible.set(key, possible.get(key)! - 1);
          }
          const perClass = (name: string) => matching.filter(({ origin }) => origin === name).length;
          const available =
            ask.quotas === null
              ? matching.length
              : Object.entries(ask.quotas).reduce((sum, [name, quota]) => sum + Math.min(quota, perClass(name)), 0);
          expect(result.rows).toBe(Math.min(ask.rows ?? Infinity, available));
          expect(rows).toHaveLength(result.rows);
          for (const [name, count] of Object.entries(result.classCounts!))
            expect(count).toBeLessThanOrEqual(ask.quotas?.[name] ?? perClass(name));
        }
      }),
      { numRuns: 12, endOnFailure: true },
    );
  });

  it('names files by their content and counts each row once', async () => {
    const where = [{ column: 'origin', op: '=', value: 'SEA' }] as const;
    const slices = [
      slice('a', { fields: ['delay'], where }),
      slice('b', { fields: ['delay'], where }),
      slice('c', { fields: ['origin'], where, rows: 5 }),
    ];
    const result = await read(plane, flights, slices);
    expect(result.slices[0].digest).toBe(result.slices[1].digest);
    for (const { path, digest, fileBytes } of result.slices) {
      const content = readFileSync(join(cacheDir, path));
      expect([createHash('sha256').update(content).digest('hex'), content.length]).toEqual([digest, fileBytes]);
      expect(path).toBe(`${digest.slice(0, 2)}/${digest}.parquet`);
    }
    expect(result).toMatchObject({ rowsRead: 50_231, bytesRead: 50_231 * (8 + 3) });
    expect(result.slices.map(({ rows, bytes }) => [rows, bytes])).toEqual([
      [50_231, 50_231 * 8],
      [50_231, 50_231 * 8],
      [5, 15],
    ]);
  });

  it('gives byte-identical files for a large slice, in company and alone, however many small slices share the read', async () => {
    const large = slice('large', {
      fields: ['date', 'delay', 'origin'],
      where: [{ column: 'delay', op: '>', value: 10 }],
      rows: 300_000,
      seed: 5,
    });
    const crowd = Array.from({ length: 60 }, (_, index) =>
      slice(`s${index}`, {
        fields: ['delay', 'destination'],
        where: [
          { column: 'delay', op: '>', value: index },
          { column: 'origin', op: '=', value: ['SEA', 'ATL', 'LAX'][index % 3] },
        ],
        rows: 20 + index * 50,
        seed: 5,
      }),
    );
    const together = await read(plane, flights, [...crowd, large]);
    expect(together.slices.at(-1)).toMatchObject({ rows: 300_000 });
    const some = [crowd[0], crowd[31], crowd[59]];
    const alone = await Promise.all([large, ...some].map((ask) => read(plane, flights, [ask])));
    expect(alone.map(({ slices }) => slices[0])).toEqual([
      together.slices[60],
      together.slices[0],
      together.slices[31],
      together.slices[59],
    ]);
  });

  it('gives byte-identical files on both sides of the bound up to which a file is written from memory', async () => {
    // 4,000 cells: with two fields, 2,000 rows are written from memory, 2,001 by the engine.
    const asks = [1, 1_999, 2_000, 2_001, 2_002].map((rows) => slice(`${rows}`, { fields: ['delay', 'origin'], rows }));
    const unlimited = slice('all', { fields: ['delay', 'origin'], where: [{ column: 'delay', op: '>', value: 140 }] });
    const together = await read(plane, small, [...asks, unlimited]);
    for (const [index, ask] of [...asks, unlimited].entries()) {
      const alone = await read(plane, small, [ask]);
      expect(alone.slices[0]).toEqual(together.slices[index]);
    }
    const [fewer, more] = await Promise.all([2, 3].map((at) => fileRows(engine, cacheDir, together.slices[at].path)));
    expect(more.slice(0, -1)).toEqual(fewer);
  });

  it('lets the engine write few rows of long texts, the same in company and alone', async () => {
    const root = mkdtempSync(join(folder, 'long-'));
    const lines = Array.from({ length: 40 }, (_, index) =>
      JSON.stringify({ n: index, text: `${index} `.repeat(20_000) }),
    );
    writeFileSync(join(root, 't.jsonl'), lines.join('\n'));
    const dataset = fileDataset('t.jsonl', {}, root);
    const asks = [30, 1, 2, 0, 5].map((rows) => slice(`${rows}`, { fields: ['n', 'text'], rows }));
    const together = await read(plane, dataset, asks);
    expect(together.slices.map(({ bytes }) => bytes > 1_000_000)).toEqual([true, false, false, false, false]);
    for (const [index, ask] of asks.entries()) {
      expect((await read(plane, dataset, [ask])).slices[0]).toEqual(together.slices[index]);
    }
    const rows = await fileRows(engine, cacheDir, together.slices[0].path);
    expect(rows).toHaveLength(30);
    for (const { n, text } of rows) expect(text).toBe(`${n} `.repeat(20_000));
  });

  it('picks other rows for another seed, and more rows contain fewer', async () => {
    const asks = [
      slice('ten', { fields: ['date', 'delay', 'origin', 'destination'], rows: 10 }),
      slice('twenty', { fields: ['date', 'delay', 'origin', 'destination'], rows: 20 }),
      slice('other', { fields: ['date', 'delay', 'origin', 'destination'], rows: 20, seed: 1 }),
    ];
    const { slices } = await read(plane, flights, asks);
    const [ten, twenty, other] = await Promise.all(slices.map(({ path }) => fileRows(engine, cacheDir, path)));
    expect(twenty.slice(0, 10)).toEqual(ten);
    expect(other).not.toEqual(twenty);
  });

  it('picks evenly: the share of a class in a sample is its share in the data', async () => {
    const { slices } = await read(
      plane,
      flights,
      [0, 1, 2].map((seed) => slice(String(seed), { fields: ['origin'], rows: 20_000, seed, classColumn: 'origin' })),
    );
    // ORD holds 173,024 of 3,000,000 rows: 5.77 %. Five standard deviations of a sample of 20,000 are 0.82 %.
    const share =
      (
        await plane.measure(
          flights,
          endOfTime,
          [{ id: 'ord', where: [{ column: 'origin', op: '=', value: 'ORD' }], fields: [], classColumn: null }],
          noAbort,
        )
      )[0].rows / 3_000_000;
    const tolerance = 5 * Math.sqrt((share * (1 - share)) / 20_000);
    for (const { classCounts } of slices) expect(Math.abs(classCounts!.ORD / 20_000 - share)).toBeLessThan(tolerance);
  });

  it('delivers a valid empty file with the schema when nothing matches', async () => {
    const { slices, rowsRead, bytesRead } = await read(plane, flights, [
      slice('none', { fields: ['date', 'origin'], where: [{ column: 'origin', op: '=', value: 'nowhere' }] }),
    ]);
    expect({ rowsRead, bytesRead }).toEqual({ rowsRead: 0, bytesRead: 0 });
    expect(slices[0]).toMatchObject({
      rows: 0,
      bytes: 0,
      newestEventMs: null,
      completeness: { date: 1, origin: 1 },
      invalid: { date: 0, origin: 0 },
    });
    const schema = await engine.session(noAbort, (session) =>
      session.rows('DESCRIBE SELECT * FROM read_parquet($1)', [join(cacheDir, slices[0].path)]),
    );
    expect(schema.map(({ column_name, column_type }) => [column_name, column_type])).toEqual([
      ['date', 'TIMESTAMP'],
      ['origin', 'VARCHAR'],
    ]);
  });

  it('delivers nothing that has not arrived', async () => {
    const asOfMs = Date.parse('2001-01-03T00:00:00Z');
    const { slices } = await read(plane, flights, [slice('a', { fields: ['date'] })], asOfMs);
    expect(slices[0].newestEventMs).toBeLessThanOrEqual(asOfMs);
    expect(slices[0].rows).toBe((await plane.describe(flights, asOfMs, noAbort)).rows);
  });

  it('measures completeness, contract breaches and duplicate keys of what it delivers', async () => {
    const root = mkdtempSync(join(folder, 'dirty-'));
    writeFileSync(
      join(root, 'd.csv'),
      '"k 1",k2,"Cost Total $",size\n1,a,5,S\n1,a,50,XL\n1,b,-3,S\n2,a,,\n12,,7,M\n1,2,9,S\n',
    );
    const dataset = fileDataset(
      'd.csv',
      {
        key: ['k 1', 'k2'],
        columns: {
          'Cost Total $': { required: false, sensitivity: 'public', min: 0, max: 40 },
          size: { required: false, sensitivity: 'public', values: ['S', 'M'] },
        },
      },
      root,
    );
    const { slices } = await read(plane, dataset, [
      slice('a', { fields: ['Cost Total $', 'size'], classColumn: 'size' }),
    ]);
    expect(slices[0]).toMatchObject({
      rows: 6,
      duplicateRows: 1,
      completeness: { 'Cost Total $': 5 / 6, size: 5 / 6 },
      invalid: { 'Cost Total $': 2 / 5, size: 1 / 5 },
      classCounts: { S: 3, XL: 1, M: 1 },
      bytes: 6 * 8 + 6,
    });
  });

  it('reads a column that is named like a property of every object', async () => {
    const root = mkdtempSync(join(folder, 'named-'));
    writeFileSync(join(root, 't.csv'), 'constructor,toString\n1,a\n2,b\n');
    const { slices } = await read(plane, fileDataset('t.csv', {}, root), [
      slice('a', { fields: ['constructor', 'toString'], classColumn: 'constructor' }),
    ]);
    expect(slices[0]).toMatchObject({ rows: 2, invalid: { constructor: 0, toString: 0 }, classCounts: { 1: 1, 2: 1 } });
  });

  it('serves rows of one declared key in the same order whatever else is read', async () => {
    const root = mkdtempSync(join(folder, 'ties-'));
    writeFileSync(
      join(root, 't.csv'),
      `k,v,w\n${Array.from({ length: 50 }, (_, index) => `${index % 5},${(index * 7) % 50},${index}`).join('\n')}\n`,
    );
    const dataset = fileDataset('t.csv', { key: ['k'] }, root);
    const ask = slice('a', { fields: ['v'], rows: 12 });
    const alone = await read(plane, dataset, [ask]);
    const together = await read(plane, dataset, [slice('all', { fields: ['w', 'v', 'k'] }), ask]);
    expect(together.slices[1]).toEqual(alone.slices[0]);
    const others = [1, 2, 3, 4, 5].map((rows) => slice(`o${rows}`, { fields: rows % 2 ? ['w'] : ['k', 'v'], rows }));
    const crowded = await read(plane, dataset, [...others, ask]);
    expect(crowded.slices[5]).toEqual(alone.slices[0]);
    expect(crowded.slices[2]).toEqual((await read(plane, dataset, [others[2]])).slices[0]);
  });

  it('refuses another version than the pinned one', async () => {
    const pinned = plane.read(
      { id: 'r', dataset: flights, asOfMs: endOfTime, contentId: 'gone', slices: [slice('a', { fields: ['date'] })] },
      noAbort,
    );
    await expect(pinned).rejects.toMatchObject({ type: 'VersionGone', kind: 'refused', expected: 'gone' });
  });

  it.each<[string, Partial<SliceAsk>, string]>([
    ['no fields', { fields: [] }, 'InvalidSlice'],
    ['a field twice', { fields: ['delay', 'delay'] }, 'InvalidSlice'],
    ['an unknown field', { fields: ['Delay'] }, 'UnknownColumn'],
    ['half a row', { rows: 0.5 }, 'InvalidSlice'],
    ['quotas without a class column', { quotas: { a: 1 } }, 'InvalidSlice'],
    ['half a row of each segment', { cover: { rows: 0.5, segments: [['origin']] } }, 'InvalidSlice'],
    ['no segment to cover', { cover: { rows: 5, segments: [] } }, 'InvalidSlice'],
    ['an unknown segment', { cover: { rows: 5, segments: [['gate']] } }, 'UnknownColumn'],
    ['a negative quota', { classColumn: 'origin', quotas: { SEA: -1 } }, 'InvalidSlice'],
    ['an unknown column in its filter', { where: [{ column: 'gate', op: 'is-null' }] }, 'UnknownColumn'],
    ['text for a number', { where: [{ column: 'delay', op: '>', value: 'late' }] }, 'TypeMismatch'],
  ])('refuses a slice with %s', async (_, parts, type) => {
    await expect(read(plane, small, [slice('a', { fields: ['delay'], ...parts })])).rejects.toMatchObject({
      type,
      kind: 'usage',
    });
  });

  it('of no slices is an empty answer', async () => {
    expect(await read(plane, small, [])).toMatchObject({ rowsRead: 0, bytesRead: 0, slices: [] });
  });
});
