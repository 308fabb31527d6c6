import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Literal, Predicate } from '../../../domain/types/predicate.js';
import { sourceColumns } from '../../../interfaces/data/columns.js';
import { quoteIdentifier } from '../../../interfaces/data/engine.js';
import { Bindings, predicateSql, utcTimestamp } from '../../../interfaces/data/predicate-sql.js';
import { noAbort, testPlane } from './plane-kit.js';

const { engine } = await testPlane();

/** Rows of one column that match, by the engine itself. */
async function matches(
  type: string,
  cells: readonly (string | null)[],
  predicate: Predicate,
  name = 'x',
): Promise<number> {
  return engine.session(noAbort, async (session) => {
    const column = quoteIdentifier(name);
    await session.run(`CREATE TEMP TABLE t (${column} ${type})`);
    for (const cell of cells) await session.run(`INSERT INTO t SELECT CAST($1 AS ${type})`, [cell]);
    const bindings = new Bindings();
    const columns = sourceColumns([{ name, type }]);
    const where = predicateSql(predicate, { dialect: 'duckdb', columns, bindings, spell: () => column });
    const [row] = await session.rows(`SELECT count(*) AS n FROM t WHERE ${where}`, bindings.values);
    return Number(row.n);
  });
}

describe('predicates in DuckDB', () => {
  const cases: readonly [string, string, readonly (string | null)[], Predicate, number][] = [
    ['an empty predicate matches every row', 'BIGINT', ['1', null], [], 2],
    ['NULL matches no comparison', 'BIGINT', ['1', null], [{ column: 'x', op: '!=', value: 5 }], 1],
    ['NULL matches is-null only', 'BIGINT', ['1', null], [{ column: 'x', op: 'is-null' }], 1],
    [
      'a fraction is not rounded to the integer column',
      'BIGINT',
      ['15', '16'],
      [{ column: 'x', op: '>', value: 15.5 }],
      1,
    ],
    [
      'keys beyond 2^53 stay exact',
      'BIGINT',
      ['9007199254740993', '9007199254740992'],
      [{ column: 'x', op: '=', value: '9007199254740993' }],
      1,
    ],
    ['0.1 equals a stored 32-bit 0.1', 'FLOAT', ['0.1'], [{ column: 'x', op: '=', value: 0.1 }], 1],
    [
      'a date is the start of its day',
      'TIMESTAMP',
      ['2001-01-01 00:00:00', '2001-01-01 00:00:01'],
      [{ column: 'x', op: '<=', value: '2001-01-01' }],
      1,
    ],
    [
      'an offset is converted to UTC',
      'TIMESTAMP',
      ['2001-01-01 00:00:00'],
      [{ column: 'x', op: '=', value: '2001-01-01T02:00:00+02:00' }],
      1,
    ],
    [
      'a DATE column compares with a time',
      'DATE',
      ['2001-01-01', '2001-01-02'],
      [{ column: 'x', op: '<', value: '2001-01-01T12:00:00Z' }],
      1,
    ],
    ['text keeps its leading zeros', 'VARCHAR', ['007', '7'], [{ column: 'x', op: '=', value: '007' }], 1],
    [
      'both ends of BETWEEN count',
      'BIGINT',
      ['1', '2', '3', '4'],
      [{ column: 'x', op: 'between', low: 2, high: 3 }],
      2,
    ],
    ['an empty list matches nothing', 'BIGINT', ['1', null], [{ column: 'x', op: 'in', values: [] }], 0],
    [
      'a UUID in either case',
      'UUID',
      ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-4000-8000-000000000000'],
      [
        { column: 'x', op: '>', value: '00000000-0000-4000-8000-000000000000' },
        { column: 'x', op: '=', value: 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11' },
      ],
      1,
    ],
    ['booleans compare', 'BOOLEAN', ['true', 'false', null], [{ column: 'x', op: '=', value: true }], 1],
    [
      'conditions are joined by AND',
      'BIGINT',
      ['1', '2', '3'],
      [
        { column: 'x', op: '>', value: 1 },
        { column: 'x', op: '<', value: 3 },
      ],
      1,
    ],
  ];
  it.each(cases)('%s', async (_, type, cells, predicate, expected) => {
    expect(await matches(type, cells, predicate)).toBe(expected);
  });

  const mismatches: readonly [string, Literal][] = [
    ['BIGINT', 'abc'],
    ['BIGINT', '1; DROP TABLE t'],
    ['DOUBLE', 'Infinity'],
    ['BIGINT', true],
    ['BOOLEAN', 'perhaps'],
    ['TIMESTAMP', '2001-02-30'],
    ['TIMESTAMP', 20010101],
    ['VARCHAR', 7],
    ['UUID', 'none'],
    ['UUID', 7],
    ['DATE', 'none'],
    ['DECIMAL(12,2)', 'none'],
  ];
  it.each(mismatches)('a %s column refuses %j and says so', async (type, value) => {
    await expect(matches(type, [], [{ column: 'x', op: '=', value }])).rejects.toMatchObject({
      kind: 'usage',
      type: 'TypeMismatch',
      got: JSON.stringify(value),
      message: expect.stringContaining(type) as string,
    });
  });

  it('names the columns that exist, and the one that differs in case', async () => {
    await expect(matches('BIGINT', [], [{ column: 'X', op: 'is-null' }])).rejects.toMatchObject({
      type: 'UnknownColumn',
      expected: 'one of "x"',
      hint: 'Did you mean "x"? Names are case-sensitive.',
    });
  });
});

describe('nothing a user writes becomes SQL', () => {
  const hostile = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 30 }),
    fc.constantFrom("'; DROP TABLE t; --", '" OR 1=1 --', '$1', '$$', "\\'", '%', ';', "''", '""'),
  );

  it('any text matches itself and nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (stored, asked) => {
        fc.pre(!stored.includes('\0') && !asked.includes('\0'));
        const found = await matches('VARCHAR', [stored], [{ column: 'x', op: 'in', values: [asked] }]);
        expect(found).toBe(stored === asked ? 1 : 0);
        expect(await matches('VARCHAR', [stored], [{ column: 'x', op: '=', value: stored }])).toBe(1);
      }),
      { numRuns: 60 },
    );
  });

  it('any text is a column name of its own, and only that column is reached', async () => {
    await fc.assert(
      fc.asyncProperty(hostile, hostile, async (name, other) => {
        fc.pre(name !== '' && !name.includes('\0'));
        expect(await matches('BIGINT', ['1'], [{ column: name, op: '=', value: 1 }], name)).toBe(1);
        if (other !== name) {
          await expect(matches('BIGINT', ['1'], [{ column: other, op: 'is-null' }], name)).rejects.toMatchObject({
            type: 'UnknownColumn',
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('a statement holds placeholders only, whatever the values', () => {
    const columns = sourceColumns([{ name: 'x', type: 'VARCHAR' }]);
    fc.assert(
      fc.property(
        fc.array(hostile, { minLength: 1, maxLength: 5 }),
        fc.constantFrom('duckdb' as const, 'postgres' as const),
        (values, dialect) => {
          fc.pre(values.every((value) => !value.includes('\0')));
          const bindings = new Bindings();
          const sql = predicateSql([{ column: 'x', op: 'in', values }], {
            dialect,
            columns,
            bindings,
            spell: ({ alias }) => alias,
          });
          expect(sql).toMatch(/^c0 IN \((CAST\(\$\d+ AS (VARCHAR|text)\)(, )?)+\)$/);
          expect(new Set(bindings.values)).toEqual(new Set(values));
        },
      ),
    );
  });
});

describe('times', () => {
  it.each([
    ['2001-01-08', '2001-01-08 00:00:00'],
    ['2001-01-08T00:00Z', '2001-01-08 00:00:00'],
    ['2001-01-08 01:02:03.1234567', '2001-01-08 01:02:03.123456'],
    ['2001-01-08T00:00:00-0530', '2001-01-08 05:30:00'],
    ['2001-01-08T00:00:00+01', '2001-01-07 23:00:00'],
    ['2001-02-29', null],
    ['2001-13-01', null],
    ['2001-01-08T24:00:00Z', null],
    ['Jan 8 2001', null],
    ['', null],
  ])('%j is %j in UTC', (text, utc) => {
    expect(utcTimestamp(text)).toBe(utc);
  });
});
