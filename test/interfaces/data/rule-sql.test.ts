import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeTable } from '../../../domain/quality/cell-table.js';
import { parseContract } from '../../../domain/quality/contract.js';
import { judgeRules } from '../../../domain/quality/detector/rule.js';
import { parseDependencies, uniqueColumns } from '../../../domain/types/between-rows.js';
import type { DatasetDefinition } from '../../../domain/types/pool.js';
import { parseRule } from '../../../domain/types/rule.js';
import { sourceColumns } from '../../../interfaces/data/columns.js';
import { Bindings } from '../../../interfaces/data/predicate-sql.js';
import { breaksSql } from '../../../interfaces/data/rule-sql.js';
import { fileDataset, noAbort, read, slice, testPlane } from './plane-kit.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const { engine, plane, folder } = await testPlane();

type Row = readonly (string | null)[];

/** Numbers of the rows that break the rule, by the engine itself. */
async function broken(
  types: Readonly<Record<string, string>>,
  rows: readonly Row[],
  text: string,
  eventTime?: string,
): Promise<number[]> {
  return engine.session(noAbort, async (session) => {
    const columns = sourceColumns(Object.entries(types).map(([name, type]) => ({ name, type })));
    await session.run(
      `CREATE TEMP TABLE t (nr INTEGER, ${columns.map(({ alias, type }) => `${alias} ${type}`).join(', ')})`,
    );
    for (const [nr, row] of rows.entries()) {
      const cells = columns.map(({ type }, at) => `CAST($${at + 1} AS ${type})`);
      await session.run(`INSERT INTO t SELECT ${[nr, ...cells].join(', ')}`, [...row]);
    }
    const bindings = new Bindings();
    const eventColumn = columns.find(({ name }) => name === eventTime) ?? null;
    const breaks = breaksSql(parseRule(text), { columns, eventColumn }, bindings);
    const found = await session.rows(`SELECT nr, ${breaks} AS broken FROM t ORDER BY nr`, bindings.values);
    expect(found.every((row) => row.broken !== null)).toBe(true);
    return found.flatMap((row) => (row.broken === true ? [Number(row.nr)] : []));
  });
}

describe('rules in DuckDB', () => {
  const cases: [string, Readonly<Record<string, string>>, readonly Row[], string, number[]][] = [
    [
      'two columns, NULL breaks nothing',
      { a: 'BIGINT', b: 'BIGINT' },
      [
        ['1', '2'],
        ['2', '1'],
        [null, '1'],
        ['1', null],
      ],
      'a <= b',
      [1],
    ],
    [
      'an implication speaks of the rows that meet its condition',
      { status: 'VARCHAR', closed: 'DATE' },
      [
        ['closed', null],
        ['open', null],
        ['closed', '2020-01-01'],
        [null, null],
      ],
      "status = 'closed' -> closed IS NOT NULL",
      [0],
    ],
    [
      'a date and a timestamp',
      { a: 'DATE', b: 'TIMESTAMP' },
      [
        ['2020-01-02', '2020-01-01 23:00:00'],
        ['2020-01-01', '2020-01-01 00:00:00'],
      ],
      'a <= b',
      [0],
    ],
    [
      'text is read as the number that it is compared with',
      { a: 'VARCHAR', b: 'DOUBLE' },
      [
        ['10', '9'],
        ['x', '1'],
      ],
      'a < b',
      [0],
    ],
    [
      'text that is a time',
      { a: 'VARCHAR', b: 'TIMESTAMP' },
      [
        ['2020-01-02T00:00:00Z', '2020-01-01'],
        ['?', '2020-01-01'],
      ],
      'a <= b',
      [0],
    ],
    [
      'NaN is a missing value, in numbers and in text read as such',
      { a: 'DOUBLE', b: 'FLOAT', c: 'VARCHAR' },
      [
        ['NaN', '1', '1'],
        ['1', 'NaN', '1'],
        ['1', '1', 'nan'],
        ['3', '2', '1'],
      ],
      'a <= b AND b <= c AND a <= c AND a <= 100 AND b < 100',
      [3],
    ],
    ['NaN where a value must be', { a: 'DOUBLE' }, [['NaN'], ['1'], [null]], 'a IS NOT NULL', [0, 2]],
    [
      'a UUID and text, which need not be one',
      { a: 'UUID', b: 'VARCHAR' },
      [
        ['0b7e3c1a-5f7e-4c39-8d4e-0a1b2c3d4e5f', 'n/a'],
        ['0b7e3c1a-5f7e-4c39-8d4e-0a1b2c3d4e5f', '0B7E3C1A-5F7E-4C39-8D4E-0A1B2C3D4E5F'],
        ['0b7e3c1a-5f7e-4c39-8d4e-0a1b2c3d4e5f', null],
      ],
      'a != b',
      [1],
    ],
    [
      'values bound, never pasted',
      { a: 'VARCHAR' },
      [["x'); DROP TABLE t; --"], ['y']],
      "a != 'x''); DROP TABLE t; --'",
      [0],
    ],
  ];
  it.each(cases)('%s', async (_, types, rows, rule, expected) => {
    expect(await broken(types, rows, rule)).toEqual(expected);
  });

  it('orders texts of the event time as times, as predicates do', async () => {
    const rows = [
      ['2024-05-01 08:00:00', '2024-05-01T09:00:00Z'],
      ['2024-04-30 23:59:59', '2024-05-01'],
      ['2024-05-01T01:00:00+02:00', '2024-05-01 00:00:00'],
      ['2024-05-01 08:00:00', '2024-05-01T07:00:00Z'],
      ['?', '2024-05-01'],
      ['2024-05-01', '?'],
    ];
    const types = { at: 'VARCHAR', until: 'VARCHAR' };
    expect(await broken(types, rows, "at >= '2024-05-01T00:00:00Z'", 'at')).toEqual([1, 2]);
    expect(await broken(types, rows, 'at <= until', 'at')).toEqual([3]);
    expect(await broken(types, rows, 'until >= at', 'at')).toEqual([3]);
  });

  it('judges as the profile of the same rows does', async () => {
    const rules = [
      'a <= b',
      'a = b',
      'a > 2 -> b != 1 AND c IS NOT NULL',
      "c IN ('x', 'y')",
      'b BETWEEN 1 AND 3',
      'a < c',
    ];
    const number = fc.option(fc.integer({ min: 0, max: 4 }).map(String));
    const text = fc.option(fc.constantFrom('x', 'y', 'z'));
    const row = fc.tuple(number, fc.oneof(number, fc.constant('NaN')), text);
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), async (rows) => {
        const types = { a: 'BIGINT', b: 'DOUBLE', c: 'VARCHAR' };
        const columns = { a: { type: 'integer' }, b: { type: 'number' }, c: { type: 'string' } };
        const table = encodeTable(
          ['a', 'b', 'c'],
          rows.map((cells) => cells.map((cell) => cell ?? '')),
        );
        const verdicts = judgeRules(table, parseContract({ columns, rules }));
        for (const [at, rule] of rules.entries()) expect(await broken(types, rows, rule)).toEqual(verdicts[at].broken);
      }),
      { numRuns: 20 },
    );
  });
});

describe('a dataset with rules', () => {
  writeFileSync(join(folder, 'trips.csv'), 'id,low,high,name\n1,1,2,a\n2,5,3,b\n3,,3,c\n4,9,3,d\n');
  const trips = (...rules: string[]) => fileDataset('trips.csv', { key: ['id'], rules: rules.map(parseRule) }, folder);

  it('has its slices judged by those whose columns they have', async () => {
    const asks = [slice('both', { fields: ['low', 'high'] }), slice('one', { fields: ['low', 'name'] })];
    const { slices } = await read(plane, trips('low <= high', "name != 'd'"), asks);
    expect(slices.map(({ ruleBreaches }) => ruleBreaches)).toEqual([{ 'low <= high': 0.5 }, { "name != 'd'": 0.25 }]);
  });

  it.each(["u = 'none'", "u > 'none'", "d = 'none'", "p < 'none'", "b != 'perhaps'"])(
    'is refused before anything is read where %s is no value of its column',
    async (rule) => {
      const path = join(folder, 'typed.parquet');
      await engine.session(noAbort, (session) =>
        session.run(
          `COPY (SELECT uuid() AS u, DATE '2020-01-01' AS d, 1::DECIMAL(12, 2) AS p, true AS b) TO '${path}'`,
        ),
      );
      const typed = fileDataset('typed.parquet', { rules: [parseRule(rule)] }, folder);
      await expect(plane.describe(typed, 0, noAbort)).rejects.toMatchObject({
        ...{ kind: 'usage', type: 'TypeMismatch' },
        message: expect.stringMatching(/^dataset set: rule .*: column "[udpb]" \(.*\) cannot be compared with "/),
      });
    },
  );

  it.each([
    ['low <= hihg', 'UnknownColumn', 'dataset set: rule low <= hihg: no column "hihg"'],
    ["low > 'x'", 'TypeMismatch', 'dataset set: rule low > \'x\': column "low" (BIGINT) cannot be compared with "x"'],
  ])('is refused where the rule %s does not fit its columns', async (rule, type, message) => {
    await expect(plane.describe(trips(rule), 0, noAbort)).rejects.toMatchObject({ kind: 'usage', type, message });
  });

  it('is refused where a promise between rows names a column that it lacks: it would never be judged', async () => {
    const promising = (promise: Partial<DatasetDefinition>) => fileDataset('trips.csv', promise, folder);
    const told = (what: string) => ({
      ...{ kind: 'usage', type: 'UnknownColumn', expected: 'one of "id", "low", "high", "name"' },
      message: `dataset set: ${what}`,
    });
    const lacking = promising({ dependencies: parseDependencies('low, nmae -> high') });
    await expect(plane.describe(lacking, 0, noAbort)).rejects.toMatchObject(
      told('dependency low, nmae -> high: no column "nmae"'),
    );
    await expect(
      plane.describe(promising({ unique: [uniqueColumns(['low', 'High'])] }), 0, noAbort),
    ).rejects.toMatchObject(told('unique low, High: no column "High"'));
    const kept = { dependencies: parseDependencies('name -> low'), unique: [uniqueColumns(['low', 'high'])] };
    await expect(plane.describe(promising(kept), 0, noAbort)).resolves.toMatchObject({ rows: 4 });
  });
});
